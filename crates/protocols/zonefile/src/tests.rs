use std::path::Path;

use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};

use super::*;

/// What a file of the zone "example." holds: a line for each record, its data in bytes.
fn read_text(text: &str) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir().unwrap();
    read_in(folder.path(), text)
}

fn read_in(folder: &Path, text: &str) -> Result<Vec<String>, Error> {
    let path = folder.join("example.zone");
    std::fs::write(&path, text).unwrap();
    let contents = read(&path, &"example.".parse().unwrap())?;
    let lines = contents.entries.iter().map(|entry| {
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        entry.record.data.emit(&mut encoder).unwrap();
        let Record { name, ttl, .. } = &entry.record;
        format!("{name} {ttl} {} {}", entry.record.record_type(), bytes.escape_ascii())
    });
    Ok(lines.collect())
}

/// The data of one record at "x.example.", TTL 1.
fn data_of(rest: &str) -> String {
    let lines = read_text(&format!("x 1 {rest}\n")).unwrap();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    line.splitn(4, ' ').nth(3).unwrap().to_owned()
}

fn problem(text: &str) -> String {
    let error = read_text(text).expect_err("a file that is refused").to_string();
    error.split_once("example.zone").map(|(_, rest)| rest.to_owned()).unwrap_or(error)
}

#[test]
fn strings_are_what_was_written() {
    assert_eq!(data_of(r#"TXT ( "v=DKIM1; k=rsa; " "p=MIGf" )"#), r"\x10v=DKIM1; k=rsa; \x06p=MIGf");
    assert_eq!(data_of(r#"TXT "\065\066""#), r"\x02AB");
    assert_eq!(data_of(r"TXT \065\066"), r"\x02AB");
    assert_eq!(data_of(r"TXT a\;b"), r"\x03a;b");
    assert_eq!(data_of(r"TXT a\ b"), r"\x03a b");
    assert_eq!(data_of(r#"TXT "a\"b" \"c"#), r#"\x03a\"b\x02\"c"#);
    assert_eq!(data_of("TXT \"a\nb\""), r"\x03a\nb");
    assert_eq!(data_of(r#"TXT """#), r"\x00");
    assert_eq!(data_of("TXT \"é\""), r"\x02\xc3\xa9");
}

#[test]
fn service_parameters_are_what_was_written() {
    let head = r"\x00\x01\x00";
    assert_eq!(data_of("SVCB 1 . key667="), format!(r"{head}\x02\x9b\x00\x00"));
    assert_eq!(data_of(r#"SVCB 1 . key667="\065 b""#), format!(r"{head}\x02\x9b\x00\x03A b"));
    let two = format!(r"{head}\x00\x01\x00\x03\x02h2\x00\x03\x00\x02\x01\xbb");
    assert_eq!(data_of("HTTPS 1 . port=443 alpn=h2"), two);
    assert_eq!(data_of(r#"HTTPS 1 . alpn="h2" port="443""#), two);
    // Appendix D.2 of RFC 9460: a comma and a backslash inside a protocol's name, escaped twice.
    let odd = r"\x00\x10\x03foo\x07example\x00\x00\x01\x00\x0c\x08f\\oo,bar\x02h2";
    assert_eq!(data_of(r#"SVCB 16 foo alpn="f\\\\oo\\,bar,h2""#), odd);
    assert_eq!(data_of(r"SVCB 16 foo alpn=f\\\092oo\092,bar,h2"), odd);
}

#[test]
fn names_may_be_any_that_rfc_1035_allows() {
    assert_eq!(data_of("CNAME @"), r"\x07example\x00");
    assert_eq!(data_of("MX 10 @"), r"\x00\n\x07example\x00");
    assert_eq!(data_of("CNAME a_b"), r"\x03a_b\x07example\x00");
    assert_eq!(data_of("CNAME 1.0/25"), r"\x011\x040/25\x07example\x00");
    assert_eq!(data_of(r"CNAME a\.b.\@"), r"\x03a.b\x01@\x07example\x00");
    assert_eq!(data_of("CNAME ."), r"\x00");
    assert!(problem("x 1 CNAME a..b\n").contains("line 1: \"a..b\": expected a name without empty labels"));
    assert!(problem(&format!("x 1 CNAME {}\n", "a".repeat(64))).contains("at most 63 bytes"));
    let long = ["a".repeat(60).as_str(); 5].join(".");
    assert!(problem(&format!("x 1 CNAME {long}\n")).contains("at most 255 bytes"));
    assert!(problem("é 1 A 192.0.2.1\n").contains("A-labels"));
}

#[test]
fn what_a_line_leaves_out_comes_from_before() {
    let text = "\u{feff}$ttl 1h30m\r\na A 192.0.2.1\r\n  7 IN TXT b\r\n\r\n$ORIGIN sub\r\nc IN 5 A 192.0.2.2\r\n$ORIGIN deep\r\n@ A 192.0.2.3";
    let expected = [
        r"a.example. 5400 A \xc0\x00\x02\x01",
        r"a.example. 7 TXT \x01b",
        r"c.sub.example. 5 A \xc0\x00\x02\x02",
        r"deep.sub.example. 5400 A \xc0\x00\x02\x03",
    ];
    assert_eq!(read_text(text).unwrap(), expected);
    let soa = read_text("@ SOA a b 1 2 3 4 60\na A 192.0.2.1\nb 9 A 192.0.2.1\nc A 192.0.2.1\n").unwrap();
    let ttls: Vec<_> = soa.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(ttls, ["60", "60", "9", "9"]);
    assert!(problem("a A 192.0.2.1\n").contains("line 1: no TTL"));
    assert!(problem(" 1 A 192.0.2.1\n").contains("there is none before it to repeat"));
}

#[test]
fn parentheses_join_lines_anywhere() {
    assert_eq!(data_of("( IN\n\nMX ; why\n 10 )\t@"), r"\x00\n\x07example\x00");
    assert!(problem("a 1 TXT ( x\nb 1 TXT y\n").starts_with(", line 1: \"(\" without a \")\""));
    assert!(problem("a 1 TXT x\nb 1 TXT y )\n").starts_with(", line 2: \")\" without a \"(\""));
    assert!(problem("a 1 TXT ( ( x ) )\n").contains("they don't nest"));
    assert!(problem("a 1 TXT x\nb 1 TXT \"y\nc 1 TXT z\n").starts_with(", line 2: '\"' without a second"));
    assert!(problem("a 1 TXT x\\\n").contains("at the end of a line"));
}

#[test]
fn any_type_can_be_given_in_bytes() {
    assert_eq!(data_of(r"TYPE1 \# 4 01020304"), r"\x01\x02\x03\x04");
    assert_eq!(data_of(r"TYPE65280 \# 3 01 0203"), r"\x01\x02\x03");
    assert_eq!(data_of(r"TYPE65280 \# 0"), "");
    assert_eq!(data_of(r"LOC \# 1 00"), r"\x00");
    assert!(problem("x 1 TYPE1 \\# 3 010203\n").contains("not the data of a A record"));
    assert!(problem("x 1 NS \\# 3 c00c00\n").contains("not the data of a NS record"));
    assert!(problem("x 1 TYPE65280 \\# 4 010203\n").contains("\"4\": expected 3, the length"));
    assert!(problem("x 1 LOC 52 22 N\n").contains("expected its data as \\# LENGTH HEXADECIMAL"));
    assert!(problem("x 1 NOSUCH 1\n").contains("\"NOSUCH\": expected a record type"));
    assert!(problem("x 1 ANY \\# 0\n").contains("expected a record type"));
    assert!(problem("x 1 TYPE255 \\# 0\n").contains("exists in messages only"));
}

#[test]
fn dnssec_records_are_read() {
    assert_eq!(data_of("DS 12345 13 2 ( AB\n cd )"), r"09\r\x02\xab\xcd");
    assert_eq!(data_of("DNSKEY 257 3 ECDSAP256SHA256 AQ I=\n"), r"\x01\x01\x03\r\x01\x02");
    assert_eq!(
        data_of("NSEC b A TYPE1234 MX"),
        [r"\x01b\x07example\x00\x00\x02@\x01\x04\x1b", &r"\x00".repeat(26), r" ",].concat()
    );
    let sig = data_of("RRSIG A 8 3 300 20240229000000 19700101000001 1 @ AAEC");
    assert_eq!(
        sig,
        r"\x00\x01\x08\x03\x00\x00\x01,e\xdf\xc9\x00\x00\x00\x00\x01\x00\x01\x07example\x00\x00\x01\x02"
    );
    for no_moment in
        ["20230229000000", "20231301000000", "19691231235959", "20230228240000", "20230228006000"]
    {
        let text = format!("x 1 RRSIG A 8 3 300 {no_moment} 1 1 @ AA==\n");
        assert!(problem(&text).contains(&format!("{no_moment:?}: expected a time")), "{no_moment}");
    }
    // A leap second; and the serial number arithmetic of 32 bits, after 2106 (RFC 4034 §3.1.5).
    let leap = data_of("RRSIG A 8 3 300 19700101000060 21060207062817 1 @ AAEC");
    assert!(leap.contains(r"\x01,\x00\x00\x00<\x00\x00\x00\x01\x00\x01"), "{leap}");
    assert_eq!(data_of("NSEC3PARAM 1 0 10 aabb"), r"\x01\x00\x00\n\x02\xaa\xbb");
    assert_eq!(data_of("NSEC3 1 0 0 - 08"), r"\x01\x00\x00\x00\x00\x01\x02");
    assert_eq!(data_of("DNAME sub"), r"\x03sub\x07example\x00");
}

#[test]
fn nothing_is_left_over() {
    assert!(
        problem("ok 1 A 1.2.3.4\nx 1 A 1.2.3.4 junk\n").starts_with(", line 2: \"junk\": expected the end")
    );
    assert!(problem("$TTL 5 6\n").contains("\"6\": expected the end"));
    assert!(problem("$GENERATE 1-2 a A 1.2.3.4\n").contains("expected $ORIGIN, $TTL or $INCLUDE"));
    assert!(problem("x 1 MX ( 10\n)\n").contains("the line ends too soon: expected a name"));
    assert!(problem("x 1 A 1.2.3\n").contains("\"1.2.3\": expected an IPv4 address"));
    assert!(problem("x 1 CH TXT y\n").contains("\"CH\": expected class IN"));
    assert!(problem("x 4294967296 A 1.2.3.4\n").contains("at most 2147483647"));
    assert!(problem("x 1 TXT k=\"b c\"\n").contains("in quotes as a whole"));
    assert!(problem("x 1 TXT \"a\"b\n").contains("expected a blank after"));
}

#[test]
fn included_files_lie_beside_the_file_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let parts = folder.path().join("parts");
    std::fs::create_dir(&parts).unwrap();
    std::fs::write(parts.join("a part.inc"), "$TTL 5\n A 192.0.2.1\nb A 192.0.2.2\n$INCLUDE more.inc\n")
        .unwrap();
    std::fs::write(parts.join("more.inc"), "c A 192.0.2.3\n").unwrap();
    let text = "$TTL 9\na TXT x\n$include \"parts/a part.inc\" sub ; why\n TXT y\nd TXT z\n";
    let lines = read_in(folder.path(), text).unwrap();
    let heads: Vec<_> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let expected = ["a.example. 9 TXT", "a.example. 5 A", "b.sub.example. 5 A", "c.sub.example. 5 A"];
    assert_eq!(heads[..4], expected);
    assert_eq!(
        heads[4..],
        ["a.example. 9 TXT", "d.example. 9 TXT"],
        "owner, origin and TTL are the file's own"
    );
    let files = read(&folder.path().join("example.zone"), &"example.".parse().unwrap()).unwrap().files;
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["example.zone", "a part.inc", "more.inc"]);
    std::fs::write(folder.path().join("odd.zone"), "x NOSUCH 1\n$INCLUDE parts/more.inc\n").unwrap();
    let parts_of_odd = super::files(&folder.path().join("odd.zone")).unwrap();
    assert_eq!(parts_of_odd[1..], [parts.join("more.inc")], "found although a record is wrong");

    std::fs::write(parts.join("more.inc"), "c A 192.0.2\n").unwrap();
    let error = read_in(folder.path(), text).unwrap_err();
    assert_eq!((error.file, error.line), (parts.join("more.inc"), Some(1)));
}

#[test]
fn included_files_are_bounded_and_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| read_in(folder.path(), text).unwrap_err().problem;
    assert!(refused("$INCLUDE example.zone\n").contains("does not include itself"));
    assert!(
        refused("$INCLUDE nowhere.inc\n").contains("\"nowhere.inc\": expected a file that can be read at")
    );
    assert!(refused("$INCLUDE\n").contains("expected a file name"));
    for outside in ["/etc/hostname", "../x.inc", "parts/../../x.inc", "\"\""] {
        assert!(refused(&format!("$INCLUDE {outside}\n")).contains("beside the zone file"), "{outside}");
    }
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.inc")).unwrap();
    assert!(refused("$INCLUDE link.inc\n").contains("beside the zone file"));
    for depth in 0..20 {
        let text = format!("$INCLUDE {}.inc\n", depth + 1);
        std::fs::write(folder.path().join(format!("{depth}.inc")), text).unwrap();
    }
    assert!(refused("$INCLUDE 0.inc\n").contains("at most 10 files that include each other"));
}
