//! Telling of trackers, no more often than something changes.

use std::collections::HashMap;

use headwater_tracker::TrackerUrl;

use crate::output::{Event, Output};

/// Whether each tracker answered last time.
#[derive(Debug, Default)]
pub(super) struct Trackers(HashMap<String, bool>);

impl Trackers {
    pub(super) fn failed(&mut self, output: &Output, url: &str, message: String) {
        if self.0.insert(url.to_owned(), false) != Some(false) {
            let tracker = &origin(url);
            output.warning(format_args!("tracker {tracker}: {message}"));
            output.event(&Event::TrackerError { tracker, message });
        }
    }

    pub(super) fn answered(&mut self, output: &Output, url: &str, peers: usize) {
        if self.0.insert(url.to_owned(), true) != Some(true) {
            let tracker = &origin(url);
            let peers = peers as u64;
            output.event(&Event::Tracker { tracker, peers });
        }
    }
}

/// A tracker's path may hold a passkey, so it is left out.
fn origin(url: &str) -> String {
    match url.parse::<TrackerUrl>() {
        Ok(url) => url.origin(),
        Err(_) => "with an unusable URL".to_owned(),
    }
}
