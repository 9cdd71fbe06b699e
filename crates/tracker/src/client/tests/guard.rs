//! What a torrent from a stranger must not make this machine do to its neighbours.

use std::net::{IpAddr, Ipv4Addr};

use super::server::{Server, ok, redirect};
use super::*;
use crate::error::{RedirectError, TrackerError};

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A client to which 127.0.0.2 is the public internet.
fn client_in_public() -> Client {
    Client::with_reach(ClientOptions::default(), |ip| ip != PUBLIC)
}

#[tokio::test]
async fn a_query_that_a_torrent_names_is_not_sent_to_a_local_address() {
    let server = Server::saying(|| ok(ANSWER)).await;
    let url = named_by_torrent(&server.url("/announce?reboot=yes"));
    let response = limited(client().announce(&url, &request())).await.unwrap();
    assert!(is_answer(&response));
    assert!(response.warning.unwrap().contains("query"));
    let query = server.one_asked().query;
    assert!(query.starts_with("info_hash="), "{query}");
    assert!(!query.contains("reboot"), "{query}");
}

#[tokio::test]
async fn a_name_for_this_machine_is_local_too() {
    let server = Server::saying(|| ok(ANSWER)).await;
    let port = server.address.port();
    let url = named_by_torrent(&format!("http://localhost:{port}/announce?reboot=yes"));
    limited(client().announce(&url, &request())).await.unwrap();
    assert!(!server.one_asked().query.contains("reboot"));
}

#[tokio::test]
async fn a_query_that_a_torrent_names_is_sent_to_a_public_address() {
    let server = Server::at(PUBLIC, |_| async { ok(ANSWER) }).await.unwrap();
    let url = named_by_torrent(&server.url("/announce?passkey=1"));
    let response = limited(client_in_public().announce(&url, &request()))
        .await
        .unwrap();
    assert_eq!(response.warning, None);
    assert!(server.one_asked().query.starts_with("passkey=1&info_hash="));
}

#[tokio::test]
async fn a_public_tracker_cannot_redirect_to_the_local_network() {
    let inner = Server::saying(|| ok(ANSWER)).await;
    for host in ["127.0.0.1", "localhost"] {
        let target = format!("http://{host}:{}/announce", inner.address.port());
        let outer = Server::at(PUBLIC, move |_| std::future::ready(redirect(&target)));
        let outer = outer.await.unwrap();
        for url in [
            named_by_torrent(&outer.url("/announce")),
            trusted(&outer.url("/announce")),
        ] {
            let error = limited(client_in_public().announce(&url, &request()))
                .await
                .unwrap_err();
            let refused = matches!(&error, TrackerError::Redirect(RedirectError::ToLocal { host: to }) if to == host);
            assert!(refused, "{error}");
        }
    }
    assert_eq!(inner.asked.lock().len(), 0);
}

#[tokio::test]
async fn a_public_tracker_may_redirect_to_a_public_one() {
    let target = Server::at(PUBLIC, |_| async { ok(ANSWER) }).await.unwrap();
    let to = target.url("/announce");
    let first = Server::at(PUBLIC, move |_| std::future::ready(redirect(&to)))
        .await
        .unwrap();
    let url = named_by_torrent(&first.url("/announce"));
    let response = limited(client_in_public().announce(&url, &request()))
        .await
        .unwrap();
    assert!(is_answer(&response));
}

#[tokio::test]
async fn a_name_that_turns_local_after_the_check_leads_nowhere() {
    use super::super::connector::Resolver;
    use crate::udp::Family;
    use tower_service::Service;

    let mut resolver = Resolver {
        family: Family::V4,
        forbidden: Some(super::super::reach::is_local),
    };
    let name = "localhost".parse().unwrap();
    let addresses = limited(resolver.call(name)).await.unwrap();
    assert_eq!(addresses.count(), 0);
}
