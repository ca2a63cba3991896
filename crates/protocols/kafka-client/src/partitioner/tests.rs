use super::{choose, murmur2};

#[test]
fn keys_are_hashed_as_the_java_client_does() {
    // The vectors of Kafka's own UtilsTest.
    for (key, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
    }
    assert_eq!(choose(b"21", 3), (-973_932_308_i32 & 0x7fff_ffff) as usize % 3);
    assert_eq!(choose(b"anything", 1), 0);
    assert_eq!(choose(b"anything", 0), 0);
}
