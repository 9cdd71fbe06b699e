//! The HTTP side: announce, scrape and a page of figures, on hyper.

pub(crate) mod answer;
mod query;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, trace};

pub(crate) use self::query::MAX_SCRAPED;

use crate::server::Shared;

/// Connections at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;
/// Longer requests are answered with an error: a scrape of 74 torrents takes less than 6 KiB.
const MAX_REQUEST_HEAD: usize = 16 * 1024;
/// For a request's head to come in, the wait before it included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// After a failed accept, which is mostly for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until it is told to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let connection = handle(stream, peer, Arc::clone(&shared), stop.clone());
        tasks.spawn(async move {
            connection.await;
            drop(slot);
        });
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            debug!(%error, "cannot accept a connection");
            None
        }
    }
}

/// Serves one connection until it is closed or the server stops; an answer that is under way is finished.
async fn handle(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, stop: CancellationToken) {
    // Answers are one small write each; a failure would only slow them down.
    let _ = stream.set_nodelay(true);
    let ip = peer.ip().to_canonical();
    let service = service_fn(move |request| {
        let response = respond(&shared, &request, ip);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_REQUEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        trace!(%peer, %error, "connection ended");
    }
}

fn respond(shared: &Shared, request: &Request<Incoming>, ip: IpAddr) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/announce" => bencoded(announce(shared, query, ip)),
        "/scrape" => bencoded(scrape(shared, query)),
        "/" => plain(StatusCode::OK, shared.page()),
        _ => plain(StatusCode::NOT_FOUND, "announce to /announce\n"),
    }
}

fn announce(shared: &Shared, query: &str, ip: IpAddr) -> Vec<u8> {
    let asked = match query::parse_announce(query, ip) {
        Ok(asked) => asked,
        Err(error) => return answer::failure(&error.to_string()),
    };
    match shared.announce(&asked.announce) {
        Ok(answer) => answer::announced(&answer, asked.format, ip),
        Err(refusal) => answer::failure(&refusal.to_string()),
    }
}

fn scrape(shared: &Shared, query: &str) -> Vec<u8> {
    match query::parse_scrape(query) {
        Ok(hashes) => answer::scraped(shared.scrape(&hashes)),
        Err(error) => answer::failure(&error.to_string()),
    }
}

/// Refusals too have status 200: clients read the reason only then.
fn bencoded(body: Vec<u8>) -> Response<Full<Bytes>> {
    response(StatusCode::OK, body)
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, body)
}

fn response(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
