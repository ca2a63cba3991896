//! A network is built and used, as whoever runs this test; nothing of it reaches the host's network.

use std::fmt::Debug;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use net::{Namespace, Network};

const LAB: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const LB: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 50);
const NODE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 100);
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 50, 100);

fn main() {
    let refused = Network::build(LAB, &[]).expect_err("in the machine's own network");
    assert!(refused.source.to_string().contains("the machine's own"), "{refused:?}");
    let before = std::fs::read_link("/proc/self/ns/net").expect("this process's network");
    if let Err(refusal) = net::private::enter() {
        panic!("this machine gives no private network: {refusal}");
    }
    let here = std::fs::read_link("/proc/self/ns/net").expect("this process's network");
    assert_ne!(before, here, "the network is the host's");
    let hosts = [("lb".to_owned(), vec![LB]), ("node".to_owned(), vec![NODE, SERVICE])];
    let network = Network::build(LAB, &hosts).expect("a network");

    every_host_has_its_addresses_and_any_port(&network);
    hosts_reach_each_other_and_the_builder(&network);
    nothing_else_is_reachable(&network);
    what_a_thread_starts_is_where_the_thread_is(&network);
    // Another can be built in the place of one that is gone.
    drop(network);
    Network::build(LAB, &hosts).expect("another network");
    println!("test result: ok. 4 checks of one network");
}

/// A listener in a host's network that answers one connection with the address that it came from.
fn answer(host: &Namespace, address: SocketAddr) -> std::thread::JoinHandle<io::Result<()>> {
    let listener = host.run(|| TcpListener::bind(address)).expect("listen");
    std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept()?;
        stream.write_all(peer.ip().to_string().as_bytes())
    })
}

/// Which address a server sees when a host connects to it.
fn seen_as(host: &Namespace, address: SocketAddr) -> io::Result<String> {
    let mut stream = host.run(|| TcpStream::connect(address))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn every_host_has_its_addresses_and_any_port(network: &Network) {
    let lb = network.host("lb").expect("lb").namespace();
    lb.run(|| TcpListener::bind((LB, 443))).expect("port 443");
    let refused = lb.run(|| TcpListener::bind((NODE, 80))).expect_err("another host's address");
    assert_eq!(refused.kind(), io::ErrorKind::AddrNotAvailable);
    let node = network.host("node").expect("node");
    assert_eq!(node.addresses(), [NODE, SERVICE]);
    for address in [NODE, SERVICE] {
        node.namespace().run(|| TcpListener::bind((address, 80))).expect("port 80");
    }
}

fn hosts_reach_each_other_and_the_builder(network: &Network) {
    let (lb, node) = (network.host("lb").expect("lb"), network.host("node").expect("node"));
    let here = Namespace::current().expect("the builder's");
    for (client, server, address, from) in [
        (lb.namespace(), node.namespace(), SERVICE, LB),
        (node.namespace(), lb.namespace(), LB, NODE),
        (&here, node.namespace(), NODE, LAB),
        (lb.namespace(), &here, LAB, LB),
        (node.namespace(), node.namespace(), SERVICE, SERVICE),
    ] {
        let address = SocketAddr::from((address, 8080));
        let answering = answer(server, address);
        assert_eq!(seen_as(client, address).expect("an answer"), from.to_string(), "{address}");
        answering.join().expect("no panic").expect("answered");
    }
}

fn nothing_else_is_reachable(network: &Network) {
    let lb = network.host("lb").expect("lb").namespace();
    for address in ["198.51.100.1:80", "8.8.8.8:53", "127.0.0.2:9"] {
        let error = seen_as(lb, address.parse().expect("an address")).expect_err("nobody");
        let expected: &[io::ErrorKind] = match address.starts_with("127") {
            true => &[io::ErrorKind::ConnectionRefused],
            false => &[io::ErrorKind::NetworkUnreachable, io::ErrorKind::HostUnreachable],
        };
        assert!(expected.contains(&error.kind()), "{address}: {error:?}");
    }
}

fn what_a_thread_starts_is_where_the_thread_is(network: &Network) {
    let lb = network.host("lb").expect("lb").namespace();
    let link = |command: &mut Command| {
        let output = command.output().expect("readlink");
        String::from_utf8(output.stdout).expect("text")
    };
    let child = lb.run(|| Ok(link(Command::new("readlink").arg("/proc/self/ns/net")))).expect("the child's");
    let own = lb.run(|| std::fs::read_link("/proc/thread-self/ns/net")).expect("the thread's");
    assert_same(child.trim(), &own.to_string_lossy());
    let here = link(Command::new("readlink").arg("/proc/self/ns/net"));
    assert_ne!(child, here);
}

fn assert_same<T: PartialEq + Debug + ?Sized>(left: &T, right: &T) {
    assert_eq!(left, right);
}
