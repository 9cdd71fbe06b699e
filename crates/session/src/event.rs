//! What happens to a torrent, as a stream that loses nothing.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use headwater_metainfo::{FileIndex, PieceIndex};
use headwater_store::ResumeError;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{State, TorrentError};

/// Something that happened to a torrent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// It is known now what a torrent from a magnet link holds, and where that is on disk.
    MetadataReceived,
    /// A piece is on disk and its hash is right, be it downloaded or found by a check.
    PiecePassed(PieceIndex),
    /// A piece was downloaded or checked, and is wrong or missing.
    PieceFailed(PieceIndex),
    /// Every piece of a file is there, and the file has its final length and attributes.
    FileCompleted(FileIndex),
    /// All that is wanted is on disk and verified.
    Completed,
    /// A hash check came to its end, the one at the start included.
    Checked {
        /// Pieces that are right.
        passed: u32,
        /// Pieces that are wrong or missing.
        failed: u32,
    },
    /// Resume data is there and cannot be used: it is damaged, or of another torrent. What is on disk is checked instead.
    ResumeRefused(Arc<ResumeError>),
    /// By the resume data, these files are not as they were. Their pieces are checked, and no others.
    FilesChanged {
        /// Which.
        files: Arc<[FileIndex]>,
        /// Pieces to check; files that are gone or too short have none.
        pieces: u32,
    },
    /// All files are below this directory now.
    Moved(PathBuf),
    /// A file lies elsewhere now.
    Renamed {
        /// Which.
        file: FileIndex,
        /// Where it is now; absolute.
        path: PathBuf,
    },
    /// The torrent is in this state now, and done with what that takes.
    StateChanged(State),
    /// A tracker answered.
    TrackerAnswered {
        /// Its URL.
        url: String,
        /// Peers that it named.
        peers: usize,
    },
    /// A tracker did not answer, or refused.
    TrackerFailed {
        /// Its URL.
        url: String,
        /// Why.
        error: String,
    },
    /// The disk failed; the torrent is as good as paused until it is started again.
    Failed(TorrentError),
    /// The torrent was removed or its session shut down. Nothing comes after this.
    Closed,
}

/// Every [`Event`] of a torrent since the subscription, in order.
///
/// It never slows the torrent down and never skips anything: what has not been read waits, some 50 bytes an event.
/// Only what the torrent itself does makes events, nothing that a peer can bring about at will. Drop it when nobody reads it.
///
/// The stream ends after [`Event::Closed`].
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// The next event; `None` after the last one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(context)
    }
}

type PieceCallback = Box<dyn Fn(PieceIndex) + Send + Sync>;

/// Called with the index of a piece.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) on_hash_pass: Option<PieceCallback>,
    pub(crate) on_hash_fail: Option<PieceCallback>,
}

/// Everybody who is told of a torrent's events.
#[derive(Default)]
pub(crate) struct Listeners {
    callbacks: Callbacks,
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    senders: Vec<mpsc::UnboundedSender<Event>>,
    is_closed: bool,
}

impl Listeners {
    pub(crate) fn new(callbacks: Callbacks) -> Self {
        Self {
            callbacks,
            streams: Mutex::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut streams = self.streams.lock();
        if streams.is_closed {
            let _ = sender.send(Event::Closed);
        } else {
            streams.senders.push(sender);
        }
        Events(receiver)
    }

    pub(crate) fn tell(&self, event: &Event) {
        let callback = match event {
            Event::PiecePassed(piece) => self.callbacks.on_hash_pass.as_ref().zip(Some(piece)),
            Event::PieceFailed(piece) => self.callbacks.on_hash_fail.as_ref().zip(Some(piece)),
            _ => None,
        };
        if let Some((callback, &piece)) = callback {
            callback(piece);
        }
        let mut streams = self.streams.lock();
        streams
            .senders
            .retain(|sender| sender.send(event.clone()).is_ok());
    }

    /// Tells that nothing more comes.
    pub(crate) fn close(&self) {
        let mut streams = self.streams.lock();
        streams.is_closed = true;
        for sender in streams.senders.drain(..) {
            let _ = sender.send(Event::Closed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_however_late_it_is_read() {
        let listeners = Listeners::default();
        let mut events = listeners.subscribe();
        for piece in 0..10_000 {
            listeners.tell(&Event::PiecePassed(PieceIndex(piece)));
        }
        listeners.close();
        for piece in 0..10_000 {
            let event = events.next().await;
            assert!(matches!(event, Some(Event::PiecePassed(PieceIndex(got))) if got == piece));
        }
        assert!(matches!(events.next().await, Some(Event::Closed)));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn a_late_subscriber_hears_that_it_is_over() {
        let listeners = Listeners::default();
        listeners.close();
        let mut events = listeners.subscribe();
        assert!(matches!(events.next().await, Some(Event::Closed)));
        assert!(events.next().await.is_none());
    }
}
