use headwater_sim::scenario;
fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    for s in &scenario::ALL {
        if !only.is_empty() && !only.contains(&s.name.to_string()) {
            continue;
        }
        let wall = std::time::Instant::now();
        let mut spec = s.spec(&s.defaults());
        if let Ok(n) = std::env::var("RNG") { let mut p = s.defaults(); p.rng = n.parse().unwrap(); spec = s.spec(&p); }
        if let Ok(way) = std::env::var("WAY") {
            for n in &mut spec.nodes { if let Some(r) = &mut n.reader { r.order = match way.as_str() { "none" => headwater_sim::ReadingOrder::Unknown, "seq" => headwater_sim::ReadingOrder::Sequential, _ => headwater_sim::ReadingOrder::Deadlines }; } }
        }
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
        println!(
            "{:14} last {:7.1} bound {:7.1} ratio {:.3} copies {:.2} wasted {:9} wall {:.1} {:?}",
            s.name,
            o.last().as_secs_f64(),
            o.bound().as_secs_f64(),
            o.ratio(),
            o.seed_copies(),
            o.wasted_bytes(),
            wall.elapsed().as_secs_f64(),
            (s.complaints(&spec, &o), o.peers.iter().filter_map(|p| p.playback).collect::<Vec<_>>(), o.peers.iter().map(|p| p.most_spoilt).max())
        );
    }
}
