use std::collections::HashSet;
use std::path::{Component, Path};

use headwater_metainfo::{Info, Magnet, Metainfo, Platform, SafePath};

/// A torrent that loads has safe paths that differ, spans that tile it, and an info part that loads alone.
pub fn metainfo(data: &[u8]) {
    let Ok(metainfo) = Metainfo::from_bytes(data) else {
        return;
    };
    let info = metainfo.info();
    let alone = Info::from_bytes(info.raw()).expect("the info part loads alone");
    assert_eq!(alone.info_hashes(), info.info_hashes());
    names_differ(info);
    let geometry = info.geometry();
    for piece in geometry.pieces().take(100) {
        let size = u64::from(geometry.piece_size(piece));
        let spans = info.layout().spans(geometry.piece_start(piece), size);
        assert_eq!(spans.map(|span| span.length).sum::<u64>(), size);
        assert!(info.piece_hash(piece).is_some());
    }
    let magnet = metainfo.magnet();
    assert_eq!(magnet.info_hashes, info.info_hashes());
    let written = Metainfo::from_bytes(&metainfo.to_bytes()).expect("what is written can be read");
    assert_eq!(written.info_hashes(), info.info_hashes());
    assert_eq!(written.trackers(), metainfo.trackers());
}

/// Every file that is written has a name of its own, on file systems too that fold case, and lies in no other file.
fn names_differ(info: &Info) {
    let (mut files, mut folders) = (HashSet::new(), HashSet::new());
    for (_, file) in info.layout().iter() {
        stays_inside(file.path());
        if file.is_pad() {
            continue;
        }
        let path = file.path().as_str().to_lowercase();
        for (slash, _) in path.match_indices('/') {
            folders.insert(path[..slash].to_owned());
        }
        assert!(files.insert(path), "{} twice", file.path().as_str());
    }
    let both = files.intersection(&folders).next();
    assert_eq!(both, None, "a file and a folder");
}

/// A magnet link that parses is printed as one that parses to the same.
pub fn magnet(data: &[u8]) {
    let Some(Ok(magnet)) = std::str::from_utf8(data).ok().map(str::parse::<Magnet>) else {
        return;
    };
    let printed = magnet.to_string();
    assert_eq!(printed.parse::<Magnet>().as_ref(), Ok(&magnet), "{printed}");
}

/// Components of any kind become a path below the base directory, on every platform, and stay as they are the second time.
pub fn paths(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for platform in [Platform::HOST, Platform::Unix, Platform::Windows] {
        let path = SafePath::for_platform(text.split('\n'), platform);
        stays_inside(&path);
        let again = SafePath::for_platform(path.components(), platform);
        assert_eq!(again, path);
    }
}

fn stays_inside(path: &SafePath) {
    assert!(!path.as_str().is_empty());
    assert!(path.as_str().len() <= SafePath::MAX_BYTES);
    let joined = path.under(Path::new("base"));
    let mut components = joined.components();
    assert_eq!(components.next(), Some(Component::Normal("base".as_ref())));
    assert!(
        components.all(|component| matches!(component, Component::Normal(_))),
        "{}",
        joined.display()
    );
}
