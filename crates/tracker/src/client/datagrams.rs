//! One UDP socket per family, shared by all requests: drives a [`udp::Endpoint`](crate::udp::Endpoint).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::TrackerError;
use crate::udp::{Answer, Endpoint, Family, Query, RequestId, Transmit};

/// A datagram holds no more.
const MAX_DATAGRAM: usize = 65_536;

/// Requests over one family. The socket is opened for the first request.
#[derive(Debug)]
pub(super) struct Datagrams {
    local: IpAddr,
    family: Family,
    driver: tokio::sync::Mutex<Option<Driver>>,
}

/// The task that owns the socket; it ends with this.
#[derive(Debug)]
struct Driver {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is something to send, or a timer has changed.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    endpoint: Endpoint,
    replies: HashMap<RequestId, oneshot::Sender<Result<Answer, TrackerError>>>,
}

/// Cancels its request when it is dropped.
struct Ticket {
    shared: Arc<Shared>,
    id: RequestId,
}

impl Datagrams {
    pub(super) fn new(family: Family, bind: Option<IpAddr>) -> Self {
        let local = bind.unwrap_or(match family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        });
        Self {
            local,
            family,
            driver: tokio::sync::Mutex::default(),
        }
    }

    /// Asks `remote` and waits for the answer. Dropping the future gives up.
    pub(super) async fn ask(
        &self,
        remote: SocketAddr,
        query: Query,
    ) -> Result<Answer, TrackerError> {
        let shared = self.shared().await?;
        let (reply, answer) = oneshot::channel();
        let id = {
            let mut state = shared.state.lock();
            let id = state.endpoint.start(now(), remote, query)?;
            state.replies.insert(id, reply);
            id
        };
        let ticket = Ticket { shared, id };
        ticket.shared.changed.notify_one();
        answer.await.unwrap_or_else(|_| {
            let ended = io::Error::other("the socket's task has ended");
            Err(TrackerError::Socket(Arc::new(ended)))
        })
    }

    /// The driver, started anew if the runtime that it was on is gone.
    async fn shared(&self) -> Result<Arc<Shared>, TrackerError> {
        let mut driver = self.driver.lock().await;
        if let Some(driver) = &*driver
            && !driver.task.is_finished()
        {
            return Ok(driver.shared.clone());
        }
        let started = self.start().await;
        let started = started.map_err(|error| TrackerError::Socket(Arc::new(error)))?;
        let shared = started.shared.clone();
        *driver = Some(started);
        Ok(shared)
    }

    async fn start(&self) -> io::Result<Driver> {
        let socket = UdpSocket::bind((self.local, 0)).await?;
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        let state = State {
            endpoint: Endpoint::new(self.family, seed),
            replies: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
        });
        let task = tokio::spawn(drive(socket, shared.clone()));
        Ok(Driver { shared, task })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.replies.remove(&self.id);
        state.endpoint.cancel(self.id);
    }
}

async fn drive(socket: UdpSocket, shared: Arc<Shared>) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        while let Some(transmit) = shared.next_transmit() {
            send(&socket, &shared, transmit).await;
        }
        let due = shared.state.lock().endpoint.poll_timeout();
        tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => shared.receive(from, &buffer[..length]),
                // Some systems report another datagram's fate here. It was lost; that is what
                // retransmission is for. Yielding keeps a socket that only fails from taking the thread.
                Err(_) => tokio::task::yield_now().await,
            },
            () = sleep_until(due) => shared.tick(),
            () = shared.changed.notified() => {}
        }
    }
}

async fn send(socket: &UdpSocket, shared: &Shared, transmit: Transmit) {
    if let Err(error) = socket.send_to(&transmit.packet, transmit.to).await {
        let error = TrackerError::Socket(Arc::new(error));
        let mut state = shared.state.lock();
        state.endpoint.handle_unreachable(transmit.to, &error);
        state.hand_out();
    }
}

async fn sleep_until(due: Option<std::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Shared {
    fn next_transmit(&self) -> Option<Transmit> {
        self.state.lock().endpoint.poll_transmit()
    }

    fn receive(&self, from: SocketAddr, packet: &[u8]) {
        let mut state = self.state.lock();
        state.endpoint.handle_datagram(now(), from, packet);
        state.hand_out();
    }

    fn tick(&self) {
        let mut state = self.state.lock();
        state.endpoint.handle_timeout(now());
        state.hand_out();
    }
}

impl State {
    fn hand_out(&mut self) {
        while let Some((id, outcome)) = self.endpoint.poll_outcome() {
            if let Some(reply) = self.replies.remove(&id) {
                // Whoever does not wait any more has no use for it.
                let _ = reply.send(outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_metainfo::InfoHash;

    use super::*;

    #[tokio::test]
    async fn a_dropped_request_leaves_nothing_behind() {
        let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = deaf.local_addr().unwrap();
        let datagrams = Datagrams::new(Family::V4, None);
        let query = Query::Scrape(vec![InfoHash([1; 20])]);
        let mut packet = [0; 16];
        tokio::select! {
            answer = datagrams.ask(address, query) => panic!("{answer:?}"),
            received = deaf.recv_from(&mut packet) => assert_eq!(received.unwrap().0, 16),
        }
        let shared = datagrams.shared().await.unwrap();
        let state = shared.state.lock();
        assert!(state.replies.is_empty());
        assert_eq!(state.endpoint.poll_timeout(), None);
    }
}
