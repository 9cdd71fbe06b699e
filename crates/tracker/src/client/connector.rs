//! HTTP connections of one family, with or without the local network within reach.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tower_service::Service;

use super::options::ClientOptions;
use super::reach::{self, IsLocal};
use crate::error::TrackerError;
use crate::udp::Family;

pub(super) type PlainClient = Client<HttpConnector<Resolver>, Empty<Bytes>>;
pub(super) type TlsClient = Client<HttpsConnector<HttpConnector<Resolver>>, Empty<Bytes>>;

/// How long an idle connection is kept for the next request.
const IDLE_LIFE: Duration = Duration::from_secs(30);
/// The longest header of an answer.
const MAX_HEADER_LENGTH: usize = 64 << 10;

/// Resolves names to the addresses that a connection may be made to. Since it is the one that the connection
/// uses, a name that changes its address between check and use gains nothing.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    pub(super) family: Family,
    /// Local addresses are left out if this is there.
    pub(super) forbidden: Option<IsLocal>,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { family, forbidden } = self.clone();
        Box::pin(async move {
            // The connector puts the port in.
            let addresses = reach::resolve(name.as_str(), 0, family).await;
            let mut addresses = addresses.map_err(io::Error::other)?;
            addresses.retain(|address| !forbidden.is_some_and(|is_local| is_local(address.ip())));
            Ok(addresses.into_iter())
        })
    }
}

pub(super) fn plain_client(options: &ClientOptions, resolver: Resolver) -> PlainClient {
    builder().build(tcp(options, resolver))
}

pub(super) fn tls_client(
    options: &ClientOptions,
    resolver: Resolver,
    tls: ClientConfig,
) -> TlsClient {
    let mut tcp = tcp(options, resolver);
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1();
    builder().build(https.wrap_connector(tcp))
}

/// Reads the platform's root certificates, so it blocks.
pub(super) fn tls_config(extra_roots: &[Vec<u8>]) -> Result<ClientConfig, TrackerError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = extra_roots.iter().cloned().map(CertificateDer::from);
    let failed = |error: rustls::Error| TrackerError::Tls(error.to_string());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(failed)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn tcp(options: &ClientOptions, resolver: Resolver) -> HttpConnector<Resolver> {
    let local = match resolver.family {
        Family::V4 => options.bind_v4.map(Into::into),
        Family::V6 => options.bind_v6.map(Into::into),
    };
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.set_connect_timeout(Some(options.connect_timeout));
    tcp.set_nodelay(true);
    tcp.set_local_address(local);
    tcp
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIFE)
        .pool_max_idle_per_host(1)
        .http1_max_buf_size(MAX_HEADER_LENGTH)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true);
    builder
}
