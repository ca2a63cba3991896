//! Zone files from a seed: the same records in all the ways that a person may write them.

/// A generator of numbers that are the same on every machine (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// A zone file with some forty records.
pub(crate) fn zone(seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..8 {
        dice.roll(2);
    }
    let mut text = String::new();
    text += dice.pick(&["$TTL 300\n", "$ttl 5m\n", "$TTL 300 ; seconds\n"]);
    text += dice.pick(&[
        "@ IN SOA ns host 1 3600 600 86400 60\n",
        "@ SOA ns host ( 1 1h\n 10m ; retry\n 1d 60 )\n",
        "@ 300 IN SOA ns host 1 3600 600 86400 1m\n",
    ]);
    text += "@ IN NS ns\nns IN A 192.0.2.1\n";
    for number in 0..40 {
        // A name of its own for each, or nearly: sets with several TTLs are a matter of taste.
        let owner = match dice.roll(10) {
            0 => format!("*.w{number}"),
            1 => format!("a\\.b{number}"),
            2 => format!("\\{:03}{number}.deep", 97 + dice.roll(26)),
            3 => format!("_srv._t{number}"),
            4 => format!("{number}/25"),
            _ => format!("n{number}"),
        };
        let ttl = dice.pick(&["", "60", "1h", "1m30s", "0", "604800"]);
        let class = dice.pick(&["", "IN", "in"]);
        let data = data(&mut dice, number);
        let (kind, fields) = data.split_once(' ').unwrap();
        let head = if dice.roll(2) == 0 { format!("{ttl} {class}") } else { format!("{class} {ttl}") };
        let blank = dice.pick(&[" ", "\t", "   "]);
        text += &match dice.roll(4) {
            0 => format!("{owner}{blank}{head} {kind} ( {fields} )"),
            1 => format!("{owner}{blank}{head} ( ; why\n\n {kind}{blank}{fields}\n)"),
            _ => format!("{owner}{blank}{head}{blank}{kind}{blank}{fields}"),
        };
        text += dice.pick(&["\n", " ; a comment\n", ";x \"y\" (\n", " \t\n\n", "\n  ; only a comment\n"]);
        if dice.roll(6) == 0 && kind != "TXT" {
            text += &format!("\t{} TXT \"again {number}\"\n", dice.pick(&["", "IN"]));
        }
        if dice.roll(15) == 0 {
            text += &format!("$ORIGIN {}generated-{seed}.test.\n", dice.pick(&["", "sub.", "sub.sub."]));
        }
    }
    // Without CRLF: Knot refuses it, and NSD 4.6 takes the CR into a string that ends in an escape.
    text.into_bytes()
}

/// Type and data. An owner may get a TXT record more, so none of these is a CNAME.
fn data(dice: &mut Dice, number: usize) -> String {
    match dice.roll(16) {
        0 => format!("A 192.0.2.{}", dice.roll(256)),
        1 => format!("AAAA 2001:db8::{:x}", dice.roll(65536)),
        2 => format!("MX {} {}", dice.roll(65536), dice.pick(&["@", "ns", "mail.other.test.", "."])),
        3 | 4 => format!("TXT {}", string(dice)),
        5 => format!("TXT {} {} {}", string(dice), string(dice), string(dice)),
        6 => format!("SRV {} 0 5060 {}", dice.roll(100), dice.pick(&["@", "sip.server", "."])),
        7 => format!("CAA {} {} {}", dice.roll(256), dice.pick(&["issue", "iodef"]), string(dice)),
        8 => format!(
            "HTTPS {} . alpn={} port={}",
            1 + dice.roll(9),
            dice.pick(&["h2", "\"h3,h2\""]),
            dice.roll(65536)
        ),
        9 => {
            format!("SVCB 1 svc key{}={}", 1000 + dice.roll(60000), dice.pick(&["a", "\"b c\"", "\"\\200\""]))
        }
        10 => {
            format!("TYPE{} \\# 3 {}", 65280 + dice.roll(200), dice.pick(&["010203", "01 02 03", "AaBbCc"]))
        }
        11 => format!("DS {} 13 2 {}", dice.roll(65536), "0123456789ABCDEF".repeat(4)),
        12 => format!("NAPTR {} 1 {} \"\" \"\" x", dice.roll(9), string(dice)),
        13 => format!("TLSA 3 1 1 {}", dice.pick(&["00ff", "00 FF"])),
        14 => format!("NSEC n{number} {}", dice.pick(&["A", "A TXT NSEC", "TYPE1 CAA TYPE65280"])),
        _ => format!("PTR {}", dice.pick(&["@", "ns", "x.y"])),
    }
}

/// A string of a few characters, quoted or not, with escapes.
fn string(dice: &mut Dice) -> String {
    let quoted = dice.roll(2) == 0;
    let mut text = String::new();
    for _ in 0..1 + dice.roll(8) {
        text += match dice.roll(if quoted { 9 } else { 6 }) {
            0 => "\\;",
            1 => "\\\"",
            2 => "\\065",
            3 => "\\\\",
            4 => dice.pick(&["=", "@", "/", "_", "$", "+"]),
            6 => ";",
            7 => " ",
            8 => "(",
            _ => dice.pick(&["a", "B", "7", "xyz"]),
        };
    }
    if quoted { format!("\"{text}\"") } else { format!("k{text}") }
}
