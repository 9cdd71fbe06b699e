//! What holds whatever is done in whatever order.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Succeed(usize),
    Fail(usize, Option<u64>),
    Refuse(usize),
    Start,
    Stop,
    Completed,
    Reannounce,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..4000).prop_map(Step::Wait),
        4 => (0_usize..8).prop_map(Step::Succeed),
        4 => (0_usize..8, proptest::option::of(0_u64..200)).prop_map(|(at, wait)| Step::Fail(at, wait)),
        1 => (0_usize..8).prop_map(Step::Refuse),
        1 => Just(Step::Start),
        1 => Just(Step::Stop),
        1 => Just(Step::Completed),
        1 => Just(Step::Reannounce),
    ]
}

/// What the trackers remember.
#[derive(Default)]
struct Model {
    open: Vec<Announce>,
    started: HashSet<String>,
    /// Acknowledgements of `completed` since the last start.
    completed: HashMap<String, u32>,
    is_running: bool,
    happened: bool,
}

impl Model {
    fn check(&mut self, announce: &Announce) {
        let tracker = host(announce).to_owned();
        match announce.event {
            AnnounceEvent::Started => assert!(!self.started.contains(&tracker), "started again"),
            AnnounceEvent::Stopped => {
                assert!(!self.is_running, "stopped while running");
                assert!(self.started.contains(&tracker), "stopped without started");
            }
            AnnounceEvent::Completed => {
                assert!(self.happened, "completed never happened");
                assert!(self.started.contains(&tracker), "completed without started");
                assert!(!self.completed.contains_key(&tracker), "completed again");
            }
            _ => assert!(self.started.contains(&tracker), "regular without started"),
        }
        if announce.event != AnnounceEvent::Stopped {
            assert!(self.is_running);
        }
    }

    fn acknowledge(&mut self, announce: &Announce) {
        let tracker = host(announce).to_owned();
        match announce.event {
            AnnounceEvent::Started => drop(self.started.insert(tracker)),
            AnnounceEvent::Stopped => drop(self.started.remove(&tracker)),
            AnnounceEvent::Completed => *self.completed.entry(tracker).or_default() += 1,
            _ => {}
        }
    }
}

fn apply(bench: &mut Bench, model: &mut Model, step: &Step) {
    let taken = |model: &mut Model, at: usize| {
        (!model.open.is_empty()).then(|| model.open.remove(at % model.open.len()))
    };
    match *step {
        Step::Wait(seconds) => bench.wait(Duration::from_secs(seconds)),
        Step::Succeed(at) => {
            if let Some(announce) = taken(model, at) {
                model.acknowledge(&announce);
                bench.succeed(&announce);
            }
        }
        Step::Fail(at, wait) => {
            if let Some(announce) = taken(model, at) {
                let wait = wait.map(|minutes| RetryIn::After(Duration::from_secs(60 * minutes)));
                bench.fail_with(&announce, &refusal(wait));
            }
        }
        Step::Refuse(at) => {
            if let Some(announce) = taken(model, at) {
                bench.fail_with(&announce, &refusal(Some(RetryIn::Never)));
            }
        }
        Step::Start if !model.is_running => {
            bench.announcer.start(bench.now);
            *model = Model {
                is_running: true,
                ..Model::default()
            };
        }
        Step::Stop if model.is_running => {
            bench.announcer.stop(bench.now);
            model.is_running = false;
            // As the driver is told to: what is under way is dropped.
            model.open.clear();
        }
        Step::Completed if model.is_running && !model.happened => {
            bench.announcer.completed(bench.now);
            model.happened = true;
        }
        Step::Reannounce => bench.announcer.reannounce(bench.now),
        Step::Start | Step::Stop | Step::Completed => {}
    }
}

proptest! {
    #[test]
    fn trackers_hear_a_story_that_makes_sense(
        steps in prop::collection::vec(step(), 1..120),
        all_tiers: bool,
    ) {
        let options = AnnouncerOptions { all_tiers, ..AnnouncerOptions::default() };
        let mut bench = Bench::with(&[&["a", "b", "c"], &["d"], &["e", "f"]], options);
        let mut model = Model { is_running: true, ..Model::default() };
        for step in &steps {
            apply(&mut bench, &mut model, step);
            let due = bench.due();
            for announce in due {
                model.check(&announce);
                model.open.push(announce);
            }
            if model.is_running {
                let open: HashSet<_> = model.open.iter().map(|announce| announce.id).collect();
                prop_assert!(open.len() <= 3, "more than one in a tier");
            }
            // A timer that is due without anything to do would be a busy loop.
            if let Some(at) = bench.announcer.poll_timeout() {
                prop_assert!(at > bench.now);
                let before = bench.now;
                bench.now = at;
                let due = bench.due();
                prop_assert!(!due.is_empty(), "woken for nothing");
                for announce in due {
                    model.check(&announce);
                    model.open.push(announce);
                }
                prop_assert!(bench.now >= before);
            }
        }
    }
}
