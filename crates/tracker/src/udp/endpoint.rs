//! Everything that goes over one UDP socket: connection ids, retransmission, matching of answers.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::decode::{decode, transaction_of};
use super::packet::{Family, Request, Response};
use super::query::{Answer, Pending, Query, announced, refusal, unexpected};
use crate::error::{DecodeError, TrackerError};

/// How long a connection id may be used after it came.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);
/// The wait before the first retransmission; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// The number of the last retransmission.
const LAST_RETRY: u32 = 8;
/// More requests are not taken on.
const MAX_REQUESTS: usize = 16_384;

/// Names one request of an [`Endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// A datagram to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub packet: Vec<u8>,
}

/// All requests that share one UDP socket, without the socket and without a clock.
///
/// Requests to the same address share its connection id, which is used for a minute. What is not answered
/// is sent again after 15·2ⁿ seconds, n up to 8; whoever wants to wait less [cancels](Self::cancel).
/// Answers count only from the address that was asked, with the transaction id that was drawn for the request.
///
/// After every call, send what [`poll_transmit`](Self::poll_transmit) gives, hand on what
/// [`poll_outcome`](Self::poll_outcome) gives, and call [`handle_timeout`](Self::handle_timeout) at
/// [`poll_timeout`](Self::poll_timeout).
///
/// ```
/// use std::time::Instant;
/// use headwater_metainfo::InfoHash;
/// use headwater_tracker::udp::{Answer, Endpoint, Family, Query, Request, Response, decode_request};
///
/// let (now, tracker) = (Instant::now(), "192.0.2.1:6969".parse()?);
/// let mut endpoint = Endpoint::new(Family::V4, [7; 32]);
/// let id = endpoint.start(now, tracker, Query::Scrape(vec![InfoHash([1; 20])]))?;
///
/// let connect = decode_request(&endpoint.poll_transmit().unwrap().packet)?;
/// let Request::Connect { transaction } = connect else { panic!() };
/// let answer = Response::Connect { transaction, connection: 99 };
/// endpoint.handle_datagram(now, tracker, &answer.encode());
///
/// let scrape = decode_request(&endpoint.poll_transmit().unwrap().packet)?;
/// let Request::Scrape { transaction, connection: 99, .. } = scrape else { panic!() };
/// let answer = Response::Scrape { transaction, entries: vec![Default::default()] };
/// endpoint.handle_datagram(now, tracker, &answer.encode());
///
/// let (answered, answer) = endpoint.poll_outcome().unwrap();
/// assert_eq!(answered, id);
/// assert_eq!(answer?, Answer::Scrape(vec![Default::default()]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    family: Family,
    rng: StdRng,
    next_id: u64,
    remotes: HashMap<SocketAddr, Remote>,
    requests: HashMap<RequestId, Pending>,
    transactions: HashMap<u32, Owner>,
    timers: BTreeSet<(Instant, Owner)>,
    transmits: VecDeque<Transmit>,
    outcomes: VecDeque<(RequestId, Result<Answer, TrackerError>)>,
}

/// Who waits for a transaction or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Request(RequestId),
    Remote(SocketAddr),
}

#[derive(Debug)]
struct Remote {
    link: Link,
    /// Requests that wait for a connection id.
    waiting: Vec<RequestId>,
    timer: Instant,
}

#[derive(Debug)]
enum Link {
    Connecting { transaction: u32, retry: u32 },
    Connected { connection: u64 },
}

impl Endpoint {
    /// Nothing under way. `seed` must be secret and random: transaction ids are drawn from it, and who can guess them can forge answers.
    pub fn new(family: Family, seed: [u8; 32]) -> Self {
        Self {
            family,
            rng: StdRng::from_seed(seed),
            next_id: 0,
            remotes: HashMap::new(),
            requests: HashMap::new(),
            transactions: HashMap::new(),
            timers: BTreeSet::new(),
            transmits: VecDeque::new(),
            outcomes: VecDeque::new(),
        }
    }

    /// Begins a request to `remote`, which must be of the endpoint's family.
    pub fn start(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        query: Query,
    ) -> Result<RequestId, TrackerError> {
        if self.requests.len() >= MAX_REQUESTS {
            return Err(TrackerError::Overloaded);
        }
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let transaction = self.draw_transaction(Owner::Request(id));
        let pending = Pending {
            remote,
            query,
            transaction,
            retry: 0,
            timer: None,
            connection: None,
            on_old_link: true,
        };
        self.requests.insert(id, pending);
        self.dispatch(now, id);
        Ok(id)
    }

    /// Forgets a request; it has no outcome then.
    pub fn cancel(&mut self, id: RequestId) {
        let Some(pending) = self.remove(id) else {
            return;
        };
        let Some(remote) = self.remotes.get_mut(&pending.remote) else {
            return;
        };
        remote.waiting.retain(|waiting| *waiting != id);
        if remote.waiting.is_empty() && matches!(remote.link, Link::Connecting { .. }) {
            self.drop_remote(pending.remote);
        }
    }

    /// A datagram came. Whatever is not an awaited answer from the address that was asked is ignored.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) {
        let owner = transaction_of(packet).and_then(|id| self.transactions.get(&id).copied());
        match owner {
            Some(Owner::Remote(remote)) if remote == from => {
                self.handle_connect(now, remote, decode(packet, self.family));
            }
            Some(Owner::Request(id)) if self.is_asked(id, from) => {
                self.handle_answer(now, id, decode(packet, self.family));
            }
            _ => {}
        }
    }

    /// A datagram to `remote` could not be sent: its requests fail.
    pub fn handle_unreachable(&mut self, remote: SocketAddr, error: &TrackerError) {
        self.drop_remote(remote);
        let asked =
            |(id, pending): (&RequestId, &Pending)| (pending.remote == remote).then_some(*id);
        let mut requests: Vec<_> = self.requests.iter().filter_map(asked).collect();
        requests.sort_unstable();
        for id in requests {
            self.finish(id, Err(error.clone()));
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, owner)) = self.timers.first().copied()
            && due <= now
        {
            self.timers.pop_first();
            match owner {
                Owner::Remote(remote) => self.remote_due(now, remote),
                Owner::Request(id) => self.request_due(now, id),
            }
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next request that has ended.
    pub fn poll_outcome(&mut self) -> Option<(RequestId, Result<Answer, TrackerError>)> {
        self.outcomes.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Sends the request, or has it wait for a connection id.
    fn dispatch(&mut self, now: Instant, id: RequestId) {
        let Some(pending) = self.requests.get_mut(&id) else {
            return;
        };
        let (remote, retry) = (pending.remote, pending.retry);
        match self.remotes.get_mut(&remote) {
            Some(Remote {
                link: Link::Connected { connection },
                timer,
                ..
            }) if now < *timer => {
                let connection = *connection;
                self.transmit(now, id, connection);
            }
            Some(Remote {
                link: Link::Connecting { .. },
                waiting,
                ..
            }) => waiting.push(id),
            _ => self.connect(now, remote, retry, vec![id]),
        }
    }

    fn connect(&mut self, now: Instant, to: SocketAddr, retry: u32, waiting: Vec<RequestId>) {
        self.drop_remote(to);
        let transaction = self.draw_transaction(Owner::Remote(to));
        let remote = Remote {
            link: Link::Connecting { transaction, retry },
            waiting,
            timer: now,
        };
        self.remotes.insert(to, remote);
        self.transmit_connect(now, to, transaction, retry);
    }

    fn transmit_connect(&mut self, now: Instant, to: SocketAddr, transaction: u32, retry: u32) {
        let packet = Request::Connect { transaction }.encode();
        self.transmits.push_back(Transmit { to, packet });
        self.set_remote_timer(to, now + FIRST_WAIT * (1 << retry));
    }

    fn transmit(&mut self, now: Instant, id: RequestId, connection: u64) {
        let Some(pending) = self.requests.get_mut(&id) else {
            return;
        };
        pending.connection = Some(connection);
        let packet = pending.packet(connection).encode();
        let due = now + FIRST_WAIT * (1 << pending.retry);
        self.transmits.push_back(Transmit {
            to: pending.remote,
            packet,
        });
        if let Some(earlier) = pending.timer.replace(due) {
            self.timers.remove(&(earlier, Owner::Request(id)));
        }
        self.timers.insert((due, Owner::Request(id)));
    }

    fn handle_connect(
        &mut self,
        now: Instant,
        from: SocketAddr,
        response: Result<Response, DecodeError>,
    ) {
        match response {
            Ok(Response::Connect { connection, .. }) => self.connected(now, from, connection),
            Ok(Response::Error { message, .. }) => self.fail_waiting(from, &refusal(message)),
            Ok(other) => self.fail_waiting(from, &unexpected(&other)),
            Err(error) => self.fail_waiting(from, &error.into()),
        }
    }

    fn connected(&mut self, now: Instant, from: SocketAddr, connection: u64) {
        let Some(remote) = self.remotes.get_mut(&from) else {
            return;
        };
        if let Link::Connecting { transaction, .. } = remote.link {
            self.transactions.remove(&transaction);
        }
        remote.link = Link::Connected { connection };
        let waiting = std::mem::take(&mut remote.waiting);
        self.set_remote_timer(from, now + CONNECTION_LIFE);
        for id in waiting {
            if let Some(pending) = self.requests.get_mut(&id) {
                pending.retry = 0;
                pending.on_old_link = false;
            }
            self.transmit(now, id, connection);
        }
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        id: RequestId,
        response: Result<Response, DecodeError>,
    ) {
        let Some(pending) = self.requests.get(&id) else {
            return;
        };
        let outcome = match (response, &pending.query) {
            (Ok(Response::Error { .. }), _) if pending.on_old_link => {
                return self.reconnect(now, id);
            }
            (Ok(Response::Error { message, .. }), _) => Err(refusal(message)),
            (Ok(Response::Scrape { entries, .. }), Query::Scrape(_)) => Ok(Answer::Scrape(entries)),
            (Ok(response @ Response::Announce { .. }), Query::Announce { .. }) => {
                Ok(Answer::Announce(announced(response)))
            }
            (Ok(other), _) => Err(unexpected(&other)),
            (Err(error), _) => Err(error.into()),
        };
        self.finish(id, outcome);
    }

    /// The tracker refused, perhaps only because it has forgotten the connection id.
    fn reconnect(&mut self, now: Instant, id: RequestId) {
        let Some(pending) = self.requests.get_mut(&id) else {
            return;
        };
        pending.on_old_link = false;
        let (address, refused) = (pending.remote, pending.connection);
        if let Some(timer) = pending.timer.take() {
            self.timers.remove(&(timer, Owner::Request(id)));
        }
        let link = self.remotes.get(&address).map(|remote| &remote.link);
        if let Some(Link::Connected { connection }) = link
            && Some(*connection) == refused
        {
            self.drop_remote(address);
        }
        self.dispatch(now, id);
    }

    fn remote_due(&mut self, now: Instant, address: SocketAddr) {
        let Some(remote) = self.remotes.get_mut(&address) else {
            return;
        };
        match &mut remote.link {
            Link::Connecting { transaction, retry } if *retry < LAST_RETRY => {
                *retry += 1;
                let (transaction, retry) = (*transaction, *retry);
                self.transmit_connect(now, address, transaction, retry);
            }
            Link::Connecting { .. } => self.fail_waiting(address, &silence()),
            Link::Connected { .. } => drop(self.drop_remote(address)),
        }
    }

    fn request_due(&mut self, now: Instant, id: RequestId) {
        let Some(pending) = self.requests.get_mut(&id) else {
            return;
        };
        pending.timer = None;
        pending.retry += 1;
        if pending.retry > LAST_RETRY {
            self.finish(id, Err(silence()));
        } else {
            self.dispatch(now, id);
        }
    }

    fn fail_waiting(&mut self, address: SocketAddr, error: &TrackerError) {
        let waiting = self.drop_remote(address);
        for id in waiting {
            self.finish(id, Err(error.clone()));
        }
    }

    fn finish(&mut self, id: RequestId, outcome: Result<Answer, TrackerError>) {
        if self.remove(id).is_some() {
            self.outcomes.push_back((id, outcome));
        }
    }

    fn remove(&mut self, id: RequestId) -> Option<Pending> {
        let pending = self.requests.remove(&id)?;
        self.transactions.remove(&pending.transaction);
        if let Some(timer) = pending.timer {
            self.timers.remove(&(timer, Owner::Request(id)));
        }
        Some(pending)
    }

    /// Gives the requests that waited for its connection id.
    fn drop_remote(&mut self, address: SocketAddr) -> Vec<RequestId> {
        let Some(remote) = self.remotes.remove(&address) else {
            return Vec::new();
        };
        self.timers.remove(&(remote.timer, Owner::Remote(address)));
        if let Link::Connecting { transaction, .. } = remote.link {
            self.transactions.remove(&transaction);
        }
        remote.waiting
    }

    fn set_remote_timer(&mut self, address: SocketAddr, due: Instant) {
        if let Some(remote) = self.remotes.get_mut(&address) {
            self.timers.remove(&(remote.timer, Owner::Remote(address)));
            remote.timer = due;
            self.timers.insert((due, Owner::Remote(address)));
        }
    }

    fn is_asked(&self, id: RequestId, from: SocketAddr) -> bool {
        let pending = self.requests.get(&id);
        // Before it was sent nobody can know its transaction.
        pending.is_some_and(|pending| pending.remote == from && pending.timer.is_some())
    }

    fn draw_transaction(&mut self, owner: Owner) -> u32 {
        loop {
            let transaction = self.rng.random();
            if let std::collections::hash_map::Entry::Vacant(entry) =
                self.transactions.entry(transaction)
            {
                entry.insert(owner);
                return transaction;
            }
        }
    }
}

fn silence() -> TrackerError {
    TrackerError::Timeout(FIRST_WAIT * ((1 << (LAST_RETRY + 1)) - 1))
}
