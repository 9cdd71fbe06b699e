//! Gateways that do as they should, and others, all on loopback.

mod igd;
mod pmp;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{PortMapper, PortMapping, Routers};

const PORT: NonZeroU16 = NonZeroU16::new(51_413).unwrap();
/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_mins(1);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = timeout(PATIENCE, future).await;
    outcome.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Nobody answers there.
const NOBODY: Ipv4Addr = Ipv4Addr::new(127, 99, 0, 1);

fn routers(gateway: Ipv4Addr, ssdp: SocketAddr) -> Routers {
    Routers {
        bind: Ipv4Addr::UNSPECIFIED,
        gateway: Some(gateway),
        ssdp,
        patience: Duration::from_millis(500),
        udp: true,
        any_address: true,
    }
}

/// A task, and what ends it.
fn start(routers: Routers) -> (PortMapper, CancellationToken) {
    let closing = CancellationToken::new();
    let mapper = PortMapper::start(PORT, routers, closing.clone());
    (mapper, closing)
}

async fn granted(mapper: &PortMapper) -> PortMapping {
    let status = mapper.0.as_ref().unwrap();
    let mut status = status.clone();
    let mapped = status.wait_for(|status| status.mapping.is_some());
    let mapped = soon("a mapping", mapped).await.unwrap();
    mapped.mapping.unwrap()
}

/// Asks gateways that are of no use: the first attempt comes to nothing, and nothing is left of it.
async fn assert_no_use(routers: Routers) {
    let asked = soon("the attempt", routers.ask(PORT)).await;
    assert!(asked.is_none(), "{asked:?}");
}

async fn end(mapper: &PortMapper, closing: &CancellationToken) {
    closing.cancel();
    soon("the end", mapper.closed()).await;
    assert_eq!(mapper.mapping(), None);
}

#[test]
fn only_addresses_behind_a_gateway_are_mapped() {
    let of = |addresses: &[&str]| {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        Routers::of(&addresses, true).map(|routers| routers.bind)
    };
    assert_eq!(of(&["0.0.0.0:1", "[::]:1"]), Some(Ipv4Addr::UNSPECIFIED));
    assert_eq!(of(&["192.168.1.2:1"]), Some(Ipv4Addr::new(192, 168, 1, 2)));
    for useless in [&["127.0.0.1:1"], &["[::]:1"], &["192.0.2.1:1"]] {
        assert_eq!(of(useless), None);
    }
    let bound = Routers::of(&["192.168.1.2:1".parse().unwrap()], true).unwrap();
    assert!(bound.may_use("192.168.1.2".parse().unwrap()));
    assert!(!bound.may_use("192.168.1.3".parse().unwrap()));
}

#[tokio::test]
async fn a_session_ends_at_once_while_nobody_answers() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut routers = routers(NOBODY, silent.local_addr().unwrap());
    routers.patience = PATIENCE;
    let (mapper, closing) = start(routers);
    let mut buffer = [0; 1];
    // It is in the middle of its search.
    soon("the search", silent.recv_from(&mut buffer))
        .await
        .unwrap();
    closing.cancel();
    timeout(Duration::from_secs(5), mapper.closed())
        .await
        .unwrap();
}
