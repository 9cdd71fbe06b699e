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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> TrackerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn ports_are_implied_for_http_only() {
        assert_eq!(parse("http://t.example/announce").port(), 80);
        assert_eq!(parse("https://t.example/announce").port(), 443);
        let error = "udp://t.example/announce".parse::<TrackerUrl>();
        assert_eq!(error, Err(TrackerUrlError::Port));
    }

    #[test]
    fn hosts_lose_brackets_and_capitals() {
        assert_eq!(parse("udp://[2001:db8::1]:80").host(), "2001:db8::1");
        assert_eq!(parse("http://[::1]:80/announce").host(), "::1");
        assert_eq!(parse("UDP://Tracker.Example:80").host(), "tracker.example");
        assert_eq!(parse(" http://t.example/a \n").host(), "t.example");
    }

    #[test]
    fn what_is_no_tracker_is_refused() {
        for text in [
            "",
            "t.example",
            "ws://t.example",
            "http://",
            "file:///x",
            "udp://:80",
            "udp://t:0",
        ] {
            assert!(text.parse::<TrackerUrl>().is_err(), "{text}");
        }
        let long = format!("http://t.example/{}", "x".repeat(MAX_URL_LENGTH));
        assert_eq!(long.parse::<TrackerUrl>(), Err(TrackerUrlError::TooLong));
    }

    #[test]
    fn logs_show_no_passkey() {
        let url = parse("https://me:secret@t.example:1/key123/announce?passkey=123");
        assert_eq!(format!("{url:?}"), "TrackerUrl(https://t.example:1)");
        assert_eq!(url.origin(), "https://t.example:1");
    }

    #[test]
    fn a_scrape_url_is_derived_as_in_bep_48() {
        let scrape = |text| parse(text).scrape_url().map(String::from);
        let derived = |text: &str| Some(text.to_owned());
        assert_eq!(
            scrape("http://t.example/announce"),
            derived("http://t.example/scrape")
        );
        assert_eq!(
            scrape("http://t.example/x/announce?k=1"),
            derived("http://t.example/x/scrape?k=1")
        );
        assert_eq!(
            scrape("http://t.example/announce.php"),
            derived("http://t.example/scrape.php")
        );
        assert_eq!(scrape("http://t.example/announce/x"), None);
        assert_eq!(scrape("http://t.example/a?announce"), None);
        assert_eq!(scrape("http://t.example"), None);
    }

    #[test]
    fn url_data_is_path_and_query() {
        assert_eq!(
            parse("udp://t.example:80/dir?a=b&c=d").path_and_query(),
            "/dir?a=b&c=d"
        );
        assert_eq!(parse("udp://t.example:80").path_and_query(), "");
        assert_eq!(parse("udp://t.example:80/?a").path_and_query(), "/?a");
    }
}
