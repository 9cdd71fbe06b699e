use super::clients::{ClientKind, Job, Role};
use super::content::{Content, Shape};
use super::plan::{Via, matrix};
use super::tracker::{Scheme, TrackerKind};

#[test]
fn every_client_meets_headwater_in_both_roles_and_every_way() {
    let plans = matrix(false);
    let trackers = [TrackerKind::Opentracker, TrackerKind::Headwater];
    let ways = trackers
        .into_iter()
        .flat_map(|kind| [Scheme::Http, Scheme::Udp].map(|scheme| Via::Tracker(kind, scheme)));
    let magnets = [
        Via::Magnet(TrackerKind::Headwater, Scheme::Http),
        Via::Magnet(TrackerKind::Opentracker, Scheme::Udp),
    ];
    for via in ways.chain([Via::Direct]).chain(magnets) {
        for foreign in ClientKind::FOREIGN {
            for (seed, leech) in [
                (foreign, ClientKind::Headwater),
                (ClientKind::Headwater, foreign),
            ] {
                let is_planned = plans
                    .iter()
                    .any(|plan| (plan.seed, plan.leech, plan.via) == (seed, leech, via));
                assert!(is_planned, "{seed} -> {leech}, {via}");
            }
        }
    }
    for shape in [
        Shape::Single,
        Shape::SingleRagged,
        Shape::Multi,
        Shape::MultiRagged,
        Shape::MultiSkip,
    ] {
        assert!(plans.iter().any(|plan| plan.shape == shape), "{shape}");
    }
}

#[test]
fn a_difference_is_found() {
    let content = Content::new(Shape::MultiSkip, 1);
    let folder = tempfile::tempdir().unwrap();
    content.write(folder.path()).unwrap();
    let compare = || content.compare(folder.path(), ClientKind::Headwater);
    assert!(compare().is_err(), "the skipped file is there");
    let file = |name: &str| folder.path().join("content-1").join(name);
    std::fs::remove_file(file("b.bin")).unwrap();
    compare().unwrap();

    let mut data = std::fs::read(file("c.bin")).unwrap();
    let whole = data.clone();
    *data.last_mut().unwrap() ^= 1;
    std::fs::write(file("c.bin"), &data).unwrap();
    assert!(compare().is_err(), "a byte differs");
    std::fs::write(file("c.bin"), &whole[1..]).unwrap();
    assert!(compare().is_err(), "a byte is missing");
    std::fs::remove_file(file("c.bin")).unwrap();
    assert!(compare().is_err(), "a file is missing");
}

#[test]
fn the_info_hash_is_the_same_with_a_tracker() {
    let content = Content::new(Shape::MultiRagged, 1);
    let torrent = content
        .torrent(Some("http://127.0.0.1:1/announce".to_owned()))
        .unwrap();
    let metainfo = headwater_metainfo::Metainfo::from_bytes(&torrent).unwrap();
    assert_eq!(
        metainfo.info_hashes().primary(),
        content.info_hash().unwrap()
    );
    assert_ne!(
        Content::new(Shape::MultiRagged, 2).info_hash().unwrap(),
        content.info_hash().unwrap()
    );
}

#[test]
fn only_a_leech_skips() {
    let job = |role, shape| Job::new(role, "s".into(), "d".into(), shape);
    assert_eq!(
        job(Role::Leech, Shape::MultiSkip).wanted().as_deref(),
        Some("1,3")
    );
    assert_eq!(job(Role::Seed, Shape::MultiSkip).wanted(), None);
    assert_eq!(job(Role::Leech, Shape::Multi).wanted(), None);
}
