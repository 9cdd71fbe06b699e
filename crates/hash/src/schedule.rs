//! Keeps the lanes of kernels busy with messages of any lengths.

use crate::algorithm::{Block, Hash, State};
use crate::cursor::Cursor;
use crate::kernel::{Kernel, LaneState, MAX_LANES};

/// A message on its way.
pub(crate) struct Job<'a> {
    /// Its number.
    pub(crate) index: usize,
    /// The chaining value that it has come to.
    pub(crate) state: State,
    /// What is left of it.
    pub(crate) cursor: Cursor<'a>,
}

/// Works off `jobs`, each kernel for as long as enough of them are left for it, widest first. `done` gets each one's number and
/// final chaining value.
pub(crate) fn run<'a, H: Hash>(
    kernels: &[Kernel],
    mut jobs: impl Iterator<Item = Job<'a>>,
    mut done: impl FnMut(usize, &State),
) {
    // A kernel gives back what it has begun only when no more come.
    let mut begun = Vec::new();
    for kernel in kernels {
        let mut next = begun.into_iter().chain(&mut jobs);
        begun = Lanes::new(*kernel).run(&mut next, &mut done);
    }
    for job in begun.into_iter().chain(jobs) {
        finish::<H>(job, &mut done);
    }
}

/// Hashes the rest of one message by itself.
fn finish<H: Hash>(mut job: Job<'_>, done: &mut impl FnMut(usize, &State)) {
    while job.cursor.fill() {
        let run = job.cursor.run();
        let blocks = run.len();
        H::compress(&mut job.state, run);
        job.cursor.advance(blocks);
    }
    done(job.index, &job.state);
}

struct Lanes<'a> {
    kernel: Kernel,
    state: LaneState,
    /// The message in each lane; its state is in `state` meanwhile.
    jobs: [Option<Job<'a>>; MAX_LANES],
}

impl<'a> Lanes<'a> {
    fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            state: LaneState::default(),
            jobs: [const { None }; MAX_LANES],
        }
    }

    /// Works until so few messages are left that the lanes no longer pay; gives those back.
    fn run(
        mut self,
        waiting: &mut impl Iterator<Item = Job<'a>>,
        done: &mut impl FnMut(usize, &State),
    ) -> Vec<Job<'a>> {
        while self.refill(waiting, done) >= self.kernel.worthwhile {
            self.step();
        }
        let state = &self.state;
        let begun = self.jobs.into_iter().enumerate();
        begun
            .filter_map(|(lane, job)| {
                let state = state.lane(lane);
                job.map(|job| Job { state, ..job })
            })
            .collect()
    }

    /// Takes finished messages out and new ones in; says how many lanes have work.
    fn refill(
        &mut self,
        waiting: &mut impl Iterator<Item = Job<'a>>,
        done: &mut impl FnMut(usize, &State),
    ) -> usize {
        let mut busy = 0;
        for (lane, slot) in self.jobs[..self.kernel.lanes].iter_mut().enumerate() {
            if let Some(job) = slot {
                if job.cursor.fill() {
                    busy += 1;
                    continue;
                }
                done(job.index, &self.state.lane(lane));
            }
            *slot = next_with_work(waiting, done);
            if let Some(job) = slot {
                self.state.set_lane(lane, &job.state);
                busy += 1;
            }
        }
        busy
    }

    /// As many blocks in every lane as the shortest run has. Idle lanes repeat a busy one; their result is not used.
    fn step(&mut self) {
        let runs = || self.jobs.iter().flatten().map(|job| job.cursor.run());
        let blocks = runs().map(<[Block]>::len).min().unwrap_or(0);
        let spare = runs().next().unwrap_or(&[]);
        let mut inputs: [&[Block]; MAX_LANES] = [spare; MAX_LANES];
        for (input, job) in inputs.iter_mut().zip(&self.jobs) {
            if let Some(job) = job {
                *input = job.cursor.run();
            }
        }
        self.kernel.compress(&mut self.state, &inputs, blocks);
        for job in self.jobs.iter_mut().flatten() {
            job.cursor.advance(blocks);
        }
    }
}

/// One that has nothing left is done at once.
fn next_with_work<'a>(
    waiting: &mut impl Iterator<Item = Job<'a>>,
    done: &mut impl FnMut(usize, &State),
) -> Option<Job<'a>> {
    loop {
        let mut job = waiting.next()?;
        if job.cursor.fill() {
            return Some(job);
        }
        done(job.index, &job.state);
    }
}
