//! Whose packets: those that go to, or come from, an address where a program of the lab listens.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use libc::sock_filter;

use crate::packet::Packet;

/// The addresses whose traffic is the lab's own.
#[derive(Clone, Debug, Default)]
pub struct LabAddresses(HashSet<SocketAddr>);

impl FromIterator<SocketAddr> for LabAddresses {
    fn from_iter<T: IntoIterator<Item = SocketAddr>>(addresses: T) -> Self {
        LabAddresses(addresses.into_iter().collect())
    }
}

impl LabAddresses {
    /// Does a program of the lab listen there?
    pub fn listens(&self, address: &SocketAddr) -> bool {
        self.0.contains(address)
    }

    /// Is one of the packet's ends the lab's?
    pub fn owns(&self, packet: &Packet) -> bool {
        self.listens(&packet.from) || self.listens(&packet.to)
    }

    /// The same question as a program for the kernel, so that other traffic does not even reach us.
    ///
    /// Classic BPF (`Documentation/networking/filter.rst`) over an Ethernet frame: whole addresses for
    /// IPv4; ports only for IPv6, where [`LabAddresses::owns`] looks at the rest.
    pub(crate) fn program(&self) -> Vec<sock_filter> {
        let (mut v4, mut v6) = (vec![statement(LOAD_X_HEADER, 14)], Vec::new());
        for address in &self.0 {
            let port = u32::from(address.port());
            match address.ip() {
                IpAddr::V4(ip) => {
                    for (ip_at, port_at) in [(26, 14), (30, 16)] {
                        v4.extend([
                            statement(LOAD_WORD, ip_at),
                            equal(ip.to_bits(), 0, 3),
                            statement(LOAD_HALF_X, port_at),
                            equal(port, 0, 1),
                            statement(RETURN, WHOLE),
                        ]);
                    }
                }
                IpAddr::V6(_) => {
                    for port_at in [54, 56] {
                        v6.extend([
                            statement(LOAD_HALF, port_at),
                            equal(port, 0, 1),
                            statement(RETURN, WHOLE),
                        ]);
                    }
                }
            }
        }
        v4.push(statement(RETURN, 0));
        v6.push(statement(RETURN, 0));
        // A conditional jump is at most 255 instructions long, so the unconditional one does the way.
        let mut program = vec![
            statement(LOAD_HALF, 12),
            equal(0x0800, 3, 0),
            equal(0x86dd, 1, 0),
            statement(RETURN, 0),
            statement(JUMP, v4.len() as u32),
        ];
        program.extend(v4);
        program.extend(v6);
        program
    }
}

fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// Goes on `yes` or `no` instructions behind the next one.
fn equal(k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: JUMP_EQUAL, jt: yes, jf: no, k }
}

/// Accept the packet, however long it is.
const WHOLE: u32 = u32::MAX;
// linux/bpf_common.h
const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_HALF_X: u16 = 0x48; // BPF_LD | BPF_H | BPF_IND
const LOAD_X_HEADER: u16 = 0xb1; // BPF_LDX | BPF_B | BPF_MSH: the IPv4 header's length
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

#[cfg(test)]
mod tests;
