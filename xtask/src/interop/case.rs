//! One transfer: who, how, of what.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use headwater_metainfo::{InfoHash, Metainfo};

use super::clients::{Client, ClientKind, Finding, Installed, Job, Program, Role};
use super::content::Content;
use super::items;
use super::namespace;
use super::plan::{Mutability, Plan, Via};
use super::tracker::{Tracker, Trackers};
use crate::interop::process::wait_until;

/// KiB a second of a peer that is to have next to nothing.
const HARDLY: u32 = 4;
/// Added to the number of a case for content that is not the one to be transferred.
const OTHERS: usize = 10_000;
/// KiB a second of one that takes a few seconds.
const MODERATELY: u32 = 1_024;

/// A plan with a number and a folder of its own.
pub(crate) struct Case {
    pub(crate) number: usize,
    pub(crate) plan: Plan,
    pub(crate) info_hash: InfoHash,
    folder: PathBuf,
}

impl Case {
    pub(crate) fn new(number: usize, plan: Plan, parent: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            number,
            plan,
            info_hash: Content::new(plan.shape, number).info_hash()?,
            folder: parent.join(format!("case-{number}")),
        })
    }

    /// Transfers and compares; gives the time from when the second of the two was started to the end.
    pub(crate) fn run(
        &self,
        installed: &Installed,
        trackers: &Trackers,
        timeout: Duration,
    ) -> anyhow::Result<Duration> {
        let deadline = Instant::now() + timeout;
        if let Via::Item(hub, kind) = self.plan.via {
            return self.pass_item(hub, kind, installed, deadline);
        }
        let content = Content::new(self.plan.shape, self.number);
        let (seed, leech) = self.jobs(&content, trackers)?;
        content.write(&seed.data)?;
        let mut pair = match self.plan.via {
            Via::Direct => self.join_directly(seed, leech, installed, deadline)?,
            Via::Exchange(hub) => self.join_over(hub, seed, leech, installed, deadline)?,
            Via::Dht(hub) => self.join_in_dht(hub, seed, leech, installed, deadline)?,
            Via::Item(..) => unreachable!("nothing is transferred"),
            Via::Multicast => self.join_locally(seed, leech, installed, deadline)?,
            Via::Tracker(kind, _) | Via::Magnet(kind, _) => {
                let tracker = trackers.get(kind).context("the tracker is not there")?;
                self.join_through(tracker, seed, leech, installed, deadline)?
            }
        };
        pair.transfer(deadline)?;
        if let Some(finding) = pair.leech.job().finding {
            pair.must_have_found(finding)?;
        }
        let elapsed = pair.joined.elapsed();
        content.compare(&pair.leech.job().data, self.plan.leech)?;
        Ok(elapsed)
    }

    /// What seed and leech are to do, each with a folder of its own.
    fn jobs(&self, content: &Content, trackers: &Trackers) -> anyhow::Result<(Job, Job)> {
        let tracker = self.plan.via.tracker();
        let url = tracker.and_then(|(kind, scheme)| Some(trackers.get(kind)?.url(scheme)));
        let torrent = content.torrent(url)?;
        let mut leech = self.job(Role::Leech, "leech", &torrent)?;
        if let Via::Exchange(_) | Via::Dht(_) | Via::Multicast = self.plan.via {
            // Slow enough that it is still there when somebody looks at its peers.
            leech.max_down = Some(MODERATELY);
        }
        if let Via::Magnet(..) | Via::Dht(_) = self.plan.via {
            leech.link = Some(Metainfo::from_bytes(&torrent)?.magnet().to_string());
        }
        Ok((self.job(Role::Seed, "seed", &torrent)?, leech))
    }

    fn job(&self, role: Role, name: &str, torrent: &[u8]) -> anyhow::Result<Job> {
        let state = self.folder.join(name);
        let data = state.join("data");
        fs::create_dir_all(&data)?;
        fs::write(state.join("x.torrent"), torrent)?;
        let mut job = Job::new(role, state, data, self.plan.shape);
        match self.plan.via {
            Via::Exchange(_) => job.finding = Some(Finding::Pex),
            Via::Dht(_) | Via::Item(..) => job.finding = Some(Finding::Dht),
            Via::Multicast => {
                job.finding = Some(Finding::Lsd);
                job.ip = namespace::ADDRESS.into();
            }
            Via::Direct | Via::Tracker(..) | Via::Magnet(..) => {}
        }
        Ok(job)
    }

    /// Starts a node of the DHT that has nothing to do with the torrent, then the seed, and when that can be found, the leech.
    fn join_in_dht(
        &self,
        hub: ClientKind,
        mut seed: Job,
        mut leech: Job,
        installed: &Installed,
        deadline: Instant,
    ) -> anyhow::Result<Pair> {
        let hub = self.start_node(hub, installed, deadline)?;
        let node = loopback(hub.port());
        (seed.node, leech.node) = (Some(node), Some(node));
        let mut seed = start(seed, self.plan.seed, installed, deadline)?;
        let program = installed.require(Program::Headwater)?;
        let hash = self.info_hash.to_string();
        wait_until("the seed is found", deadline, || {
            seed.must_run()?;
            Ok(items::find(program, node, &hash).is_ok())
        })
        .with_context(|| tail(&seed.output()))?;
        let mut pair = Pair::new(seed, self.plan.leech.start(leech, installed)?);
        pair.hub = Some(hub);
        Ok(pair)
    }

    /// A node of the DHT that seeds something else.
    fn start_node(
        &self,
        kind: ClientKind,
        installed: &Installed,
        deadline: Instant,
    ) -> anyhow::Result<Box<dyn Client>> {
        let content = Content::new(self.plan.shape, OTHERS + self.number);
        let job = self.job(Role::Seed, "hub", &content.torrent(None)?)?;
        content.write(&job.data)?;
        start(job, kind, installed, deadline)
    }

    /// Has one put an item and the other get it.
    fn pass_item(
        &self,
        hub: ClientKind,
        kind: Mutability,
        installed: &Installed,
        deadline: Instant,
    ) -> anyhow::Result<Duration> {
        let hub = self.start_node(hub, installed, deadline)?;
        let began = Instant::now();
        let item = items::Item::new(kind, self.number);
        let node = loopback(hub.port());
        let put = items::put(self.plan.seed, installed, node, &item, hub.job());
        let target = put.with_context(|| tail(&hub.output()))?;
        let got = items::get(self.plan.leech, installed, node, &item, &target);
        let got = got.with_context(|| tail(&hub.output()))?;
        ensure!(got == item.text, "put {:?}, got {got:?}", item.text);
        Ok(began.elapsed())
    }

    /// Starts a leech that hardly gets anything itself, and the two that are told of it.
    fn join_over(
        &self,
        hub: ClientKind,
        mut seed: Job,
        mut leech: Job,
        installed: &Installed,
        deadline: Instant,
    ) -> anyhow::Result<Pair> {
        let torrent = fs::read(seed.torrent())?;
        let mut middle = self.job(Role::Leech, "hub", &torrent)?;
        middle.max_down = Some(HARDLY);
        let middle = start(middle, hub, installed, deadline)?;
        let address = Some(loopback(middle.port()));
        (seed.dial, leech.dial) = (address, address);
        let seed = start(seed, self.plan.seed, installed, deadline)?;
        let leech = self.plan.leech.start(leech, installed)?;
        let mut pair = Pair::new(seed, leech);
        pair.hub = Some(middle);
        Ok(pair)
    }

    /// Starts both, and tells neither of the other.
    fn join_locally(
        &self,
        seed: Job,
        leech: Job,
        installed: &Installed,
        deadline: Instant,
    ) -> anyhow::Result<Pair> {
        let seed = start(seed, self.plan.seed, installed, deadline)?;
        Ok(Pair::new(seed, self.plan.leech.start(leech, installed)?))
    }

    /// Starts the one that listens, and once it does, the one that dials it.
    fn join_directly(
        &self,
        mut seed: Job,
        mut leech: Job,
        installed: &Installed,
        deadline: Instant,
    ) -> anyhow::Result<Pair> {
        let (seeder, leecher) = (self.plan.seed, self.plan.leech);
        if leecher.can_dial() {
            let seed = start(seed, seeder, installed, deadline)?;
            leech.dial = Some(loopback(seed.port()));
            Ok(Pair::new(seed, leecher.start(leech, installed)?))
        } else {
            let leech = start(leech, leecher, installed, deadline)?;
            seed.dial = Some(loopback(leech.port()));
            Ok(Pair::new(seeder.start(seed, installed)?, leech))
        }
    }

    /// Starts the one that only accepts, if there is one, else the seed; and once the tracker knows it, the other, which
    /// then dials it.
    fn join_through(
        &self,
        tracker: &Tracker,
        seed: Job,
        leech: Job,
        installed: &Installed,
        deadline: Instant,
    ) -> anyhow::Result<Pair> {
        let (seeder, leecher) = (self.plan.seed, self.plan.leech);
        let announced = |client: &mut dyn Client| {
            let known = wait_until("the tracker knows the first", deadline, || {
                client.must_run()?;
                tracker.knows(client.job().role, self.info_hash)
            });
            known.with_context(|| tail(&client.output()))
        };
        if leecher.dials_announced() {
            let mut seed = start(seed, seeder, installed, deadline)?;
            announced(&mut *seed)?;
            Ok(Pair::new(seed, leecher.start(leech, installed)?))
        } else {
            let mut leech = start(leech, leecher, installed, deadline)?;
            announced(&mut *leech)?;
            Ok(Pair::new(seeder.start(seed, installed)?, leech))
        }
    }
}

/// Both sides, on their way to each other.
struct Pair {
    seed: Box<dyn Client>,
    leech: Box<dyn Client>,
    /// Whom both are told of, where there is one.
    hub: Option<Box<dyn Client>>,
    joined: Instant,
}

impl Pair {
    fn new(seed: Box<dyn Client>, leech: Box<dyn Client>) -> Self {
        Self {
            seed,
            leech,
            hub: None,
            joined: Instant::now(),
        }
    }

    /// Either has dialled the other, and knew of it in this way.
    fn must_have_found(&self, finding: Finding) -> anyhow::Result<()> {
        let has_found = self.seed.has_found(finding) || self.leech.has_found(finding);
        ensure!(
            has_found,
            "they met otherwise than through {}",
            finding.word()
        );
        Ok(())
    }

    /// Waits until the leech is done.
    fn transfer(&mut self, deadline: Instant) -> anyhow::Result<()> {
        let done = wait_until("the leech is done", deadline, || {
            self.seed.must_run().context("the seed")?;
            self.leech.is_done()
        });
        done.with_context(|| {
            let [leech, seed] = [&self.leech, &self.seed].map(|client| tail(&client.output()));
            format!("leech:\n    {leech}\nseed:\n    {seed}\nwhy")
        })
    }
}

/// Starts a client and waits until it accepts peers.
fn start(
    job: Job,
    kind: ClientKind,
    installed: &Installed,
    deadline: Instant,
) -> anyhow::Result<Box<dyn Client>> {
    let mut client = kind.start(job, installed)?;
    let what = format!("{kind} is ready");
    wait_until(&what, deadline, || client.is_ready()).with_context(|| tail(&client.output()))?;
    Ok(client)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n    ")
}
