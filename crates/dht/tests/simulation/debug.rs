use super::*;
#[test]
fn debug() {
    let mut world = network(3, 300, all_honest, false);
    let now = world.now();
    let mut sum = 0;
    for peer in &world.peers {
        let stats = peer.dht.stats(now);
        sum += stats.families.v4.good;
        if peer.address.port() == 6881 && sum % 7 == 0 { println!("{stats:?}"); }
    }
    println!("mean good {}", sum / world.peers.len());
    for number in 0..20 {
        let index = world.honest();
        let id = world.tell(index, |dht, now| dht.announce(now, torrent(number), announce()));
        let (stats, events) = outcome(&mut world, index, id.unwrap());
        let target = headwater_dht::NodeId(torrent(number).0);
        let mut all: Vec<_> = world.peers.iter().map(|p| (target.distance(&p.dht.id(headwater_dht::Family::V4).unwrap()), p.address)).collect();
        all.sort();
        let find = world.honest();
        let id = world.tell(find, |dht, now| dht.find_node(now, target));
        let (stats2, events2) = outcome(&mut world, find, id.unwrap());
        for event in events2 { if let Event::Nodes { nodes, .. } = event {
            let ranks: Vec<_> = nodes.iter().map(|n| all.iter().position(|a| a.1 == n.address).unwrap()).collect();
            println!("{number}: stored {} {stats:?} ranks {ranks:?} {stats2:?}", stats.stored);
        }}
        println!("{:?}", events);
    }
}
