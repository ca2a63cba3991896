//! Numbers with a fraction, as Redis computes them: INCRBYFLOAT and HINCRBYFLOAT work in C's `long double`, which
//! on x86-64 has a significand of 64 bits (the x87 extended format). With the 53 bits of an `f64` the sum of 0.1 and
//! 0.2 would be 0.30000000000000004, where Redis says 0.3; so the format is computed here, on big integers.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};

/// Bits of the significand.
const BITS: u64 = 64;
/// The exponent of the last bit of the smallest and of the largest number.
const LEAST: i64 = -16445;
const GREATEST: i64 = 16384 - BITS as i64;
/// The longest text that Redis reads as a number (`MAX_LONG_DOUBLE_CHARS`).
const TEXT_LIMIT: usize = 5 * 1024;
/// No number has more decimal digits before its point, nor more zeros behind it.
const DECIMAL_LIMIT: i64 = 5_000;
/// Digits behind the point that Redis prints: `%.17Lf`.
const DIGITS: u32 = 17;

/// A number of the extended format. There is no NaN: Redis refuses to read one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Extended {
    /// `significand` × 2 ^ `exponent`.
    Finite {
        significand: BigInt,
        exponent: i64,
    },
    Infinite,
}

impl Extended {
    pub(crate) const ZERO: Self = Self::Finite { significand: BigInt::ZERO, exponent: 0 };

    /// Reads what C's `strtold` reads, to the last byte: decimal, hexadecimal, `inf`. Too large or too small a
    /// number is none, as for Redis.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_LIMIT {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if digits.eq_ignore_ascii_case("inf") || digits.eq_ignore_ascii_case("infinity") {
            return Some(Self::Infinite);
        }
        let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
        let (numerator, denominator) = match hexadecimal {
            Some(digits) => ratio(digits, 16, 'p')?,
            None => ratio(digits, 10, 'e')?,
        };
        let zero = numerator == BigUint::ZERO;
        let number = round(numerator, &denominator, negative);
        match &number {
            Self::Infinite => None,
            Self::Finite { significand, .. } if *significand == BigInt::ZERO && !zero => None,
            Self::Finite { .. } => Some(number),
        }
    }

    /// The sum, rounded to the format.
    pub(crate) fn add(&self, other: &Self) -> Self {
        let (Self::Finite { significand: a, exponent: e }, Self::Finite { significand: b, exponent: f }) =
            (self, other)
        else {
            return Self::Infinite;
        };
        let low = *e.min(f);
        let sum = (a << (e - low)) + (b << (f - low));
        let (sign, size) = sum.into_parts();
        let (numerator, denominator) = scaled(size, low);
        round(numerator, &denominator, sign == Sign::Minus)
    }

    /// With up to 17 digits behind the point and no zeros at its end; none for infinity.
    pub(crate) fn text(&self) -> Option<String> {
        let Self::Finite { significand, exponent } = self else { return None };
        let (numerator, denominator) =
            scaled(significand.magnitude() * BigUint::from(10_u32).pow(DIGITS), *exponent);
        let digits = format!("{:0>18}", divide(numerator, &denominator).to_string());
        let (whole, fraction) = digits.split_at(digits.len() - DIGITS as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if significand.sign() == Sign::Minus { "-" } else { "" };
        let text = format!("{sign}{whole}{point}{fraction}");
        Some(if text == "-0" { "0".to_owned() } else { text })
    }
}

/// Reads digits with a point and an exponent (of 10 behind `e`, of 2 behind `p`) as a fraction.
fn ratio(text: &str, base: u32, mark: char) -> Option<(BigUint, BigUint)> {
    let (digits, power) = match text.split_once([mark, mark.to_ascii_uppercase()]) {
        Some((digits, power)) => (digits, exponent(power)?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: String = [whole, fraction].concat();
    if all.is_empty() || !all.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    let number = BigUint::parse_bytes(all.as_bytes(), base)?;
    if number == BigUint::ZERO {
        return Some((number, BigUint::from(1_u32)));
    }
    // Far beyond the format's range the digits no longer matter, and need not be computed.
    let behind = i64::try_from(fraction.len()).ok()?;
    if base == 16 {
        let power = (power - 4 * behind).clamp(-8 * DECIMAL_LIMIT, 8 * DECIMAL_LIMIT);
        return Some(scaled(number, power));
    }
    let power = (power - behind).clamp(-2 * DECIMAL_LIMIT, 2 * DECIMAL_LIMIT);
    let scale = BigUint::from(10_u32).pow(u32::try_from(power.unsigned_abs()).ok()?);
    Some(if power >= 0 { (number * scale, BigUint::from(1_u32)) } else { (number, scale) })
}

/// An exponent's digits; one of more than nine is as good as any other.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let size =
        digits.trim_start_matches('0').parse().map_or(
            if digits.bytes().all(|digit| digit == b'0') { 0 } else { 1_000_000_000 },
            |size: i64| size.min(1_000_000_000),
        );
    Some(if text.starts_with('-') { -size } else { size })
}

/// `number` × 2 ^ `exponent` as a fraction.
fn scaled(number: BigUint, exponent: i64) -> (BigUint, BigUint) {
    let one = BigUint::from(1_u32);
    if exponent >= 0 { (number << exponent, one) } else { (number, one << -exponent) }
}

/// The nearest number of the format, of two equally near ones the even one (IEEE 754, round to nearest).
fn round(numerator: BigUint, denominator: &BigUint, negative: bool) -> Extended {
    if numerator == BigUint::ZERO {
        return Extended::ZERO;
    }
    let bits = |number: &BigUint| i64::try_from(number.bits()).unwrap_or(i64::MAX);
    let mut exponent = (bits(&numerator) - bits(denominator) - BITS as i64).max(LEAST);
    loop {
        let (up, down) = scaled(numerator.clone(), -exponent);
        let size = divide(up, &(denominator * down));
        if size.bits() > BITS {
            exponent += 1; // the first guess may be one too low, and rounding up may carry
            continue;
        }
        if exponent > GREATEST {
            return Extended::Infinite;
        }
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        return Extended::Finite { significand: BigInt::from_biguint(sign, size), exponent };
    }
}

/// The nearest whole number to a fraction, of two the even one.
fn divide(numerator: BigUint, denominator: &BigUint) -> BigUint {
    let quotient = &numerator / denominator;
    let twice = (numerator - &quotient * denominator) << 1_u32;
    let up = match twice.cmp(denominator) {
        Ordering::Less => false,
        Ordering::Equal => quotient.bit(0),
        Ordering::Greater => true,
    };
    if up { quotient + 1_u32 } else { quotient }
}

#[cfg(test)]
mod tests;
