//! Keeping to the number of descriptors that the system allows the process.

use headwater_store::PoolOptions;

/// Descriptors for everything that is neither a peer nor a file of a torrent: the runtime, listeners, trackers, logs, resume
/// data, part files, and files that a thread still uses though the pool has let go of them.
const OTHERS: usize = 48;

/// How many connections and open files a session may have, all together within what the system allows: what does not
/// fit is cut, with a line in the log.
pub(super) fn fit(connections: usize, files: PoolOptions) -> (usize, PoolOptions) {
    let Some(allowed) = allowed() else {
        return (connections, files);
    };
    let (fitting, max_open_files) = share(allowed, connections, files.max_open_files);
    if (fitting, max_open_files) != (connections, files.max_open_files) {
        tracing::info!(
            "the system allows {allowed} descriptors: {fitting} connections and {max_open_files} open files at most"
        );
    }
    let files = PoolOptions {
        max_open_files,
        ..files
    };
    (fitting, files)
}

/// Files get what they ask for up to half of what there is, connections the rest.
fn share(allowed: usize, connections: usize, files: usize) -> (usize, usize) {
    let free = allowed.saturating_sub(OTHERS).max(2);
    let files = files.min(free / 2);
    (connections.min(free - files), files)
}

/// The soft limit of the process; `None` if there is none.
#[cfg(unix)]
fn allowed() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    usize::try_from(limit.current?).ok()
}

/// Sockets and files have no common limit here.
#[cfg(not(unix))]
fn allowed() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_is_shared() {
        assert_eq!(share(1024, 500, 128), (500, 128));
        assert_eq!(share(256, 500, 128), (104, 104));
        assert_eq!(share(256, 20, 128), (20, 104));
        assert_eq!(share(256, 500, 10), (198, 10));
        // However little there is, something is tried.
        assert_eq!(share(0, 500, 128), (1, 1));
    }
}
