//! Gateways that speak UPnP, or something like it.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::task::AbortOnDropHandle;

use super::{NOBODY, PORT, assert_no_use, end, granted, routers, start};
use crate::portmap::MappingProtocol;

const DESCRIPTION: &str = r#"<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList><service>
    <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><SCPDURL>/scpd</SCPDURL><controlURL>/control</controlURL>
    </service></serviceList></device></root>"#;

/// An action that takes these arguments.
fn action(name: &str, arguments: &[&str]) -> String {
    let argument =
        |name: &&str| format!("<argument><name>{name}</name><direction>in</direction></argument>");
    let arguments: String = arguments.iter().map(argument).collect();
    format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
}

fn service() -> String {
    let map = action(
        "AddPortMapping",
        &[
            "NewRemoteHost",
            "NewExternalPort",
            "NewProtocol",
            "NewInternalPort",
            "NewInternalClient",
            "NewLeaseDuration",
        ],
    );
    let unmap = action(
        "DeletePortMapping",
        &["NewRemoteHost", "NewExternalPort", "NewProtocol"],
    );
    let address = action("GetExternalIPAddress", &[]);
    format!("<scpd><actionList>{map}{unmap}{address}</actionList></scpd>")
}

fn envelope(body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

fn fault(code: u16) -> String {
    envelope(&format!(
        "<s:Fault><detail><UPnPError><errorCode>{code}</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault>"
    ))
}

fn done(action: &str, result: &str) -> String {
    envelope(&format!(
        r#"<u:{action}Response xmlns:u="urn:x">{result}</u:{action}Response>"#
    ))
}

/// What a gateway says to a request; `None` is nothing, ever.
type Answer = fn(&str) -> Option<String>;

fn good(request: &str) -> Option<String> {
    Some(match request {
        _ if request.starts_with("GET /scpd") => service(),
        _ if request.starts_with("GET") => DESCRIPTION.to_owned(),
        _ if request.contains("GetExternalIPAddress") => done(
            "GetExternalIPAddress",
            "<NewExternalIPAddress>203.1.113.7</NewExternalIPAddress>",
        ),
        _ if request.contains("AddPortMapping") => done("AddPortMapping", ""),
        _ if request.contains("DeletePortMapping") => done("DeletePortMapping", ""),
        _ => return None,
    })
}

struct Fake {
    ssdp: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Fake {
    async fn start(answer: Answer) -> Self {
        Self::at(answer, |http| format!("http://{http}/root.xml")).await
    }

    /// A gateway that says that its description is at `location`.
    async fn at(answer: Answer, location: impl Fn(SocketAddr) -> String) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let location = location(tcp.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let ssdp = udp.local_addr().unwrap();
        let seen = requests.clone();
        let tasks = [
            tokio::spawn(announce(
                udp,
                format!("HTTP/1.1 200 OK\r\nLOCATION: {location}\r\n\r\n"),
            )),
            tokio::spawn(serve(tcp, answer, seen)),
        ];
        Self {
            ssdp,
            requests,
            _tasks: tasks.map(AbortOnDropHandle::new),
        }
    }

    /// The ports that were mapped, or given back.
    fn ports(&self, action: &str) -> Vec<String> {
        let requests = self.requests.lock();
        let wanted = requests
            .iter()
            .filter(|it| it.contains(&format!("#{action}\"")));
        let port = |it: &String| {
            let (_, rest) = it.split_once("<NewExternalPort>").unwrap();
            rest.split('<').next().unwrap().to_owned()
        };
        wanted.map(port).collect()
    }
}

async fn announce(socket: UdpSocket, answer: String) {
    let mut buffer = [0; 2048];
    while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
        socket.send_to(answer.as_bytes(), from).await.unwrap();
    }
}

async fn serve(listener: TcpListener, answer: Answer, seen: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Whoever asks may go away at any time.
        let _ = reply(stream, answer, &seen).await;
    }
}

async fn reply(
    mut stream: TcpStream,
    answer: Answer,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        request += &String::from_utf8_lossy(&buffer[..length]);
    }
    seen.lock().push(request.clone());
    let Some(body) = answer(&request) else {
        // Until the other end gives up.
        let _ = stream.read(&mut buffer).await?;
        return Ok(());
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

fn is_whole(request: &str) -> bool {
    request.starts_with("GET") && request.contains("\r\n\r\n") || request.contains("Envelope>")
}

#[tokio::test]
async fn upnp_maps_and_gives_back() {
    let fake = Fake::start(good).await;
    let (mapper, closing) = start(routers(NOBODY, fake.ssdp));
    let mapping = granted(&mapper).await;
    assert_eq!(mapping.protocol, MappingProtocol::Upnp);
    assert_eq!(mapping.external_port, PORT);
    assert_eq!(mapping.external_ip, Some("203.1.113.7".parse().unwrap()));
    assert_eq!(
        mapping.local,
        SocketAddr::from(([127, 0, 0, 1], PORT.get()))
    );
    end(&mapper, &closing).await;
    let both = [PORT.to_string(), PORT.to_string()];
    assert_eq!(fake.ports("AddPortMapping"), both);
    assert_eq!(fake.ports("DeletePortMapping"), both);
    let requests = fake.requests.lock();
    for protocol in ["TCP", "UDP"] {
        let protocol = format!("<NewProtocol>{protocol}<");
        let about = requests.iter().filter(|it| it.contains(&protocol));
        assert_eq!(about.count(), 2, "{protocol}");
    }
}

#[tokio::test]
async fn where_the_port_is_taken_another_one_is_mapped() {
    let fake = Fake::start(|request| {
        let wants_ours = request.contains("<NewExternalPort>51413<");
        if request.contains("AddPortMapping") && wants_ours {
            return Some(fault(718));
        }
        good(request)
    })
    .await;
    let (mapper, closing) = start(routers(NOBODY, fake.ssdp));
    let mapping = granted(&mapper).await;
    assert_ne!(mapping.external_port, PORT);
    end(&mapper, &closing).await;
    let given_back = fake.ports("DeletePortMapping");
    let port = mapping.external_port.to_string();
    assert_eq!(given_back, [port.clone(), port]);
}

#[tokio::test]
async fn a_gateway_that_only_knows_mappings_without_end_gets_it_back_all_the_same() {
    let fake = Fake::start(|request| {
        let is_forever = request.contains("<NewLeaseDuration>0<");
        if request.contains("AddPortMapping") && !is_forever {
            return Some(fault(725));
        }
        good(request)
    })
    .await;
    let (mapper, closing) = start(routers(NOBODY, fake.ssdp));
    assert_eq!(granted(&mapper).await.external_port, PORT);
    end(&mapper, &closing).await;
    assert_eq!(fake.ports("DeletePortMapping").len(), 2);
}

#[tokio::test]
async fn a_gateway_that_has_no_udp_port_lets_peers_in_all_the_same() {
    let answers: [Answer; 2] = [
        |request| {
            let is_udp = request.contains("<NewProtocol>UDP<");
            if is_udp {
                Some(fault(718))
            } else {
                good(request)
            }
        },
        |request| good(request).filter(|_| !request.contains("<NewProtocol>UDP<")),
    ];
    for answer in answers {
        let fake = Fake::start(answer).await;
        let (mapper, closing) = start(routers(NOBODY, fake.ssdp));
        assert_eq!(granted(&mapper).await.external_port, PORT);
        end(&mapper, &closing).await;
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_is_not_believed() {
    let fake = Fake::start(|request| {
        let answer = good(request)?;
        Some(answer.replace("203.1.113.7", "192.168.0.1"))
    })
    .await;
    let (mapper, closing) = start(routers(NOBODY, fake.ssdp));
    assert_eq!(granted(&mapper).await.external_ip, None);
    end(&mapper, &closing).await;
}

#[tokio::test]
async fn a_gateway_that_answers_nonsense_is_of_no_use() {
    let answers: [Answer; 7] = [
        |_| None,
        |_| Some(String::new()),
        |_| Some("<root>".repeat(10_000)),
        |_| Some("x".repeat(3 << 20)),
        |request| good(request).filter(|_| request.starts_with("GET /root.xml")),
        |request| {
            let answer = good(request)?;
            let is_get = request.starts_with("GET");
            Some(if is_get { answer } else { "<a/>".to_owned() })
        },
        |request| {
            let is_map = request.contains("AddPortMapping");
            if is_map {
                Some(fault(501))
            } else {
                good(request)
            }
        },
    ];
    for answer in answers {
        let fake = Fake::start(answer).await;
        assert_no_use(routers(NOBODY, fake.ssdp)).await;
        assert!(!fake.requests.lock().is_empty());
    }
}

#[tokio::test]
async fn a_gateway_that_names_another_host_is_not_followed() {
    let victim = TcpListener::bind("127.0.0.9:0").await.unwrap();
    let elsewhere = victim.local_addr().unwrap();
    let fake = Fake::at(good, move |_| format!("http://{elsewhere}/root.xml")).await;
    assert_no_use(routers(NOBODY, fake.ssdp)).await;
    let mut connection = std::pin::pin!(victim.accept());
    assert!(futures_util::poll!(&mut connection).is_pending());
}
