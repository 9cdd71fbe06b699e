//! All scenarios.

use super::{Parameters, Scenario, build, checks};

const PLAIN: Scenario = Scenario {
    name: "",
    about: "",
    adapt: as_it_is,
    build: build::equal,
    most: 1.15,
    fares: checks::nothing_more,
    check: checks::nothing_more,
};

fn as_it_is(_: &mut Parameters) {}

/// Half as many peers and a quarter of the pieces: enough where it is not speed that is looked at.
fn smaller(parameters: &mut Parameters) {
    parameters.peers = 50;
    parameters.pieces = 250;
    parameters.piece_length = 256 * 1024;
}

/// Every scenario, in the order in which they are shown.
pub static ALL: [Scenario; 26] = [
    Scenario {
        name: "equal",
        about: "one seed and leeches, all with the same capacity",
        ..PLAIN
    },
    Scenario {
        name: "fast-seed",
        about: "the same with a seed that is four times as fast",
        build: build::fast_seed,
        ..PLAIN
    },
    Scenario {
        name: "mixed",
        about: "a third of the leeches has a quarter of the capacity, a third four times as much",
        build: build::mixed,
        most: 1.25,
        ..PLAIN
    },
    Scenario {
        name: "flash-crowd",
        about: "nine of ten leeches come in the same instant",
        build: build::flash_crowd,
        most: 1.3,
        ..PLAIN
    },
    Scenario {
        name: "churn",
        about: "leeches come one by one and leave when they are done, one in five half-way",
        adapt: smaller,
        build: build::churn,
        most: 2.0,
        ..PLAIN
    },
    Scenario {
        name: "seed-leaves",
        about: "the seed leaves as soon as one copy is out",
        build: build::seed_leaves,
        most: 1.3,
        ..PLAIN
    },
    Scenario {
        name: "super-seeding",
        about: "a seed that is four times as fast names each piece once, and leaves when one copy is out",
        build: build::super_seeding,
        most: 1.3,
        fares: checks::one_copy_is_enough,
        ..PLAIN
    },
    Scenario {
        name: "rare-pieces",
        about: "everybody lacks the same twentieth of the pieces",
        build: build::rare_pieces,
        most: 3.5,
        ..PLAIN
    },
    Scenario {
        name: "last-pieces",
        about: "everybody lacks a few pieces, each one others",
        build: build::last_pieces,
        most: 4.0,
        ..PLAIN
    },
    Scenario {
        name: "free-riders",
        about: "one leech in ten never uploads; the seed is four times as fast",
        adapt: smaller,
        build: build::free_riders,
        most: 2.0,
        fares: checks::free_riders_wait,
        ..PLAIN
    },
    Scenario {
        name: "liars",
        about: "one leech in ten says that it has everything",
        adapt: smaller,
        build: build::liars,
        most: 1.8,
        ..PLAIN
    },
    Scenario {
        name: "stallers",
        about: "one leech in ten unchokes and then sends nothing",
        adapt: smaller,
        build: build::stallers,
        most: 1.7,
        ..PLAIN
    },
    Scenario {
        name: "corrupt",
        about: "one peer sends nothing but spoilt blocks",
        adapt: smaller,
        build: build::corrupt,
        most: 1.4,
        check: checks::only_the_corrupt_is_banned,
        ..PLAIN
    },
    Scenario {
        name: "sly",
        about: "one peer spoils a block in twenty",
        adapt: smaller,
        build: build::sly,
        most: 1.4,
        check: checks::only_the_corrupt_is_banned,
        ..PLAIN
    },
    Scenario {
        name: "choke-cycles",
        about: "one leech in ten chokes and unchokes everybody twice a second",
        adapt: smaller,
        build: build::choke_cycles,
        most: 1.6,
        ..PLAIN
    },
    Scenario {
        name: "cancellers",
        about: "one leech in ten cancels everything that it asks for",
        adapt: smaller,
        build: build::cancellers,
        most: 1.6,
        ..PLAIN
    },
    Scenario {
        name: "mutes",
        about: "one leech in ten never says anything",
        adapt: smaller,
        build: build::mutes,
        most: 1.6,
        ..PLAIN
    },
    Scenario {
        name: "nat",
        about: "half of the leeches accept no connections",
        build: build::nat,
        most: 1.6,
        ..PLAIN
    },
    Scenario {
        name: "pex",
        about: "everybody hears of one other, once, and finds the rest through peer exchange",
        adapt: smaller,
        build: build::pex,
        most: 1.5,
        ..PLAIN
    },
    Scenario {
        name: "far-away",
        about: "fast links that are 300 ms long, there and back",
        adapt: |parameters| {
            smaller(parameters);
            parameters.up = parameters.up.times(4.0);
            parameters.down = parameters.down.times(4.0);
            parameters.pieces = 1_000;
        },
        build: build::far_away,
        most: 1.4,
        ..PLAIN
    },
    Scenario {
        name: "tiny-pieces",
        about: "pieces of a single block",
        adapt: |parameters| {
            parameters.piece_length = 16 * 1024;
            parameters.pieces = 2_000;
            parameters.up = parameters.up.times(0.25);
            parameters.down = parameters.down.times(0.25);
        },
        most: 1.3,
        ..PLAIN
    },
    Scenario {
        name: "huge-pieces",
        about: "pieces of 4 MiB",
        adapt: |parameters| {
            smaller(parameters);
            parameters.piece_length = 4 * 1024 * 1024;
            parameters.pieces = 64;
        },
        most: 1.75,
        ..PLAIN
    },
    Scenario {
        name: "partial-seeds",
        about: "half of the leeches want half of the pieces",
        adapt: smaller,
        build: build::partial_seeds,
        most: 1.3,
        ..PLAIN
    },
    Scenario {
        name: "restarts",
        about: "one leech in five stops half-way and comes back with what it has",
        adapt: smaller,
        build: build::restarts,
        most: 1.5,
        ..PLAIN
    },
    Scenario {
        name: "streaming",
        about: "two leeches play what they download of others that have half",
        adapt: smaller,
        build: build::streaming,
        most: 1.4,
        fares: checks::playback_is_smooth,
        ..PLAIN
    },
    Scenario {
        name: "bad-disks",
        about: "every other leech has a slow disk with errors",
        adapt: smaller,
        build: build::bad_disks,
        most: 1.6,
        ..PLAIN
    },
];
