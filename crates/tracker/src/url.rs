//! Announce URLs.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Longer announce URLs are refused.
const MAX_URL_LENGTH: usize = 2048;

/// Why a text is no tracker's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerUrlError {
    /// Not a URL.
    #[error("not a URL: {0}")]
    Syntax(#[from] url::ParseError),
    /// Neither http, https nor udp.
    #[error("unsupported scheme `{0}`: http, https and udp are known")]
    Scheme(String),
    /// No host.
    #[error("the URL names no host")]
    Host,
    /// UDP has no default port.
    #[error("a udp tracker's URL needs a port")]
    Port,
    /// Longer than 2,048 bytes.
    #[error("the URL is longer than {MAX_URL_LENGTH} bytes")]
    TooLong,
}

/// How a tracker is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// BEP 15.
    Udp,
}

/// A tracker's announce URL.
///
/// A URL that was parsed is taken to come from a torrent, and torrents come from strangers: the
/// URL's own query is not sent to a loopback or private address, so that no torrent can press buttons on
/// the machines behind this one's firewall. [`trusted`](Self::trusted) marks a URL that the user
/// gave, which has no such limit.
///
/// ```
/// use headwater_tracker::{Scheme, TrackerUrl};
///
/// let url: TrackerUrl = "udp://tracker.example.org:6969/announce".parse()?;
/// assert_eq!(url.scheme(), Scheme::Udp);
/// assert_eq!((url.host(), url.port()), ("tracker.example.org", 6969));
/// assert!("wss://tracker.example.org".parse::<TrackerUrl>().is_err());
/// # Ok::<(), headwater_tracker::TrackerUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackerUrl {
    url: Url,
    scheme: Scheme,
    port: u16,
    trusted: bool,
}

impl TrackerUrl {
    /// Marks the URL as given by the user, not by a torrent.
    pub fn trusted(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// Whether the URL was given by the user.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// How the tracker is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host's name, or its address without brackets.
    pub fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, given or implied.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL with everything in it. It may hold a passkey, so it is not for logs.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Scheme, host and port, without path and query, where passkeys are: for logs.
    pub fn origin(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{}://{host}:{}", self.url.scheme(), self.port)
    }

    /// Whether a scrape URL can be derived: always over UDP, over HTTP when the path's last segment
    /// begins with `announce` (BEP 48).
    ///
    /// ```
    /// use headwater_tracker::TrackerUrl;
    ///
    /// assert!("http://t.example/x/announce.php".parse::<TrackerUrl>()?.can_scrape());
    /// assert!(!"http://t.example/announce/x".parse::<TrackerUrl>()?.can_scrape());
    /// # Ok::<(), headwater_tracker::TrackerUrlError>(())
    /// ```
    pub fn can_scrape(&self) -> bool {
        self.scheme == Scheme::Udp || self.scrape_url().is_some()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The HTTP scrape URL.
    pub(crate) fn scrape_url(&self) -> Option<Url> {
        let (folder, name) = self.url.path().rsplit_once('/')?;
        let rest = name.strip_prefix("announce")?;
        let mut url = self.url.clone();
        url.set_path(&format!("{folder}/scrape{rest}"));
        Some(url)
    }

    /// Path and query as BEP 41 sends them; empty when the URL has neither.
    pub(crate) fn path_and_query(&self) -> String {
        match (self.url.path(), self.url.query()) {
            ("" | "/", None) => String::new(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        }
    }
}

impl FromStr for TrackerUrl {
    type Err = TrackerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_URL_LENGTH {
            return Err(TrackerUrlError::TooLong);
        }
        let mut url = Url::parse(text.trim())?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "udp" => Scheme::Udp,
            other => return Err(TrackerUrlError::Scheme(other.to_owned())),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(TrackerUrlError::Host);
        }
        let port = url.port_or_known_default().ok_or(TrackerUrlError::Port)?;
        if port == 0 {
            return Err(TrackerUrlError::Port);
        }
        url.set_fragment(None);
        Ok(Self {
            url: canonical_host(url),
            scheme,
            port,
            trusted: false,
        })
    }
}

/// The URL standard lowers the case of a web URL's host, but not of a udp one's.
fn canonical_host(mut url: Url) -> Url {
    if let Some(Host::Domain(name)) = url.host() {
        let name = name.to_ascii_lowercase();
        // A name that cannot be set back stays as it was; resolving it will fail and say so.
        let _ = url.set_host(Some(&name));
    }
    url
}

impl fmt::Display for TrackerUrl {
    /// The URL with everything in it, a passkey included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TrackerUrl {
    /// Without path and query, because passkeys are there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackerUrl({})", self.origin())
    }
}
