//! Whose turn it is in a tick.
//!
//! A large swarm's time goes into waiting for memory: hundreds of megabytes, of which each event touches a few lines anywhere.

use arrayvec::ArrayVec;

use super::{Event, Simulation};

/// Events whose memory is fetched together.
const LOOKAHEAD: usize = 32;

impl Simulation {
    /// Handles the events of a tick, one node's after the other's.
    pub(super) fn live_through(&mut self, events: &mut [(u32, Event)], order: &[(u32, usize)]) {
        let (mut at, mut looked) = (0, 0);
        for turn in order.chunk_by(|(one, _), (other, _)| one == other) {
            if at >= looked {
                looked = order.len().min(at + LOOKAHEAD);
                self.look_ahead(events, &order[at..looked]);
            }
            for &(node, at) in turn {
                let (_, event) = std::mem::replace(&mut events[at], (node, Event::Done));
                self.handle(node, event);
            }
            self.drain(turn[0].0);
            at += turn.len();
        }
    }

    /// Looks at what some events will need. The processor fetches it for several of them at a time, where each would have waited for
    /// its own.
    fn look_ahead(&self, events: &[(u32, Event)], order: &[(u32, usize)]) {
        let about = |&(node, at): &(u32, usize)| match &events[at].1 {
            Event::Arrived(end, packet) | Event::Received(end, packet) => {
                let torrent = self.nodes[node as usize].torrent.as_ref()?;
                Some((torrent, self.key_of(*end)?, packet.piece()?))
            }
            _ => None,
        };
        // Short loops have more under way at a time than long ones.
        let about: ArrayVec<_, LOOKAHEAD> = order.iter().filter_map(about).collect();
        let copies = about
            .iter()
            .map(|(torrent, _, piece)| torrent.availability(*piece));
        std::hint::black_box(copies.max());
        let had = about
            .iter()
            .filter(|(torrent, key, piece)| torrent.peer_has(*key, *piece));
        std::hint::black_box(had.count());
    }
}
