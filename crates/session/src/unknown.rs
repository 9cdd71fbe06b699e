//! What stands for a torrent's content as long as its metadata is not there.

use std::sync::{Arc, LazyLock};

use headwater_metainfo::Info;

/// An empty file without a piece: nothing to check, to write or to want.
const EMPTY: &[u8] = b"d6:lengthi0e4:name1:-12:piece lengthi16384e6:pieces0:e";

static INFO: LazyLock<Arc<Info>> =
    LazyLock::new(|| Arc::new(Info::from_bytes(EMPTY).expect("it is well-formed")));

/// The same for every torrent.
pub(crate) fn info() -> &'static Arc<Info> {
    &INFO
}
