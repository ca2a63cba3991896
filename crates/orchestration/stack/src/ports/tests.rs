use super::*;

#[test]
fn a_taken_port_names_its_holder() {
    let open = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = open.local_addr().expect("its address");
    let taken = refused("lb", "listen", address, false).expect("it is taken");
    let text = taken.to_string();
    assert!(text.starts_with(&format!("hop.lb.listen = {address}: ")), "{text}");
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    // Closed again: anybody can have it.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|closed| closed.local_addr()).expect("a free port");
    assert_eq!(refused("lb", "listen", free, true), None);
}
