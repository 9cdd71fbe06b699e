//! Downloads between sessions on loopback.
#![allow(missing_docs)]

mod common;

use common::{Sample, address, seed, session, soon};
use headwater_session::{Detail, State};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_comes_whole() {
    let sample = Sample::single(1_000_003, 65_536);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;

    let leecher = session().await;
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .peers([address(&seeder)])
        .await
        .unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();

    sample.assert_same(target.path());
    assert!(torrent.is_complete() && torrent.is_seed());
    assert_eq!(torrent.left(), 0);
    assert_eq!(torrent.downloaded(), 1_000_003);
    assert_eq!(torrent.state(), State::Active);
    assert!(matches!(torrent.detail(), Detail::Seeding));
    soon("the end of the seed", seeder.shutdown()).await;
    assert_eq!(seeded.uploaded(), 1_000_003);
    soon("the end of the leech", leecher.shutdown()).await;
}
