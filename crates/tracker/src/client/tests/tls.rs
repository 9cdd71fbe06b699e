use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::error::{RedirectError, TrackerError};

/// An https server on localhost that sends `head` and `body` to everybody.
struct TlsServer {
    url: TrackerUrl,
    root: CertificateDer<'static>,
    _task: JoinSet<()>,
}

async fn serve(head: String, body: &'static [u8]) -> TlsServer {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let root = cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![root.clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut task = JoinSet::new();
    task.spawn(accept(listener, Arc::new(config), head, body));
    let url = trusted(&format!("https://localhost:{port}/announce"));
    TlsServer {
        url,
        root,
        _task: task,
    }
}

async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    head: String,
    body: &'static [u8],
) {
    while let Ok((stream, _)) = listener.accept().await {
        let stream = stream.into_std().unwrap();
        let (config, head) = (config.clone(), head.clone());
        // Blocking TLS in a thread of its own keeps the test free of one more dependency.
        tokio::task::spawn_blocking(move || answer(stream, config, &head, body));
    }
}

fn answer(mut stream: std::net::TcpStream, config: Arc<ServerConfig>, head: &str, body: &[u8]) {
    use std::io::{Read, Write};
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut connection = rustls::ServerConnection::new(config).unwrap();
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match tls.read(&mut byte) {
            Ok(1) => request.extend(byte),
            // A client that does not trust the certificate goes away.
            _ => return,
        }
    }
    let head = format!(
        "{head}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = tls.write_all(&[head.as_bytes(), body].concat());
    let _ = tls.flush();
}

fn client_that_trusts(server: &TlsServer) -> Client {
    let root = server.root.to_vec();
    client_with(|options| options.extra_roots.push(root))
}

#[tokio::test]
async fn https_works_with_a_root_that_is_trusted() {
    let server = serve("HTTP/1.1 200 OK\r\n".to_owned(), ANSWER).await;
    let client = client_that_trusts(&server);
    let response = limited(client.announce(&server.url, &request()))
        .await
        .unwrap();
    assert!(is_answer(&response));
}

#[tokio::test]
async fn https_fails_with_a_root_that_is_not() {
    let server = serve("HTTP/1.1 200 OK\r\n".to_owned(), ANSWER).await;
    let other = serve(String::new(), b"").await;
    let client = client_that_trusts(&other);
    let error = limited(client.announce(&server.url, &request()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TrackerError::Connection { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused() {
    let head = "HTTP/1.1 301 Moved\r\nlocation: http://localhost:1/announce\r\n";
    let server = serve(head.to_owned(), b"").await;
    let client = client_that_trusts(&server);
    let error = limited(client.announce(&server.url, &request()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TrackerError::Redirect(RedirectError::Downgrade)),
        "{error}"
    );
}
