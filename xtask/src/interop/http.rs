//! As much HTTP as it takes to ask a local program something.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

/// No answer of a local program takes longer, in time or in bytes.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_LENGTH: u64 = 1 << 20;

pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }
}

/// GET from a port of 127.0.0.1.
pub(crate) fn get(port: u16, path: &str) -> anyhow::Result<Response> {
    send(
        port,
        &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"),
    )
}

/// POST to a port of 127.0.0.1; `headers` are whole lines.
pub(crate) fn post(port: u16, path: &str, headers: &str, body: &str) -> anyhow::Result<Response> {
    let length = body.len();
    send(
        port,
        &format!(
            "POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

fn send(port: u16, request: &str) -> anyhow::Result<Response> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_LENGTH).read_to_end(&mut answer)?;
    parse(&answer).context("no HTTP answer")
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = answer[end + 4..].to_vec();
    Some(Response { status, head, body })
}
