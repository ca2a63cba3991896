use proptest::prelude::*;

use super::*;
use crate::packet::{Carries, parse};
use crate::testing;

/// What the kernel does with a filter program (`Documentation/networking/filter.rst`).
fn accepts(program: &[sock_filter], frame: &[u8]) -> bool {
    let (mut accumulator, mut x, mut at) = (0_u32, 0_usize, 0);
    let load = |from: usize, bytes: usize| {
        let bytes = frame.get(from..from + bytes)?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    };
    loop {
        let instruction = &program[at];
        let k = instruction.k as usize;
        at += 1;
        // Reading behind the end of a packet refuses it.
        let loaded = match instruction.code {
            LOAD_HALF => load(k, 2),
            LOAD_WORD => load(k, 4),
            LOAD_HALF_X => load(k + x, 2),
            LOAD_X_HEADER => {
                let Some(byte) = frame.get(k) else { return false };
                x = usize::from(byte & 0x0f) * 4;
                continue;
            }
            JUMP => {
                at += k;
                continue;
            }
            JUMP_EQUAL => {
                at += usize::from(if accumulator == instruction.k { instruction.jt } else { instruction.jf });
                continue;
            }
            RETURN => return instruction.k > 0,
            other => panic!("an instruction that the kernel does not know: {other:#x}"),
        };
        match loaded {
            Some(value) => accumulator = value,
            None => return false,
        }
    }
}

/// A few addresses, so that they often meet.
fn sockets() -> impl Strategy<Value = SocketAddr> {
    let ips = prop_oneof![Just("127.0.0.1"), Just("127.0.1.100"), Just("127.0.113.50"), Just("::1")];
    (ips, 8080_u16..8083).prop_map(|(ip, port)| SocketAddr::new(ip.parse().expect("an address"), port))
}

proptest! {
    #[test]
    fn the_kernel_is_told_the_same(
        own in proptest::collection::vec(sockets(), 0..4),
        (from, to) in (sockets(), sockets()),
        udp: bool,
    ) {
        prop_assume!(from.is_ipv4() == to.is_ipv4());
        let own: LabAddresses = own.into_iter().collect();
        let carries = match udp {
            true => Carries::Datagram { id: 0x0102 },
            false => Carries::Segment { sequence: 9, length: 2, syn: false, ack: true },
        };
        let packet = Packet { from, to, carries, out: true, at: 0 };
        let frame = testing::frame(&packet, &[1, 2]);
        prop_assert_eq!(parse(&frame, true, 0), Some(packet));
        prop_assert_eq!(accepts(&own.program(), &frame), own.owns(&packet));
    }

    #[test]
    fn garbage_leaves_the_program_in_order(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        accepts(&testing::own().program(), &bytes);
    }
}

#[test]
fn other_traffic_is_refused() {
    let program = testing::own().program();
    let mut frame = vec![0; 60];
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    assert!(!accepts(&program, &frame), "ARP");
    // More hops than a conditional jump is long.
    let many: LabAddresses = (1..=250).map(|port| testing::socket(&format!("127.0.0.9:{port}"))).collect();
    let packet = Packet {
        from: testing::socket(testing::CLIENT),
        to: testing::socket("127.0.0.9:250"),
        carries: Carries::Datagram { id: 0 },
        out: true,
        at: 0,
    };
    assert!(accepts(&many.program(), &testing::frame(&packet, &[])));
    assert!(many.program().len() < 4096, "BPF_MAXINSNS");
}
