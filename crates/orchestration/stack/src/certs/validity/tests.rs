use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5).
#[test]
fn times_are_read() {
    let key = KeyPair::generate().expect("a key");
    for (not_before, not_after) in [(0, 1_709_210_096), (951_782_400, 2_147_483_647), (1, 4_107_542_400)] {
        let mut params = CertificateParams::default();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + Duration::from_secs(not_before);
        params.not_after = epoch + Duration::from_secs(not_after);
        let certificate = params.self_signed(&key).expect("it is signed");
        assert_eq!(Validity::of(certificate.der()), Some(Validity { not_before, not_after }));
        let cut = &certificate.der()[..certificate.der().len() - 1];
        assert_eq!(Validity::of(cut), None);
    }
}

#[test]
fn what_is_no_certificate_has_no_validity() {
    for bytes in [
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..],
        &[0x30, 0x89],
        &[0x30, 0x04, 0x17, 0x02, b'2', b'4'],
        &[0x30, 0x00],
        &[],
    ] {
        assert_eq!(Validity::of(bytes), None, "{bytes:?}");
    }
}
