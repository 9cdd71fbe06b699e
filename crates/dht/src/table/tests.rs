use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::entry::GOOD_FOR;
use super::*;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::from_seed([5; 32])
}

fn random_id(rng: &mut ChaCha8Rng) -> NodeId {
    NodeId(rng.random())
}

/// A node of its own range.
fn node(id: NodeId, number: u32) -> Contact {
    let [a, b, c, _] = (number << 8).to_be_bytes();
    let address = ([20 + a, b, c, 1], 6881).into();
    Contact { id, address }
}

/// A table that `count` random nodes want to get into.
fn crowded(now: Instant, count: u32, restricted: bool) -> Table {
    let mut rng = rng();
    let mut table = Table::new(random_id(&mut rng), restricted);
    for number in 0..count {
        table.answered(now, node(random_id(&mut rng), number), true);
    }
    table
}

fn nearest(table: &Table, target: NodeId) -> Vec<Contact> {
    let mut nearest = Nearest::to(target);
    table.nearest(&mut nearest, |_| true);
    nearest.iter().copied().collect()
}

fn depth_is_right(table: &Table) -> bool {
    let own = table.own;
    let last = table.buckets.len() - 1;
    table.buckets.iter().enumerate().all(|(depth, bucket)| {
        let mut depths = bucket
            .live
            .iter()
            .map(|entry| own.common_prefix(&entry.contact.id) as usize);
        depths.all(|of_node| of_node == depth || depth == last && of_node > depth)
    })
}

#[test]
fn buckets_split_where_we_are_and_stay_within_bounds() {
    let now = Instant::now();
    let table = crowded(now, 20_000, true);
    assert!(depth_is_right(&table));
    for (depth, bucket) in table.buckets.iter().enumerate() {
        assert!(bucket.live.len() <= width(depth), "bucket {depth}");
    }
    let full = table.buckets[..8].iter().enumerate();
    assert!(
        full.into_iter()
            .all(|(depth, bucket)| bucket.live.len() == width(depth))
    );
    assert!(
        (11..16).contains(&table.buckets.len()),
        "{}",
        table.buckets.len()
    );
}

#[test]
fn the_nearest_are_those_that_a_search_through_all_finds() {
    let now = Instant::now();
    let mut rng = rng();
    for count in [0, 1, 5, 100, 500, 5_000] {
        let table = crowded(now, count, true);
        for near in 0..200 {
            let mut target = random_id(&mut rng);
            // Some of them near to us, to any degree.
            for byte in 0..near / 10 {
                target.0[byte] = table.own.0[byte];
            }
            let mut all: Vec<_> = table.entries().map(|entry| entry.contact).collect();
            all.sort_by_key(|contact| target.distance(&contact.id));
            all.truncate(K);
            assert_eq!(nearest(&table, target), all);
        }
    }
}

#[test]
fn one_range_cannot_fill_the_table() {
    let now = Instant::now();
    let mut rng = rng();
    let mut table = crowded(now, 200, true);
    let before = table.entries().count();
    for host in 0..=255 {
        for port in 1..20 {
            let address = ([203, 0, 113, host], port).into();
            let id = random_id(&mut rng);
            table.answered(now, Contact { id, address }, true);
        }
    }
    assert_eq!(table.entries().count(), before + 4);

    let mut open = Table::new(random_id(&mut rng), false);
    for port in 1..=100 {
        let address = ([127, 0, 0, 1], port).into();
        let id = random_id(&mut rng);
        open.answered(now, Contact { id, address }, true);
    }
    assert_eq!(open.entries().count(), 100);
}

#[test]
fn nodes_that_do_not_answer_make_room() {
    let start = Instant::now();
    let mut table = crowded(start, 20_000, true);
    let mut rng = rng();
    let victim = table.buckets[0].live[3].contact;
    let newcomer = || {
        let mut id = victim.id;
        id.0[19] ^= 0xff;
        node(id, 1 << 20)
    };
    table.answered(start, newcomer(), true);
    assert!(nearest(&table, newcomer().id)[0] != newcomer());

    // Whoever found no place gets one when another fails twice.
    table.failed(start, &victim);
    assert!(table.entries().any(|entry| entry.contact == victim));
    table.failed(start, &victim);
    assert!(table.entries().all(|entry| entry.contact != victim));
    assert!(table.entries().any(|entry| entry.contact == newcomer()));

    // Those without somebody in reserve stay for a while, so that an outage of ours does not empty the table.
    let mut small = Table::new(random_id(&mut rng), true);
    small.answered(start, victim, true);
    for _ in 0..5 {
        small.failed(start, &victim);
    }
    let counts = small.counts(start);
    assert_eq!((counts.good, counts.bad), (0, 1));
    small.answered(start, victim, true);
    assert_eq!(small.counts(start).good, 1);
    for _ in 0..8 {
        small.failed(start, &victim);
    }
    assert_eq!(small.entries().count(), 0);
}

#[test]
fn those_whose_id_goes_with_their_address_come_first() {
    let now = Instant::now();
    let mut rng = rng();
    let mut table = Table::new(NodeId([0; 20]), true);
    let far = |rng: &mut ChaCha8Rng| {
        let mut id = random_id(rng);
        id.0[0] |= 0x80;
        id
    };
    for number in 0..10 {
        // Some near us, so that the far ones have a bucket of their own.
        let mut near = random_id(&mut rng);
        near.0[0] &= 0x7f;
        table.answered(now, node(near, 1000 + number), true);
    }
    for number in 0..300 {
        table.answered(now, node(far(&mut rng), number), false);
    }
    for number in 300..400 {
        table.answered(now, node(far(&mut rng), number), true);
    }
    let verified = table.entries().filter(|entry| entry.verified).count();
    assert_eq!(verified, 110);
    assert_eq!(table.entries().count(), width(0) + 10);
}

#[test]
fn a_node_has_one_id_and_an_id_one_node() {
    let now = Instant::now();
    let mut rng = rng();
    let mut table = Table::new(random_id(&mut rng), true);
    let first = node(random_id(&mut rng), 1);
    table.answered(now, first, true);
    let thief = Contact {
        id: first.id,
        ..node(first.id, 2)
    };
    table.answered(now, thief, true);
    assert!(table.entries().all(|entry| entry.contact == first));
    let renamed = Contact {
        id: random_id(&mut rng),
        ..first
    };
    table.answered(now, renamed, true);
    assert!(table.entries().all(|entry| entry.contact == renamed));
}

#[test]
fn silent_nodes_are_asked_in_their_turn() {
    let start = Instant::now();
    let mut table = crowded(start, 50, true);
    let minute = Duration::from_mins(1);
    assert_eq!(table.take_ping(start + 11 * minute), None);
    let now = start + 13 * minute;
    let mut asked = std::collections::BTreeSet::new();
    while let Some(contact) = table.take_ping(now) {
        assert!(asked.insert(contact.address));
    }
    assert_eq!(asked.len(), 50);

    // Who asks us something counts as heard, but not once it failed to answer.
    let entries: Vec<_> = table.entries().map(|entry| entry.contact).collect();
    table.failed(now, &entries[0]);
    for contact in &entries[..2] {
        assert!(table.asked_us(now, contact));
    }
    let later = now + GOOD_FOR;
    assert_eq!(table.counts(later).good, 1);
    assert_eq!(table.counts(later).questionable, 49);
}

#[test]
fn buckets_at_rest_are_refreshed_in_their_range() {
    let start = Instant::now();
    let mut table = crowded(start, 20_000, true);
    let mut rng = rng();
    // At first all of them, for nobody has searched them yet.
    for now in [start, start + REFRESH_AFTER] {
        for depth in 0..table.buckets.len() - 1 {
            let target = table.take_refresh(now, &mut rng).unwrap();
            assert_eq!(table.own.common_prefix(&target) as usize, depth);
        }
        assert_eq!(table.take_refresh(now, &mut rng), Some(table.own));
        assert_eq!(table.take_refresh(now, &mut rng), None);
    }
}

#[test]
fn seen_from_elsewhere_the_nodes_are_the_same() {
    let now = Instant::now();
    let table = crowded(now, 100, true);
    let other = table.seen_from(now, NodeId([0x5a; 20]));
    assert!(depth_is_right(&other));
    assert_eq!(other.entries().count(), table.entries().count());
}
