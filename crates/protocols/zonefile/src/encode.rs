//! The data of a record: from the tokens of its fields to the wire form.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hickory_proto::rr::{Name, RecordType};

use crate::error::Problem;
use crate::mnemonics::{ALGORITHMS, CERTIFICATES};
use crate::token::Token;
use crate::types::Field::{
    self, Algorithm, Base32, Base64, Bytes, Certificate, Eui, Hex, Ipv4, Ipv6, Moment, Number8, Number16,
    Number32, Parameters, Salt, Seconds, Text, Texts, Type, Types,
};
use crate::values::{base32, bitmap, hex, moment, write_name};
use crate::{check, service, types};

/// What is expected where bytes stand in hexadecimal.
const HEX_DIGITS: &str = "hexadecimal digits, two for each byte";

/// The wire form of the data that `tokens` describe; `end` is the line on which they end.
pub(crate) fn encode(
    kind: RecordType,
    tokens: &[Token],
    end: usize,
    origin: &Name,
) -> Result<Vec<u8>, Problem> {
    let fields = types::fields(kind);
    let mut data = Data { tokens, end, origin, wire: Vec::new() };
    if tokens.first().is_some_and(|first| first.is("\\#")) {
        data.opaque()?;
        if !check::fits(fields, &data.wire) {
            let text = format!("the bytes after \\# are not the data of a {kind} record");
            return Err(Problem { line: end, text });
        }
        return Ok(data.wire);
    }
    if fields.is_empty() {
        let text = format!("{kind}: expected its data as \\# LENGTH HEXADECIMAL (RFC 3597 §5)");
        return Err(Problem { line: end, text });
    }
    for field in fields {
        data.field(*field)?;
    }
    if let Some(more) = data.tokens.first() {
        return Err(more.expected("the end of the line"));
    }
    match u16::try_from(data.wire.len()) {
        Ok(_) => Ok(data.wire),
        Err(_) => Err(Problem { line: end, text: "the data is longer than 65535 bytes".to_owned() }),
    }
}

/// Data being written: what is left of the tokens, and the wire form so far.
struct Data<'a> {
    tokens: &'a [Token],
    end: usize,
    origin: &'a Name,
    wire: Vec<u8>,
}

impl<'a> Data<'a> {
    fn next(&mut self, what: &str) -> Result<&'a Token, Problem> {
        let (first, rest) = self.tokens.split_first().ok_or_else(|| self.too_short(what))?;
        self.tokens = rest;
        Ok(first)
    }

    fn too_short(&self, what: &str) -> Problem {
        Problem { line: self.end, text: format!("the line ends too soon: expected {what}") }
    }

    fn field(&mut self, field: Field) -> Result<(), Problem> {
        match field {
            Number8 => {
                let what = "a number from 0 to 255";
                let number: u8 = self.next(what)?.number(what)?;
                self.wire.push(number);
            }
            Number16 => {
                let what = "a number from 0 to 65535";
                let number: u16 = self.next(what)?.number(what)?;
                self.wire.extend(number.to_be_bytes());
            }
            Number32 => {
                let what = "a number from 0 to 4294967295";
                let number: u32 = self.next(what)?.number(what)?;
                self.wire.extend(number.to_be_bytes());
            }
            Seconds => {
                let what = "a time in seconds, or with units as in 1h30m";
                let token = self.next(what)?;
                self.wire.extend(token.seconds().ok_or_else(|| token.expected(what))?.to_be_bytes());
            }
            Ipv4 => {
                let what = "an IPv4 address such as 192.0.2.1";
                let address: Ipv4Addr = self.parsed(what)?;
                self.wire.extend(address.octets());
            }
            Ipv6 => {
                let what = "an IPv6 address such as 2001:db8::1";
                let address: Ipv6Addr = self.parsed(what)?;
                self.wire.extend(address.octets());
            }
            Field::Name => {
                let name = self.next("a name")?.name(self.origin)?;
                write_name(&name, &mut self.wire);
            }
            Text => self.text()?,
            Texts => {
                self.text()?;
                while !self.tokens.is_empty() {
                    self.text()?;
                }
            }
            Bytes => {
                let bytes = self.next("a string")?.string()?;
                self.wire.extend(bytes);
            }
            Type => {
                let kind = self.next("a record type")?.record_type()?;
                self.wire.extend(u16::from(kind).to_be_bytes());
            }
            Algorithm => {
                let what = "a DNSSEC algorithm: its number, or its mnemonic such as ECDSAP256SHA256";
                let number = self.number_or(ALGORITHMS, what)?;
                self.wire.push(number);
            }
            Certificate => {
                let what = "a certificate type: its number, or its mnemonic such as PKIX";
                let number: u16 = self.number_or(CERTIFICATES, what)?;
                self.wire.extend(number.to_be_bytes());
            }
            Moment => {
                let what = "a time as YYYYMMDDHHmmSS, or in seconds since 1970";
                let token = self.next(what)?;
                let moment = token.word().and_then(moment).ok_or_else(|| token.expected(what))?;
                self.wire.extend(moment.to_be_bytes());
            }
            Hex => {
                let bytes = self.joined(HEX_DIGITS, hex)?;
                self.wire.extend(bytes);
            }
            Base64 => {
                let bytes = self.joined("base 64", |text| BASE64.decode(text).ok())?;
                self.wire.extend(bytes);
            }
            Salt => {
                let what = "a salt in hexadecimal, at most 255 bytes, or \"-\"";
                let salt =
                    self.one(what, |word| if word == "-" { Some(Vec::new()) } else { hex(word.as_bytes()) })?;
                self.counted(&salt);
            }
            Base32 => {
                let hash = self.one("a hash in base 32 (extended hex alphabet)", base32)?;
                self.counted(&hash);
            }
            Types => {
                let kinds = self.tokens.iter().map(Token::record_type).collect::<Result<Vec<_>, _>>()?;
                self.tokens = &[];
                self.wire.extend(bitmap(kinds.into_iter().map(u16::from).collect()));
            }
            Eui(length) => {
                let what = "bytes in hexadecimal with \"-\" between them, such as 00-00-5e-00-53-2a";
                let parse = |word: &str| {
                    let bytes =
                        word.split('-').map(|byte| hex(byte.as_bytes()).filter(|byte| byte.len() == 1));
                    bytes.collect::<Option<Vec<_>>>().map(|bytes| bytes.concat())
                };
                let bytes =
                    self.one(what, |word| parse(word).filter(|bytes| bytes.len() == usize::from(length)))?;
                self.wire.extend(bytes);
            }
            Parameters => {
                self.wire.extend(service::parameters(self.tokens)?);
                self.tokens = &[];
            }
        }
        Ok(())
    }

    /// One word, read by `parse`; at most 255 bytes come of it.
    fn one(&mut self, what: &str, parse: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, Problem> {
        let token = self.next(what)?;
        let bytes = token.word().and_then(parse).filter(|bytes| bytes.len() <= 255);
        bytes.ok_or_else(|| token.expected(what))
    }

    fn parsed<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, Problem> {
        let token = self.next(what)?;
        token.word().and_then(|word| word.parse().ok()).ok_or_else(|| token.expected(what))
    }

    fn number_or<T: std::str::FromStr + TryFrom<u16>>(
        &mut self,
        known: &[(&str, u16)],
        what: &str,
    ) -> Result<T, Problem> {
        let token = self.next(what)?;
        let known =
            known.iter().find(|(name, _)| token.is(name)).and_then(|(_, number)| T::try_from(*number).ok());
        known.map_or_else(|| token.number(what), Ok)
    }

    /// All tokens that are left, as one.
    fn joined(&mut self, what: &str, parse: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>, Problem> {
        let first = self.tokens.first().ok_or_else(|| self.too_short(what))?;
        let all: Vec<u8> = self.tokens.iter().flat_map(|token| token.raw.iter().copied()).collect();
        self.tokens = &[];
        parse(&all).ok_or_else(|| first.expected(what))
    }

    fn text(&mut self) -> Result<(), Problem> {
        let token = self.next("a string")?;
        let text = token.string()?;
        if text.len() > 255 {
            return Err(token.expected("a string of at most 255 bytes: split it (RFC 1035 §3.3)"));
        }
        self.counted(&text);
        Ok(())
    }

    /// Writes bytes, at most 255, with their count before them.
    fn counted(&mut self, bytes: &[u8]) {
        self.wire.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        self.wire.extend(bytes);
    }

    /// `\# LENGTH HEXADECIMAL` (RFC 3597 §5).
    fn opaque(&mut self) -> Result<(), Problem> {
        self.next("\\#")?;
        let what = "the length of the data in bytes";
        let token = self.next(what)?;
        let length: u16 = token.number(what)?;
        if length > 0 || !self.tokens.is_empty() {
            self.wire = self.joined(HEX_DIGITS, hex)?;
        }
        if self.wire.len() != usize::from(length) {
            return Err(token.expected(&format!("{}, the length of the data that follows", self.wire.len())));
        }
        Ok(())
    }
}
