//! Downloads a torrent and leaves: `download TORRENT DIR [PEER...]`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::time::{Duration, Instant};

use headwater_session::Session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: download TORRENT DIR [PEER...]";
    let source = arguments.next().ok_or(usage)?;
    let dir = arguments.next().ok_or(usage)?;
    let peers: Vec<_> = arguments
        .map(|peer| peer.parse())
        .collect::<Result<_, _>>()?;

    let session = Session::builder().port(0).start().await?;
    let start = Instant::now();
    let torrent = session.add(source).dir(dir).peers(peers).await?;
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            outcome = torrent.wait_complete() => break outcome?,
            _ = every_second.tick() => {
                let stats = torrent.stats();
                let (done, wanted, rate) = (stats.done(), stats.wanted, stats.download_rate);
                println!("{}: {done} of {wanted} bytes, {rate} a second, {} peers", stats.detail, stats.peers);
            }
        }
    }
    println!("complete after {:?}", start.elapsed());
    session.shutdown().await;
    Ok(())
}
