//! Keeps the lanes of a kernel busy with messages of any lengths.

use crate::algorithm::{Algorithm, Block, State};
use crate::cursor::Cursor;
use crate::kernel::{Kernel, LaneState, MAX_LANES};

/// The final chaining value of each message.
pub(crate) fn hash_many<'a>(
    algorithm: Algorithm,
    kernel: Option<Kernel>,
    messages: &'a [&'a [&'a [u8]]],
) -> Vec<State> {
    let mut states = vec![algorithm.initial; messages.len()];
    let mut waiting = messages
        .iter()
        .map(|message| Cursor::new(message))
        .enumerate();
    if let Some(kernel) = kernel.filter(|kernel| messages.len() >= kernel.worthwhile) {
        let left = Lanes::new(kernel, algorithm.initial).run(&mut waiting, &mut states);
        for lane in left {
            finish(algorithm, lane, &mut states);
        }
    }
    for lane in waiting {
        finish(algorithm, lane, &mut states);
    }
    states
}

/// Hashes the rest of one message by itself.
fn finish(algorithm: Algorithm, (index, mut cursor): (usize, Cursor<'_>), states: &mut [State]) {
    while cursor.fill() {
        let run = cursor.run();
        let blocks = run.len();
        (algorithm.compress)(&mut states[index], run);
        cursor.advance(blocks);
    }
}

struct Lanes<'a> {
    kernel: Kernel,
    initial: State,
    state: LaneState,
    /// The message in each lane, by its number.
    cursors: Vec<Option<(usize, Cursor<'a>)>>,
}

impl<'a> Lanes<'a> {
    fn new(kernel: Kernel, initial: State) -> Self {
        Self {
            kernel,
            initial,
            state: LaneState::default(),
            cursors: (0..kernel.lanes).map(|_| None).collect(),
        }
    }

    /// Works until so few messages are left that lanes no longer pay; gives those back with their state so far.
    fn run(
        mut self,
        waiting: &mut impl Iterator<Item = (usize, Cursor<'a>)>,
        states: &mut [State],
    ) -> Vec<(usize, Cursor<'a>)> {
        while self.refill(waiting, states) >= self.kernel.worthwhile {
            self.step();
        }
        for lane in 0..self.kernel.lanes {
            if let Some((index, _)) = &self.cursors[lane] {
                states[*index] = self.state.lane(lane);
            }
        }
        self.cursors.into_iter().flatten().collect()
    }

    /// Takes finished messages out and new ones in; says how many lanes have work.
    fn refill(
        &mut self,
        waiting: &mut impl Iterator<Item = (usize, Cursor<'a>)>,
        states: &mut [State],
    ) -> usize {
        let mut busy = 0;
        for lane in 0..self.kernel.lanes {
            if let Some((index, cursor)) = &mut self.cursors[lane] {
                if cursor.fill() {
                    busy += 1;
                    continue;
                }
                states[*index] = self.state.lane(lane);
            }
            self.cursors[lane] = waiting.next();
            if let Some((_, cursor)) = &mut self.cursors[lane] {
                cursor.fill();
                self.state.set_lane(lane, &self.initial);
                busy += 1;
            }
        }
        busy
    }

    /// As many blocks in every lane as the shortest run has. Idle lanes repeat a busy one; their result is not used.
    fn step(&mut self) {
        let runs = || {
            self.cursors
                .iter()
                .flatten()
                .map(|(_, cursor)| cursor.run())
        };
        let blocks = runs().map(<[Block]>::len).min().unwrap_or(0);
        let spare = runs().next().unwrap_or(&[]);
        let mut inputs: [&[Block]; MAX_LANES] = [spare; MAX_LANES];
        for (input, cursor) in inputs.iter_mut().zip(&self.cursors) {
            if let Some((_, cursor)) = cursor {
                *input = cursor.run();
            }
        }
        self.kernel.compress(&mut self.state, &inputs, blocks);
        for (_, cursor) in self.cursors.iter_mut().flatten() {
            cursor.advance(blocks);
        }
    }
}
