//! `headwater tracker`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use clap::Args;
use headwater_tracker_server::{BindError, Config, Server};

use crate::exit::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output};

/// What most trackers use.
const DEFAULT_PORT: u16 = 6969;

/// Run a tracker, until interrupted.
///
/// It keeps its peers in memory. Without addresses it listens for both protocols on port 6969 of every address of this
/// machine. HTTP also answers / with figures.
#[derive(Debug, Args)]
pub(crate) struct Tracker {
    /// Listen for HTTP here: ADDR:PORT, or PORT for every address; 0 lets the system choose
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    http: Vec<SocketAddr>,
    /// Listen for UDP here
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    udp: Vec<SocketAddr>,
}

impl Tracker {
    pub(crate) async fn run(self, output: &Output, interrupt: Interrupt) -> Result {
        let server = Server::bind(self.config()).await.map_err(failure)?;
        for address in server.http_addrs() {
            announce(output, "http", *address);
        }
        for address in server.udp_addrs() {
            announce(output, "udp", *address);
        }
        interrupt.requested().await;
        let stats = server.stats();
        server.shutdown().await;
        output.note(format_args!(
            "stopped after {} announces and {} scrapes",
            stats.announces, stats.scrapes
        ));
        Ok(())
    }

    fn config(self) -> Config {
        let Self { mut http, mut udp } = self;
        if http.is_empty() && udp.is_empty() {
            let address = SocketAddr::new(everywhere(), DEFAULT_PORT);
            (http, udp) = (vec![address], vec![address]);
        }
        Config {
            http,
            udp,
            ..Config::default()
        }
    }
}

fn announce(output: &Output, scheme: &str, address: SocketAddr) {
    output.event(&Event::Listening {
        port: address.port(),
        address: Some(address),
        protocol: Some(scheme),
    });
    let host = if address.ip().is_unspecified() {
        format!("HOST:{}", address.port())
    } else {
        address.to_string()
    };
    output.line(format_args!("announce to {scheme}://{host}/announce"));
}

fn failure(error: BindError) -> Failure {
    match error {
        BindError::Listen {
            address,
            protocol,
            source,
        } => Failure::io(
            format_args!("cannot listen on {address} ({protocol})"),
            &source,
        ),
        other => Failure::failed(other),
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(everywhere(), port));
    }
    text.parse().map_err(|_| {
        "expected ADDR:PORT, such as 127.0.0.1:6969 or [::1]:6969, or a port".to_owned()
    })
}

/// The IPv6 wildcard, which serves IPv4 too; IPv4's where there is no IPv6.
fn everywhere() -> IpAddr {
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports_are_read() {
        assert_eq!(parse_address("6969").map(|it| it.port()), Ok(6969));
        assert!(parse_address("6969").is_ok_and(|it| it.ip().is_unspecified()));
        assert_eq!(
            parse_address("127.0.0.1:0"),
            Ok("127.0.0.1:0".parse().unwrap())
        );
        for wrong in ["", "localhost:80", "70000", "::1", "1.2.3.4"] {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
    }
}
