use std::time::Duration;

use super::*;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn endpoints(ports: &[u16]) -> Arc<Endpoints> {
    let balance = Balance::new(Mode::RoundRobin, Duration::from_secs(1));
    Endpoints::new(address(80), balance, ports.iter().copied().map(address).collect()).unwrap()
}

fn choose(endpoints: &Arc<Endpoints>) -> Option<Chosen> {
    endpoints.choose(IpAddr::from([127, 0, 0, 1]), hop::clock::monotonic())
}

fn ports(entries: &[Entry]) -> Vec<(u16, usize, u64)> {
    entries.iter().map(|entry| (entry.endpoint.port(), entry.open, entry.total)).collect()
}

#[test]
fn an_endpoint_that_leaves_keeps_its_connections_and_gets_no_new_ones() {
    let endpoints = endpoints(&[1, 2]);
    let first = choose(&endpoints).unwrap();
    let second = choose(&endpoints).unwrap();
    endpoints.replace(vec![address(2), address(3), address(3)]).unwrap();
    assert_eq!(ports(&endpoints.view().ready), [(2, 1, 1), (3, 0, 0)]);
    assert_eq!(ports(&endpoints.view().leaving), [(1, 1, 1)]);
    let later: Vec<_> = (0..4).map(|_| choose(&endpoints).unwrap()).collect();
    assert!(later.iter().all(|chosen| chosen.address != address(1)));
    drop((first, second, later));
    assert_eq!(ports(&endpoints.view().ready), [(2, 0, 3), (3, 0, 2)]);
    assert_eq!(endpoints.view().leaving, []);
}

#[test]
fn an_endpoint_that_comes_back_is_counted_once() {
    let endpoints = endpoints(&[1]);
    let open = choose(&endpoints).unwrap();
    endpoints.replace(vec![]).unwrap();
    assert!(choose(&endpoints).is_none());
    endpoints.replace(vec![address(1)]).unwrap();
    drop(open);
    assert_eq!(ports(&endpoints.view().ready), [(1, 0, 1)]);
}

#[test]
fn the_service_cannot_be_its_own_endpoint() {
    let endpoints = endpoints(&[1]);
    assert!(endpoints.replace(vec![address(2), address(80)]).is_err());
    assert_eq!(ports(&endpoints.view().ready), [(1, 0, 0)], "unchanged");
}
