//! HTTP GET with everything that trackers and strangers make necessary: redirects, bounds, guards.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::body;
use super::connector::{PlainClient, Resolver, TlsClient, plain_client, tls_client, tls_config};
use super::options::ClientOptions;
use super::reach::{self, IsLocal};
use crate::MAX_REDIRECTS;
use crate::error::{RedirectError, TrackerError};
use crate::udp::Family;

/// What came back.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The URL's own query was left out, because a torrent named it and the host is local.
    pub(super) query_withheld: bool,
}

/// HTTP over one family.
#[derive(Debug)]
pub(super) struct Transport {
    options: Arc<ClientOptions>,
    family: Family,
    is_local: IsLocal,
    /// May connect anywhere.
    anywhere: Clients,
    /// Connects to public addresses only.
    public: Clients,
    gates: Mutex<HashMap<(String, u16), Weak<Semaphore>>>,
}

#[derive(Debug)]
struct Clients {
    resolver: Resolver,
    plain: PlainClient,
    /// Made when the first https tracker is asked, because that reads the platform's certificates.
    tls: OnceCell<TlsClient>,
}

/// Where a request goes, decided before it is sent.
struct Hop {
    url: Url,
    is_local: bool,
}

impl Transport {
    pub(super) fn new(options: Arc<ClientOptions>, family: Family, is_local: IsLocal) -> Self {
        let clients = |forbidden| {
            let resolver = Resolver { family, forbidden };
            Clients {
                plain: plain_client(&options, resolver.clone()),
                resolver,
                tls: OnceCell::new(),
            }
        };
        Self {
            anywhere: clients(None),
            public: clients(Some(is_local)),
            options,
            family,
            is_local,
            gates: Mutex::default(),
        }
    }

    /// Gets `url` with `parameters` behind its own query. The own query is sent to a local host only if it is `trusted`.
    pub(super) async fn get(
        &self,
        url: &Url,
        parameters: &str,
        trusted: bool,
    ) -> Result<Fetched, TrackerError> {
        let _turn = self.turn(url).await;
        let mut hop = self.look(url.clone()).await?;
        let query_withheld = hop.is_local && !trusted && url.query().is_some();
        if query_withheld {
            tracing::warn!(
                host = url.host_str(),
                "a torrent's tracker is on the local network: its own query is left out"
            );
            hop.url.set_query(None);
        }
        add_parameters(&mut hop.url, parameters);
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&hop).await?;
            match target(&hop.url, &response)? {
                Some(next) => hop = self.follow(&hop, next, parameters).await?,
                None => return self.receive(response, query_withheld).await,
            }
        }
        Err(RedirectError::TooMany.into())
    }

    async fn receive(
        &self,
        response: Response<Incoming>,
        query_withheld: bool,
    ) -> Result<Fetched, TrackerError> {
        let (parts, body) = response.into_parts();
        let body = body::read(&parts.headers, body, self.options.read_timeout).await?;
        Ok(Fetched {
            status: parts.status,
            headers: parts.headers,
            body,
            query_withheld,
        })
    }

    /// Whether a host is local: it is if any of its addresses is.
    async fn look(&self, url: Url) -> Result<Hop, TrackerError> {
        let host = bare_host(&url);
        let port = url.port_or_known_default().unwrap_or_default();
        let addresses = reach::resolve(host, port, self.family).await?;
        let is_local = addresses
            .iter()
            .any(|address| (self.is_local)(address.ip()));
        Ok(Hop { url, is_local })
    }

    async fn follow(&self, from: &Hop, mut to: Url, parameters: &str) -> Result<Hop, TrackerError> {
        if from.url.scheme() == "https" && to.scheme() == "http" {
            return Err(RedirectError::Downgrade.into());
        }
        if !to.query().unwrap_or_default().contains("info_hash=") {
            add_parameters(&mut to, parameters);
        }
        let hop = self.look(to).await?;
        if hop.is_local && !from.is_local {
            let host = bare_host(&hop.url).to_owned();
            return Err(RedirectError::ToLocal { host }.into());
        }
        Ok(hop)
    }

    async fn send(&self, hop: &Hop) -> Result<Response<Incoming>, TrackerError> {
        let clients = if hop.is_local {
            &self.anywhere
        } else {
            &self.public
        };
        let request = self.request(&hop.url)?;
        let response = match hop.url.scheme() {
            "https" => clients.tls(&self.options).await?.request(request),
            _ => clients.plain.request(request),
        };
        let silence = self.options.read_timeout + self.options.connect_timeout;
        tokio::time::timeout(silence, response)
            .await
            .map_err(|_| TrackerError::Timeout(silence))?
            .map_err(|error| connection_error(&error))
    }

    fn request(&self, url: &Url) -> Result<Request<Empty<Bytes>>, TrackerError> {
        let mut url = url.clone();
        let authorization = take_credentials(&mut url);
        let uri: Uri = url.as_str().parse().map_err(|_| malformed_url())?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let user_agent = HeaderValue::from_str(&self.options.user_agent);
        headers.insert(USER_AGENT, user_agent.map_err(|_| malformed_url())?);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// Waits until few enough requests to the host are under way.
    async fn turn(&self, url: &Url) -> Option<OwnedSemaphorePermit> {
        let port = url.port_or_known_default().unwrap_or_default();
        let gate = {
            let mut gates = self.gates.lock();
            gates.retain(|_, gate| gate.strong_count() > 0);
            let key = (bare_host(url).to_owned(), port);
            let gate = gates.get(&key).and_then(Weak::upgrade);
            let gate =
                gate.unwrap_or_else(|| Arc::new(Semaphore::new(self.options.max_per_host.max(1))));
            gates.insert(key, Arc::downgrade(&gate));
            gate
        };
        gate.acquire_owned().await.ok()
    }
}

impl Clients {
    async fn tls(&self, options: &Arc<ClientOptions>) -> Result<&TlsClient, TrackerError> {
        let make = || async {
            let roots = options.clone();
            let config = tokio::task::spawn_blocking(move || tls_config(&roots.extra_roots))
                .await
                .map_err(|error| TrackerError::Tls(error.to_string()))??;
            Ok(tls_client(options, self.resolver.clone(), config))
        };
        self.tls.get_or_try_init(make).await
    }
}

/// How long the server wants no request, in seconds; dates are not understood.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// The whole chain of causes: the outermost alone says nothing of use.
pub(super) fn connection_error(error: &(dyn Error + 'static)) -> TrackerError {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    TrackerError::Connection { message }
}

/// Where a response leads, if it is a redirect.
fn target(from: &Url, response: &Response<Incoming>) -> Result<Option<Url>, RedirectError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let mut url = location
        .and_then(|location| from.join(location).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(RedirectError::Target)?;
    url.set_fragment(None);
    Ok(Some(url))
}

/// Puts the parameters behind the URL's own query, which is kept as it is.
fn add_parameters(url: &mut Url, parameters: &str) {
    let query = match url.query() {
        None | Some("") => parameters.to_owned(),
        Some(own) => format!("{own}&{parameters}"),
    };
    url.set_query(Some(&query));
}

fn bare_host(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Takes user and password out of the URL; they go into a header (RFC 7617).
fn take_credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    // Neither can fail on an http URL, which has a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(&pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn malformed_url() -> TrackerError {
    TrackerError::Connection {
        message: "the URL or the user agent cannot be put into an HTTP request".to_owned(),
    }
}
