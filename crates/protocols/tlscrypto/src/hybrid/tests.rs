use super::*;

#[test]
fn both_sides_get_one_secret_and_the_shares_have_the_sizes_of_the_draft() {
    let client = X25519MLKEM768.start().expect("a key");
    assert_eq!((client.pub_key().len(), client.group()), (1216, NamedGroup::X25519MLKEM768));
    let server = X25519MLKEM768.start_and_complete(client.pub_key()).expect("a good share");
    assert_eq!((server.pub_key.len(), server.group), (1120, NamedGroup::X25519MLKEM768));
    let secret = client.complete(&server.pub_key).expect("a good share");
    assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
    assert_eq!(secret.secret_bytes().len(), 64);
}

#[test]
fn a_server_that_knows_x25519_alone_takes_it_from_the_same_hello() {
    let client = X25519MLKEM768.start().expect("a key");
    let (group, share) = client.hybrid_component().expect("offered by itself");
    assert_eq!((group, share), (NamedGroup::X25519, &client.pub_key()[1184..]));
    let server = kx_group::X25519.start_and_complete(share).expect("a good share");
    let secret = client.complete_hybrid_component(&server.pub_key).expect("a good share");
    assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
}

#[test]
fn a_share_of_another_size_or_with_numbers_out_of_range_is_refused() {
    let good = X25519MLKEM768.start().expect("a key").pub_key().to_vec();
    for share in [&good[..1215], &[&good[..], &[0]].concat(), &good[1184..], &[]] {
        let refused = X25519MLKEM768.start_and_complete(share).map(drop).expect_err("a wrong size");
        assert_eq!(refused, INVALID, "{} bytes", share.len());
        assert_eq!(X25519MLKEM768.start().expect("a key").complete(share).map(drop), Err(INVALID));
    }
    // 12 bits each, all of them 4095: more than the modulus 3329 allows.
    let large = [&[0xff; 1152], &good[1152..]].concat();
    assert_eq!(X25519MLKEM768.start_and_complete(&large).map(drop), Err(INVALID));
    // RFC 7748 §6.1, RFC 8446 §7.4.2: X25519's all-zero secret.
    let small = [&good[..1184], &[0; 32]].concat();
    X25519MLKEM768.start_and_complete(&small).map(drop).expect_err("a point of small order");
}

#[test]
fn a_ciphertext_for_another_key_gives_another_secret() {
    let (one, other) = (X25519MLKEM768.start().expect("a key"), X25519MLKEM768.start().expect("a key"));
    let server = X25519MLKEM768.start_and_complete(one.pub_key()).expect("a good share");
    let secret = other.complete(&server.pub_key).expect("it can't be told apart");
    assert_ne!(secret.secret_bytes()[..32], server.secret.secret_bytes()[..32]);
    assert_ne!(secret.secret_bytes()[32..], server.secret.secret_bytes()[32..]);
}

#[test]
fn it_is_offered_first_and_for_tls_1_3_alone() {
    let groups: Vec<NamedGroup> = crate::provider().kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups[..2], [NamedGroup::X25519MLKEM768, NamedGroup::X25519]);
    assert!(!X25519MLKEM768.usable_for_version(ProtocolVersion::TLSv1_2));
}
