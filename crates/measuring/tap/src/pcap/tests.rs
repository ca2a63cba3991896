use super::*;

#[test]
fn the_file_has_the_form_of_the_manual_page() {
    let mut file = Vec::new();
    let mut pcap = Pcap::begin(&mut file).expect("a Vec takes everything");
    pcap.packet(5_000_000_007, b"frame", 9).expect("a Vec takes everything");
    pcap.end().expect("a Vec takes everything");
    let field = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((field(0), field(16), field(20)), (MAGIC, LONGEST, ETHERNET));
    assert_eq!([24, 28, 32, 36].map(field), [5, 7, 5, 9]);
    assert_eq!(&file[40..], b"frame");
}
