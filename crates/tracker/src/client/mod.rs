//! Asking real trackers over real sockets.

mod body;
mod connector;
mod datagrams;
mod families;
mod options;
mod reach;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use headwater_metainfo::InfoHash;
use rand::seq::IndexedRandom;
use url::Url;

pub use self::options::ClientOptions;

use self::datagrams::Datagrams;
use self::reach::IsLocal;
use self::transport::{Fetched, Transport, retry_after};
use crate::error::{DecodeError, TrackerError};
use crate::http;
use crate::types::{AnnounceRequest, AnnounceResponse, RetryIn, ScrapeEntry, ScrapeResponse};
use crate::udp::{Answer, Family, MAX_SCRAPE, Query};
use crate::url::{Scheme, TrackerUrl};

/// One HTTP scrape asks about no more torrents, so that the URL stays of a length that servers take.
const MAX_HTTP_SCRAPE: usize = 50;

/// Announces to trackers and scrapes them, over HTTP(S) and UDP. Cheap to clone; clones share connections and sockets.
///
/// Every request is a future of its own: dropping it gives the request up, and none waits for another, except
/// that an HTTP host is sent at most [`ClientOptions::max_per_host`] at a time. A tokio runtime with time and
/// I/O must be there when a request is made.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use headwater_metainfo::{InfoHash, PeerId};
/// use headwater_tracker::{AnnounceRequest, Client, ClientOptions};
///
/// let client = Client::new(ClientOptions::default());
/// let request = AnnounceRequest::new(InfoHash([7; 20]), PeerId(*b"-HW0100-abcdefghijkl"), 6881);
/// let answer = client.announce(&"udp://tracker.example:6969/announce".parse()?, &request).await?;
/// println!("{} peers, next announce in {:?}", answer.peers.len(), answer.interval);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Arc<ClientOptions>,
    v4: Channels,
    v6: Channels,
}

/// The ways to a tracker in one family.
#[derive(Debug)]
struct Channels {
    family: Family,
    is_enabled: bool,
    http: Transport,
    udp: Datagrams,
}

impl Client {
    /// Opens nothing yet.
    pub fn new(options: ClientOptions) -> Self {
        Self::with_reach(options, reach::is_local)
    }

    fn with_reach(options: ClientOptions, is_local: IsLocal) -> Self {
        let options = Arc::new(options);
        let channels = |family, is_enabled, bind| Channels {
            family,
            is_enabled,
            http: Transport::new(options.clone(), family, is_local),
            udp: Datagrams::new(family, bind),
        };
        let shared = Shared {
            v4: channels(Family::V4, options.ipv4, options.bind_v4.map(Into::into)),
            v6: channels(Family::V6, options.ipv6, options.bind_v6.map(Into::into)),
            options,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Announces, over each family for which the tracker has an address (BEP 7), and merges the answers.
    pub async fn announce(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, TrackerError> {
        let Shared { options, v4, v6 } = &*self.shared;
        let over_v4 = within(options.timeout, v4.announce(url, request));
        let over_v6 = within(options.timeout, v6.announce(url, request));
        families::both(over_v4, over_v6).await.map(families::merge)
    }

    /// Asks what the tracker knows about torrents, without being in their swarms. Any number of torrents may be asked for;
    /// those that the tracker does not know are missing from the answer.
    pub async fn scrape(
        &self,
        url: &TrackerUrl,
        info_hashes: &[InfoHash],
    ) -> Result<ScrapeResponse, TrackerError> {
        let Shared { options, v4, v6 } = &*self.shared;
        let over_v4 = within(options.timeout, v4.scrape(url, info_hashes));
        let over_v6 = within(options.timeout, v6.scrape(url, info_hashes));
        families::either(over_v4, over_v6).await
    }
}

async fn within<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, TrackerError>>,
) -> Result<T, TrackerError> {
    let outcome = tokio::time::timeout(limit, request).await;
    outcome.unwrap_or(Err(TrackerError::Timeout(limit)))
}

impl Channels {
    async fn announce(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, TrackerError> {
        self.check_enabled(url)?;
        if url.scheme() != Scheme::Udp {
            return self.announce_http(url, request).await;
        }
        let query = Query::Announce {
            request: request.clone(),
            url_data: url.path_and_query().into_bytes(),
        };
        match self.ask(url, query).await? {
            Answer::Announce(response) => Ok(response),
            Answer::Scrape(_) => Err(DecodeError::Form("answer").into()),
        }
    }

    async fn announce_http(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, TrackerError> {
        let parameters = http::announce_query(request);
        let fetched = self.fetch(url, url.url(), &parameters).await?;
        let mut response = interpret(&fetched, http::decode_announce)?;
        if fetched.query_withheld && response.warning.is_none() {
            response.warning = Some(
                "the announce URL's own query was not sent, because a torrent named it and it leads to the local network"
                    .to_owned(),
            );
        }
        Ok(response)
    }

    async fn scrape(
        &self,
        url: &TrackerUrl,
        info_hashes: &[InfoHash],
    ) -> Result<ScrapeResponse, TrackerError> {
        self.check_enabled(url)?;
        let mut files = HashMap::new();
        let batch = match url.scheme() {
            Scheme::Udp => MAX_SCRAPE,
            Scheme::Http | Scheme::Https => MAX_HTTP_SCRAPE,
        };
        for hashes in info_hashes.chunks(batch) {
            match url.scheme() {
                Scheme::Udp => files.extend(self.scrape_udp(url, hashes).await?),
                Scheme::Http | Scheme::Https => files.extend(self.scrape_http(url, hashes).await?),
            }
        }
        Ok(ScrapeResponse { files })
    }

    async fn scrape_udp(
        &self,
        url: &TrackerUrl,
        info_hashes: &[InfoHash],
    ) -> Result<Vec<(InfoHash, ScrapeEntry)>, TrackerError> {
        let query = Query::Scrape(info_hashes.to_vec());
        match self.ask(url, query).await? {
            Answer::Scrape(entries) => Ok(info_hashes.iter().copied().zip(entries).collect()),
            Answer::Announce(_) => Err(DecodeError::Form("answer").into()),
        }
    }

    /// Only what was asked for is taken: some trackers answer with all that they have.
    async fn scrape_http(
        &self,
        url: &TrackerUrl,
        info_hashes: &[InfoHash],
    ) -> Result<Vec<(InfoHash, ScrapeEntry)>, TrackerError> {
        let scrape_url = url.scrape_url().ok_or(TrackerError::NoScrape)?;
        let parameters = http::scrape_query(info_hashes);
        let fetched = self.fetch(url, &scrape_url, &parameters).await?;
        let response = interpret(&fetched, http::decode_scrape)?;
        let known = |hash: &InfoHash| Some((*hash, *response.files.get(hash)?));
        Ok(info_hashes.iter().filter_map(known).collect())
    }

    /// In a box, because an HTTP request's future is large and most of the time there is none.
    async fn fetch(
        &self,
        tracker: &TrackerUrl,
        url: &Url,
        parameters: &str,
    ) -> Result<Fetched, TrackerError> {
        Box::pin(self.http.get(url, parameters, tracker.is_trusted())).await
    }

    async fn ask(&self, url: &TrackerUrl, query: Query) -> Result<Answer, TrackerError> {
        let addresses = reach::resolve(url.host(), url.port(), self.family).await?;
        // Another one each time, so that a dead address among living ones is not the end.
        let remote = addresses.choose(&mut rand::rng()).copied();
        let remote = remote.ok_or_else(|| no_address(url))?;
        self.udp.ask(remote, query).await
    }

    fn check_enabled(&self, url: &TrackerUrl) -> Result<(), TrackerError> {
        self.is_enabled.then_some(()).ok_or_else(|| no_address(url))
    }
}

fn no_address(url: &TrackerUrl) -> TrackerError {
    TrackerError::NoAddress {
        host: url.host().to_owned(),
    }
}

/// Makes the best of an HTTP answer: what a tracker says counts more than the status around it.
fn interpret<T>(
    fetched: &Fetched,
    decode: impl Fn(&[u8]) -> Result<T, TrackerError>,
) -> Result<T, TrackerError> {
    let code = fetched.status.as_u16();
    let is_page = http::is_web_page(&fetched.body);
    match decode(&fetched.body) {
        Ok(response) if fetched.status.is_success() => Ok(response),
        Err(error @ TrackerError::Failure(_)) => Err(error),
        _ if !fetched.status.is_success() => Err(TrackerError::Status {
            code,
            excerpt: http::excerpt(&fetched.body),
            retry_in: retry_after(&fetched.headers).map(|s| RetryIn::After(Duration::from_secs(s))),
        }),
        _ if is_page => Err(TrackerError::WebPage { code }),
        other => other,
    }
}
