//! What a torrent is added from.

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use headwater_metainfo::{InfoHash, InfoHashes, MAX_TORRENT_SIZE, Magnet, Metainfo, MetainfoError};

use crate::{AddError, fetch};

/// What a torrent is added from. See [`Session::add`](crate::Session::add).
///
/// A `&str` or `String` is a magnet link if it starts with `magnet:`, a URL if it starts with `http://` or `https://`, and a path
/// otherwise. An [`InfoHash`] is as good as a magnet link with nothing else in it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Source {
    /// A torrent file.
    Path(PathBuf),
    /// The bytes of a torrent file.
    Bytes(Vec<u8>),
    /// A torrent that has been read already.
    Metainfo(Box<Metainfo>),
    /// A torrent file at an `http` or `https` address.
    Url(String),
    /// A magnet link: what the torrent holds is fetched from its peers (BEP 9).
    Magnet(Box<Magnet>),
    /// A magnet link that has not been parsed.
    MagnetLink(String),
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Metainfo> for Source {
    fn from(metainfo: Metainfo) -> Self {
        Self::Metainfo(Box::new(metainfo))
    }
}

impl From<Magnet> for Source {
    fn from(magnet: Magnet) -> Self {
        Self::Magnet(Box::new(magnet))
    }
}

impl From<InfoHash> for Source {
    fn from(info_hash: InfoHash) -> Self {
        Magnet::new(InfoHashes::v1_only(info_hash)).into()
    }
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        let starts_with = |scheme: &str| {
            let head = text.get(..scheme.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        };
        if starts_with("magnet:") {
            Self::MagnetLink(text.to_owned())
        } else if starts_with("http://") || starts_with("https://") {
            Self::Url(text.to_owned())
        } else {
            Self::Path(text.into())
        }
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl Source {
    /// Gets and parses the torrent: what [`Session::add`](crate::Session::add) does first. For programs that want to look at a
    /// torrent, or to choose files, before they add it.
    ///
    /// Reads at most [`MAX_TORRENT_SIZE`] bytes, and over the network for at most half a minute. A magnet link has nothing to load:
    /// that is [`AddError::NoMetadata`].
    pub async fn load(self) -> Result<Metainfo, AddError> {
        self.load_from(&[]).await
    }

    /// Whether somebody else made it up, and not the user.
    pub(crate) const fn is_from_elsewhere(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Magnet(_) | Self::MagnetLink(_))
    }

    /// The magnet link that it is, if it is one; itself otherwise.
    pub(crate) fn into_magnet(self) -> Result<Result<Box<Magnet>, Self>, AddError> {
        Ok(match self {
            Self::Magnet(magnet) => Ok(magnet),
            Self::MagnetLink(link) => Ok(Box::new(link.parse()?)),
            other => Err(other),
        })
    }

    /// Like [`load`](Self::load), from the `bind` addresses of this machine if there are any.
    pub(crate) async fn load_from(self, bind: &[IpAddr]) -> Result<Metainfo, AddError> {
        match self {
            Self::Metainfo(metainfo) => Ok(*metainfo),
            Self::Bytes(bytes) => Ok(parse(bytes).await?),
            Self::Path(path) => {
                let bytes = blocking(move || read(&path)).await?;
                Ok(parse(bytes).await?)
            }
            Self::Magnet(_) | Self::MagnetLink(_) => Err(AddError::NoMetadata),
            Self::Url(url) => match fetch::torrent(&url, bind).await {
                Ok(bytes) => Ok(parse(bytes).await?),
                Err(error) => Err(AddError::Fetch { url, error }),
            },
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AddError> {
    read_bounded(path).map_err(|error| AddError::Read {
        path: path.to_owned(),
        error,
    })
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed shows that there is more.
    file.take(MAX_TORRENT_SIZE as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn parse(bytes: Vec<u8>) -> Result<Metainfo, MetainfoError> {
    blocking(move || Metainfo::from_bytes(&bytes)).await
}

/// Does what may take a while off the reactor.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
