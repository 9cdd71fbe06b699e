//! Peers that do not play by the rules: an honest brain whose words are changed on the way out.

use headwater_wire::Message;

use crate::packet::Packet;

/// How a peer treats others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// By the rules.
    #[default]
    Honest,
    /// Downloads and never uploads: nobody is ever unchoked.
    FreeRider,
    /// Says that it has everything from the start.
    Liar,
    /// Unchokes, and then sends nothing.
    Staller,
    /// Spoils so many of a thousand blocks that it sends.
    Corrupt(u16),
    /// Chokes and unchokes everybody in turn, twice a second.
    ChokeCycle,
    /// Cancels every request at once.
    Canceller,
    /// Says nothing after the handshake.
    Mute,
}

/// What becomes of a message on its way out.
#[derive(Debug)]
pub(crate) enum Altered {
    /// It goes out as it is.
    Kept(Packet),
    /// It does not go out.
    Dropped,
    /// Another one follows it.
    Followed(Packet, Packet),
}

impl Behaviour {
    /// What it does with a message of its brain.
    pub(crate) fn alter(self, packet: Packet) -> Altered {
        match (self, packet) {
            (Self::Mute, _) | (Self::Liar, Packet::Have(_)) => Altered::Dropped,
            (Self::FreeRider, Packet::Other(message)) => match *message {
                Message::Unchoke | Message::AllowedFast(_) => Altered::Dropped,
                _ => Altered::Kept(Packet::Other(message)),
            },
            (Self::Liar, Packet::Other(message)) => match *message {
                Message::HaveNone | Message::Bitfield(_) => {
                    Altered::Kept(Packet::Other(Box::new(Message::HaveAll)))
                }
                _ => Altered::Kept(Packet::Other(message)),
            },
            (Self::Canceller, Packet::Request(span)) => {
                Altered::Followed(Packet::Request(span), Packet::Cancel(span))
            }
            (_, packet) => Altered::Kept(packet),
        }
    }

    /// Whether it fills requests at all.
    pub(crate) const fn serves(self) -> bool {
        !matches!(self, Self::Staller | Self::Mute)
    }

    /// Whether a block that it sends is spoilt; `draw` is a random number.
    pub(crate) const fn spoils(self, draw: u32) -> bool {
        match self {
            Self::Corrupt(per_mille) => draw % 1_000 < per_mille as u32,
            _ => false,
        }
    }
}
