//! The UDP side (BEP 15).

mod cookie;
mod packet;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace};

use self::cookie::Cookies;
use self::packet::{Body, Request};
use crate::server::Shared;

/// Longer packets are cut off, which hurts nobody: a scrape of 74 torrents has 1,496 bytes.
const MAX_PACKET: usize = 2048;

/// Answers packets until it is told to stop.
pub(crate) async fn serve(socket: UdpSocket, shared: Arc<Shared>, stop: CancellationToken) {
    let start = Instant::now();
    let responder = Responder::new(shared);
    let mut buffer = [0; MAX_PACKET];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, peer) = match received {
            Ok(received) => received,
            Err(error) => {
                // Often the echo of an answer to a peer that is gone.
                debug!(%error, "cannot receive");
                tokio::task::yield_now().await;
                continue;
            }
        };
        if let Some(answer) = responder.respond(&buffer[..length], peer.ip(), start.elapsed()) {
            send(&socket, &answer, peer).await;
        }
    }
}

async fn send(socket: &UdpSocket, answer: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(answer, peer).await {
        trace!(%peer, %error, "cannot answer");
    }
}

/// Packet in, packet out. Nothing is kept between packets.
struct Responder {
    shared: Arc<Shared>,
    cookies: Cookies,
}

impl Responder {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            cookies: Cookies::default(),
        }
    }

    /// The answer to a packet. Silence for what is no request, and, as BEP 15 has it, for a request without a good
    /// connection id: whoever forges a sender's address cannot make the server send that sender more than was sent in.
    fn respond(&self, packet: &[u8], source: IpAddr, uptime: Duration) -> Option<Vec<u8>> {
        let ip = source.to_canonical();
        let Request {
            connection_id,
            transaction_id,
            body,
        } = packet::parse(packet, ip)?;
        let is_connected = || self.cookies.is_good(connection_id, ip, uptime);
        match body {
            Body::Connect => Some(packet::connected(
                transaction_id,
                self.cookies.make(ip, uptime),
            )),
            _ if !is_connected() => None,
            Body::Announce(announce) => Some(match self.shared.announce(&announce) {
                Ok(answer) => packet::announced(transaction_id, &answer),
                Err(refusal) => packet::error(transaction_id, &refusal.to_string()),
            }),
            Body::Scrape(hashes) => {
                let known = self.shared.scrape(&hashes);
                Some(packet::scraped(transaction_id, &hashes, &known))
            }
        }
    }
}
