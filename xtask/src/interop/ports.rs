//! Ports for programs that can't be told to take any.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{LazyLock, Mutex};

use anyhow::bail;

/// Below the range from which systems take ports of their own accord, so that no connection takes one in between.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port of 127.0.0.1, free for TCP and UDP, that was not given out before.
pub(crate) fn free() -> anyhow::Result<u16> {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    for _ in 0..1000 {
        let port = rand::random_range(RANGE);
        if is_free(port) && GIVEN.lock().expect("no thread panics").insert(port) {
            return Ok(port);
        }
    }
    bail!("no free port from {} to {}", RANGE.start, RANGE.end);
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}
