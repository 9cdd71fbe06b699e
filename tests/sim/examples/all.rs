use headwater_sim::scenario;
fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    for s in &scenario::ALL {
        if !only.is_empty() && !only.contains(&s.name.to_string()) {
            continue;
        }
        let wall = std::time::Instant::now();
        let spec = s.spec(&s.defaults());
        let o = spec.clone().run();
        if std::env::var_os("SENT").is_some() {
            let mut spec = spec.clone();
            spec.nodes.iter_mut().for_each(|_| ());
            let capacity: f64 = spec
                .nodes
                .iter()
                .filter(|n| n.contributes())
                .map(|n| n.up.0 as f64)
                .sum();
            let line: Vec<String> = o
                .sent
                .iter()
                .map(|b| format!("{:.0}", *b as f64 * 100.0 / capacity))
                .collect();
            println!("{}", line.join(" "));
        }
        let sum =
            |f: fn(&headwater_sim::PeerOutcome) -> u64| o.peers.iter().map(f).sum::<u64>() >> 20;
        print!(
            "dup {} bad {} unreq {} | ",
            sum(|p| p.stats.wasted_duplicate),
            sum(|p| p.stats.wasted_failed),
            sum(|p| p.stats.wasted_unrequested)
        );
        if std::env::var_os("PEERS").is_some() {
            for (i, (p, n)) in o.peers.iter().zip(&spec.nodes).enumerate() {
                println!(
                    "{i:3} up {:5} done {:6.1} uploaded {:5} MiB down {:5} dup {:4} MiB",
                    n.up.0 >> 10,
                    p.elapsed().unwrap_or_default().as_secs_f64(),
                    p.stats.uploaded >> 20,
                    p.stats.downloaded >> 20,
                    p.stats.wasted_duplicate >> 20
                );
            }
        }
        println!(
            "{:14} last {:7.1} bound {:7.1} ratio {:.3} copies {:.2} wasted {:9} wall {:.1} {:?}",
            s.name,
            o.last().as_secs_f64(),
            o.bound().as_secs_f64(),
            o.ratio(),
            o.seed_copies(),
            o.wasted_bytes(),
            wall.elapsed().as_secs_f64(),
            s.complaints(&spec, &o)
        );
    }
}
