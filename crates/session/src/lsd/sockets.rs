//! The sockets: one for each family on which announces are heard, and one for each interface on which they are sent.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket as StdUdpSocket};

use if_addrs::Interface;
use socket2::{SockAddr, Type};
use tokio::net::UdpSocket;

use super::message::Group;
use crate::socket;

/// Interfaces at most that take part.
const MAX_INTERFACES: usize = 32;
/// Routers that an announce may cross: none, it stays on the link.
const HOPS: u32 = 1;

/// Which interfaces take part.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Only those with one of these addresses; all if there are none.
    pub(crate) bind: Vec<IpAddr>,
    /// Loopback as well, which nobody else hears.
    pub(crate) loopback: bool,
}

/// One end of the local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    V4(Ipv4Addr),
    /// The interface's number, and our address if we are bound to one.
    V6(u32, Ipv6Addr),
}

impl Link {
    const fn group(self) -> Group {
        match self {
            Self::V4(_) => Group::V4,
            Self::V6(..) => Group::V6,
        }
    }
}

/// All sockets. What an interface does not allow is left out.
#[derive(Debug)]
pub(super) struct Sockets {
    scope: Scope,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    senders: BTreeMap<Link, StdUdpSocket>,
}

impl Sockets {
    /// Opens what can be opened.
    pub(super) fn open(scope: Scope) -> Self {
        let mut sockets = Self {
            scope,
            v4: None,
            v6: None,
            senders: BTreeMap::new(),
        };
        sockets.refresh();
        sockets
    }

    /// Looks which interfaces there are now.
    pub(super) fn refresh(&mut self) {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let links = self.scope.links(&interfaces);
        self.senders.retain(|link, _| links.contains(link));
        for link in links {
            if self.senders.contains_key(&link) {
                continue;
            }
            match self.join(link).and_then(|()| sender(link)) {
                Ok(socket) => drop(self.senders.insert(link, socket)),
                Err(error) => tracing::debug!(%error, ?link, "takes no part in local discovery"),
            }
        }
    }

    fn join(&mut self, link: Link) -> io::Result<()> {
        let group = link.group();
        let listener = match group {
            Group::V4 => &mut self.v4,
            Group::V6 => &mut self.v6,
        };
        let socket = match listener {
            Some(socket) => socket,
            None => listener.insert(listen(group)?),
        };
        let joined = match link {
            Link::V4(ip) => socket.join_multicast_v4(Group::IPV4, ip),
            Link::V6(index, _) => socket.join_multicast_v6(&Group::IPV6, index),
        };
        match joined {
            // It was there before, and has come back.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(()),
            joined => joined,
        }
    }

    /// Sends to a group on all interfaces. What cannot be sent at once is lost, as on any network.
    pub(super) fn send(&self, datagram: &[u8], group: Group) {
        for (link, socket) in &self.senders {
            if link.group() == group
                && let Err(error) = socket.send_to(datagram, group.address())
            {
                tracing::debug!(%error, ?link, "cannot announce");
            }
        }
    }

    /// The next datagram, and who sent it.
    pub(super) async fn receive(
        &self,
        buffers: &mut [[u8; 2048]; 2],
    ) -> io::Result<(usize, usize, SocketAddr)> {
        let [first, second] = buffers;
        tokio::select! {
            received = receive(self.v4.as_ref(), first) => received.map(|(len, from)| (0, len, from)),
            received = receive(self.v6.as_ref(), second) => received.map(|(len, from)| (1, len, from)),
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

impl Scope {
    /// One for each interface and family.
    fn links(&self, interfaces: &[Interface]) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for interface in interfaces {
            let is_wanted = self.loopback || !interface.is_loopback();
            let link = self.link(interface).filter(|_| is_wanted);
            if let Some(link) = link.filter(|link| !links.contains(link)) {
                links.push(link);
            }
        }
        links.truncate(MAX_INTERFACES);
        links
    }

    fn link(&self, interface: &Interface) -> Option<Link> {
        let ip = interface.ip();
        let is_named = self.bind.contains(&ip);
        let same_family = |named: &&IpAddr| named.is_ipv4() == ip.is_ipv4();
        let any = self
            .bind
            .iter()
            .filter(same_family)
            .any(IpAddr::is_unspecified);
        if !(is_named || any || self.bind.is_empty()) {
            return None;
        }
        match ip {
            IpAddr::V4(ip) => Some(Link::V4(ip)),
            IpAddr::V6(ip) => {
                let ip = if is_named { ip } else { Ipv6Addr::UNSPECIFIED };
                Some(Link::V6(interface.index?, ip))
            }
        }
    }
}

/// A socket that shares the port with other programs.
fn listen(group: Group) -> io::Result<UdpSocket> {
    let socket = socket::open(group.address(), Type::DGRAM)?;
    socket.set_reuse_address(true)?;
    #[cfg(all(
        unix,
        not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))
    ))]
    socket.set_reuse_port(true)?;
    #[cfg(target_os = "linux")]
    {
        // Else what others on this machine joined would be heard as well. Old kernels do not know it.
        let _ = match group {
            Group::V4 => socket.set_multicast_all_v4(false),
            Group::V6 => socket.set_multicast_all_v6(false),
        };
    }
    socket.bind(&SockAddr::from(bound(group)))?;
    UdpSocket::from_std(socket.into())
}

/// Bound to the group, a socket hears nothing that was sent to this machine alone, from afar perhaps.
#[cfg(unix)]
fn bound(group: Group) -> SocketAddr {
    group.address()
}

#[cfg(not(unix))]
fn bound(group: Group) -> SocketAddr {
    let any = match group {
        Group::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Group::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, Group::PORT)
}

/// A socket that sends on one interface, from our address there.
fn sender(link: Link) -> io::Result<StdUdpSocket> {
    let socket = socket::open(link.group().address(), Type::DGRAM)?;
    match link {
        Link::V4(ip) => {
            socket.bind(&SocketAddr::from((ip, 0)).into())?;
            socket.set_multicast_if_v4(&ip)?;
            socket.set_multicast_ttl_v4(HOPS)?;
            // Other programs on this machine are peers as well.
            socket.set_multicast_loop_v4(true)?;
        }
        Link::V6(index, ip) => {
            socket.bind(&SocketAddr::from(SocketAddrV6::new(ip, 0, 0, index)).into())?;
            socket.set_multicast_if_v6(index)?;
            socket.set_multicast_hops_v6(HOPS)?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    Ok(socket.into())
}
