use headwater_metainfo::PieceGeometry;
use headwater_sim::*;
use std::time::{Duration, Instant};

fn arg<T: std::str::FromStr>(n: usize, default: T) -> T {
    std::env::args()
        .nth(n)
        .and_then(|a| a.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let (peers, pieces, len, factor, rngs, kind): (usize, u64, u64, f64, u64, String) = (
        arg(1, 100),
        arg(2, 1000),
        arg(3, 65536),
        arg(4, 1.0),
        arg(5, 1),
        arg(6, "equal".into()),
    );
    let up = Rate::kib(arg(7, 1024));
    let mut ratios = Vec::new();
    for rng in 0..rngs {
        let down = up.times(8.0);
        let mut nodes = vec![NodeSpec::seed(up.times(factor), down.times(factor))];
        nodes.extend((0..peers).map(|i| {
            let mut n = NodeSpec::leech(up, down);
            if kind == "mixed" {
                let f = [0.25, 1.0, 4.0][i % 3];
                n.up = up.times(f);
                n.down = down.times(f);
            }
            n
        }));
        for (i, n) in nodes.iter_mut().enumerate() {
            n.arrives = Time(i as u64 * 1_000_000_000 / (peers as u64 + 1));
            n.limits.max_peers = arg(8, 50);
        }
        let geometry = PieceGeometry::new(pieces * len, len).unwrap();
        let mut spec = SwarmSpec::new(geometry, nodes, rng);
        spec.resolution = Duration::from_millis(
            std::env::var("RES")
                .ok()
                .and_then(|v| v.parse().ok())
                .unwrap_or(1),
        );
        spec.limit = fluid_bound(&spec) * 6 + Duration::from_secs(60);
        let wall = Instant::now();
        let o = spec.run();
        let mut done: Vec<f64> = o
            .peers
            .iter()
            .filter_map(|p| p.elapsed())
            .map(|d| d.as_secs_f64())
            .collect();
        done.sort_by(f64::total_cmp);
        println!(
            "rng {rng}: last {:.1} first {:.1} median {:.1} bound {:.1} ratio {:.3} copies {:.2} share {:.3} wasted {:.4} stuck {} packets {} wall {:.2}",
            o.last().as_secs_f64(),
            done.first().unwrap_or(&0.0),
            done.get(done.len() / 2).unwrap_or(&0.0),
            o.bound().as_secs_f64(),
            o.ratio(),
            o.seed_copies(),
            o.seed_share(),
            o.wasted_bytes() as f64 / (peers as u64 * pieces * len) as f64,
            o.stuck().len(),
            o.packets,
            wall.elapsed().as_secs_f64()
        );
        if std::env::var_os("SENT").is_some() {
            let capacity = up.0 as f64 * (peers as f64 + factor);
            let line: Vec<String> = o
                .sent
                .iter()
                .map(|b| format!("{:.0}", *b as f64 * 100.0 / capacity))
                .collect();
            println!("{}", line.join(" "));
        }
        ratios.push(o.ratio());
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "median {:.3} ({:.3}-{:.3})",
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1]
    );
}
