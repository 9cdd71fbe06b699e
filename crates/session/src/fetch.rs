//! Getting a torrent file over HTTP.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_metainfo::MAX_TORRENT_SIZE;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, LOCATION, USER_AGENT};
use hyper::{Request, Response, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use url::Url;

use crate::FetchError;

/// The whole time, name resolution and redirects included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest chain of redirects that is followed.
const MAX_REDIRECTS: usize = 5;

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Gets what may be a torrent file, from the `bind` addresses if there are any.
pub(crate) async fn torrent(url: &str, bind: &[IpAddr]) -> Result<Vec<u8>, FetchError> {
    let url = parse(url).ok_or(FetchError::Url)?;
    let fetched = tokio::time::timeout(TIMEOUT, follow(url, bind)).await;
    fetched.unwrap_or(Err(FetchError::Timeout))
}

async fn follow(mut url: Url, bind: &[IpAddr]) -> Result<Vec<u8>, FetchError> {
    for _ in 0..=MAX_REDIRECTS {
        let client = client(bind, url.scheme() == "https").await?;
        let response = get(&client, &url).await?;
        let status = response.status();
        if status.is_success() {
            return read(response).await;
        }
        if !status.is_redirection() {
            return Err(FetchError::Status(status.as_u16()));
        }
        url = target(&url, &response)?;
    }
    Err(FetchError::Redirects)
}

/// A client for one request. Only if that is `secure` are the system's root certificates needed.
async fn client(bind: &[IpAddr], secure: bool) -> Result<HttpClient, FetchError> {
    let config = tokio::task::spawn_blocking(move || tls_config(secure)).await;
    let failed = |error: &dyn Error| FetchError::Connection(error.to_string());
    let config = config.map_err(|error| failed(&error))?;
    let config = config.map_err(|error| failed(&error))?;
    let tls = HttpsConnectorBuilder::new().with_tls_config(config);
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp(bind));
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn tcp(bind: &[IpAddr]) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let v4 = bind.iter().find_map(|ip| match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    });
    let v6 = bind.iter().find_map(|ip| match ip {
        IpAddr::V6(ip) => Some(*ip),
        IpAddr::V4(_) => None,
    });
    match (v4, v6) {
        (Some(v4), Some(v6)) => tcp.set_local_addresses(v4, v6),
        _ => tcp.set_local_address(bind.first().copied()),
    }
    tcp
}

fn tls_config(secure: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if secure {
        Ok(builder.with_platform_verifier()?.with_no_client_auth())
    } else {
        Ok(builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth())
    }
}

async fn get(client: &HttpClient, url: &Url) -> Result<Response<Incoming>, FetchError> {
    let request = Request::get(url.as_str())
        .header(USER_AGENT, concat!("Headwater/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/x-bittorrent, */*")
        .body(Empty::new())
        .map_err(|_| FetchError::Url)?;
    let response = client.request(request).await;
    response.map_err(|error| FetchError::Connection(root_cause(&error)))
}

async fn read(response: Response<Incoming>) -> Result<Vec<u8>, FetchError> {
    let body = Limited::new(response.into_body(), MAX_TORRENT_SIZE);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(FetchError::TooLarge(MAX_TORRENT_SIZE))
        }
        Err(error) => Err(FetchError::Connection(root_cause(&*error))),
    }
}

/// Where a redirect leads. What was asked for over TLS stays there.
fn target(from: &Url, response: &Response<Incoming>) -> Result<Url, FetchError> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    let is_safe = |target: &Url| match target.scheme() {
        "https" => true,
        "http" => from.scheme() == "http",
        _ => false,
    };
    target.filter(is_safe).ok_or(FetchError::Redirect)
}

fn parse(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// What is really wrong: the outer errors only say that something is.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
