//! Gateways that speak PCP or NAT-PMP, or something like it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use super::{PORT, assert_no_use, end, granted, routers, start};
use crate::portmap::MappingProtocol;

/// Nobody looks for UPnP gateways there.
const NO_SSDP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);
const WORLD: [u8; 4] = [203, 1, 113, 7];

/// What a gateway says to a request; `None` is nothing, ever.
type Answer = fn(&[u8]) -> Option<Vec<u8>>;

/// A gateway with an address of its own, as the port of these protocols is fixed.
struct Fake {
    address: Ipv4Addr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    _task: AbortOnDropHandle<()>,
}

impl Fake {
    async fn start(number: u8, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let address = Ipv4Addr::new(127, 77, 0, number);
        let socket = UdpSocket::bind((address, crab_nat::GATEWAY_PORT)).await;
        let socket = socket.unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let request = &buffer[..length];
                seen.lock().push(request.to_vec());
                if let Some(answer) = answer(request) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self {
            address,
            requests,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The lifetimes, in seconds, of the NAT-PMP requests for TCP.
    fn asked_for(&self) -> Vec<u32> {
        let requests = self.requests.lock();
        let maps = requests.iter().filter(|it| it.starts_with(&[0, 2]));
        maps.map(|it| u32::from_be_bytes(it[8..12].try_into().unwrap()))
            .collect()
    }
}

/// What a gateway answers that knows NAT-PMP only, with this address in the world.
fn nat_pmp(request: &[u8], external: [u8; 4]) -> Vec<u8> {
    let epoch = [0, 0, 0, 9];
    match *request {
        [0, 0, ..] => [&[0, 128, 0, 0], &epoch[..], &external].concat(),
        [0, 2, _, _, a, b, c, d, ref lifetime @ ..] => {
            // A mapping that is given back has no port.
            let external = if lifetime == [0; 4] { [0, 0] } else { [c, d] };
            [&[0, 130, 0, 0], &epoch[..], &[a, b], &external, lifetime].concat()
        }
        // Of PCP it only knows that it is another version.
        _ => [&[0, 128, 0, 1], &epoch[..]].concat(),
    }
}

/// What a gateway answers that knows PCP.
fn pcp(request: &[u8], external: [u8; 4], lifetime: u32) -> Vec<u8> {
    let head = [2, 0x81, 0, 0];
    let rest = [[0, 0, 0, 9], [0; 4], [0; 4], [0; 4]].concat();
    // Nonce, protocol and both ports are said as they were asked for.
    let asked = &request[24..44];
    let mapped = [&[0; 10][..], &[0xff, 0xff], &external].concat();
    [&head[..], &lifetime.to_be_bytes(), &rest, asked, &mapped].concat()
}

#[tokio::test]
async fn nat_pmp_maps_and_gives_back() {
    let fake = Fake::start(1, |request| Some(nat_pmp(request, WORLD))).await;
    let (mapper, closing) = start(routers(fake.address, NO_SSDP));
    let mapping = granted(&mapper).await;
    assert_eq!(mapping.protocol, MappingProtocol::NatPmp);
    assert_eq!(mapping.external_port, PORT);
    assert_eq!(mapping.external_ip, Some(WORLD.into()));
    assert_eq!(mapping.local.port(), PORT.get());
    end(&mapper, &closing).await;
    assert_eq!(fake.asked_for(), [3_600, 0]);
}

#[tokio::test]
async fn pcp_maps_and_gives_back() {
    let fake = Fake::start(2, |request| {
        let lifetime = u32::from_be_bytes(request[4..8].try_into().unwrap());
        Some(pcp(request, WORLD, lifetime))
    })
    .await;
    let (mapper, closing) = start(routers(fake.address, NO_SSDP));
    let mapping = granted(&mapper).await;
    assert_eq!(mapping.protocol, MappingProtocol::Pcp);
    assert_eq!(mapping.external_ip, Some(WORLD.into()));
    end(&mapper, &closing).await;
    let requests = fake.requests.lock();
    let lifetimes = |protocol: u8| {
        let about = requests.iter().filter(move |it| it[36] == protocol);
        about.map(|it| u32::from_be_bytes(it[4..8].try_into().unwrap()))
    };
    for protocol in [6, 17] {
        assert!(lifetimes(protocol).eq([3_600, 0]), "protocol {protocol}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_is_not_believed() {
    for (number, address) in [
        (3, [10, 0, 0, 1]),
        (4, [127, 0, 0, 1]),
        (5, [0; 4]),
        (6, [224, 0, 0, 1]),
        (7, [255; 4]),
    ] {
        let fake = Fake::start(number, move |request| Some(nat_pmp(request, address))).await;
        let (mapper, closing) = start(routers(fake.address, NO_SSDP));
        assert_eq!(granted(&mapper).await.external_ip, None, "{address:?}");
        end(&mapper, &closing).await;
    }
}

#[tokio::test]
async fn a_gateway_that_never_takes_its_port_back_does_not_hold_up_the_end() {
    let fake = Fake::start(8, |request| {
        let gives_back = request.starts_with(&[0, 2]) && request[8..] == [0; 4];
        (!gives_back).then(|| nat_pmp(request, WORLD))
    })
    .await;
    let (mapper, closing) = start(routers(fake.address, NO_SSDP));
    granted(&mapper).await;
    end(&mapper, &closing).await;
    assert_eq!(fake.asked_for().last(), Some(&0));
}

#[tokio::test]
async fn a_gateway_that_answers_nonsense_is_of_no_use() {
    let answers: [Answer; 8] = [
        |_| None,
        |_| Some(Vec::new()),
        |_| Some(vec![0xff; 16]),
        |_| Some(vec![0; 60_000]),
        |request| Some(request.to_vec()),
        // Another nonce than was sent.
        |request| {
            let mut answer = pcp(request, WORLD, 3_600);
            answer[24] ^= 1;
            Some(answer)
        },
        // For no time at all.
        |request| Some(pcp(request, WORLD, 0)),
        // At port 0.
        |request| {
            let mut answer = pcp(request, WORLD, 3_600);
            answer[42..44].fill(0);
            Some(answer)
        },
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let fake = Fake::start(20 + number as u8, answer).await;
        assert_no_use(routers(fake.address, NO_SSDP)).await;
        assert!(!fake.requests.lock().is_empty());
    }
}

#[tokio::test]
async fn a_mapping_is_renewed_for_as_long_as_the_gateway_grants_it() {
    let refuses = Arc::new(AtomicBool::new(false));
    let wish = refuses.clone();
    let fake = Fake::start(9, move |request| {
        let lifetime = if wish.load(Ordering::Relaxed) { 0 } else { 600 };
        Some(pcp(request, WORLD, lifetime))
    })
    .await;
    let asked = routers(fake.address, NO_SSDP).ask(PORT).await;
    let mut lease = asked.unwrap();
    assert_eq!(lease.renewal(), Duration::from_mins(5));
    assert!(lease.renew().await);
    refuses.store(true, Ordering::Relaxed);
    assert!(!lease.renew().await);
}
