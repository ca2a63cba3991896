use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const SMALL: usize = 100_000;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn what_was_packed_is_unpacked() {
    assert_eq!(unpacked(&packed(b"spans"), SMALL).as_deref(), Ok(&b"spans"[..]));
    // Members of a stream that follow one another are one (RFC 1952 §2.2).
    let two = [packed(b"sp"), packed(b"ans")].concat();
    assert_eq!(unpacked(&two, SMALL).as_deref(), Ok(&b"spans"[..]));
}

#[test]
fn what_is_no_gzip_or_unpacks_to_too_much_is_refused() {
    assert_eq!(unpacked(b"spans", SMALL).map_err(|(status, _)| status), Err(StatusCode::BAD_REQUEST));
    let cut = packed(&[b'x'; 10_000]);
    assert_eq!(
        unpacked(&cut[..cut.len() / 2], SMALL).map_err(|(status, _)| status),
        Err(StatusCode::BAD_REQUEST)
    );
    let bomb = packed(&vec![0; SMALL + 1]);
    assert!(bomb.len() < 1_000, "{} bytes", bomb.len());
    assert_eq!(unpacked(&bomb, SMALL), Err(TOO_LARGE));
    assert!(unpacked(&packed(&[0; SMALL]), SMALL).is_ok());
}
