use headwater_sim::scenario;
fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    for s in &scenario::ALL {
        if !only.is_empty() && !only.contains(&s.name.to_string()) { continue; }
        let wall = std::time::Instant::now();
        let spec = s.spec(&s.defaults());
        let o = spec.clone().run();
        println!("{:14} last {:7.1} bound {:7.1} ratio {:.3} copies {:.2} wasted {:9} wall {:.1} {:?}", s.name, o.last().as_secs_f64(), o.bound().as_secs_f64(), o.ratio(), o.seed_copies(), o.wasted_bytes(), wall.elapsed().as_secs_f64(), s.complaints(&spec, &o));
    }
}
