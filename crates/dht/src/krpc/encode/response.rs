//! Writing responses.

use std::net::SocketAddr;

use arrayvec::ArrayVec;
use headwater_bencode::DictEncoder;

use crate::Contact;
use crate::krpc::compact::{pack_contact, pack_v4, pack_v6};
use crate::krpc::{MAX_NODES, MAX_SAMPLES, Response, Samples};

/// Writes everything but what is called values; of those, what fits before `end`.
pub(super) fn answer(response: &Response, end: usize, out: &mut DictEncoder<'_>) {
    if let Some(scrape) = &response.scrape {
        out.key("BFpe").bytes(scrape.peers.0);
        out.key("BFsd").bytes(scrape.seeds.0);
    }
    out.key("id").bytes(response.id.0);
    if let Some(samples) = &response.samples {
        out.key("interval").int(samples.interval);
    }
    if let Some(key) = response.key {
        out.key("k").bytes(key.0);
    }
    nodes(
        "nodes",
        &response.nodes,
        pack_contact::<6, 26>(pack_v4),
        out,
    );
    nodes(
        "nodes6",
        &response.nodes6,
        pack_contact::<18, 38>(pack_v6),
        out,
    );
    if let Some(samples) = &response.samples {
        sample(samples, out);
    }
    if let Some(seq) = response.seq {
        out.key("seq").int(seq);
    }
    if let Some(signature) = response.signature {
        out.key("sig").bytes(signature.0);
    }
    if let Some(token) = &response.token {
        out.key("token").bytes(token);
    }
    if let Some(value) = &response.value {
        out.key("v").raw(value.as_bytes());
    }
    values(&response.values, end, out);
}

/// Those of the family, if there are any.
fn nodes<const M: usize>(
    key: &str,
    nodes: &[Contact],
    pack: impl Fn(&Contact) -> Option<[u8; M]>,
    out: &mut DictEncoder<'_>,
) {
    let packed = nodes.iter().filter_map(pack).take(MAX_NODES);
    let packed: ArrayVec<[u8; M], MAX_NODES> = packed.collect();
    if !packed.is_empty() {
        out.key(key).bytes(packed.as_flattened());
    }
}

fn sample(samples: &Samples, out: &mut DictEncoder<'_>) {
    let packed = samples.hashes.iter().map(|hash| hash.0).take(MAX_SAMPLES);
    let packed: ArrayVec<[u8; 20], MAX_SAMPLES> = packed.collect();
    out.key("num").int(samples.total);
    out.key("samples").bytes(packed.as_flattened());
}

fn values(values: &[SocketAddr], end: usize, out: &mut DictEncoder<'_>) {
    let taken = out.written() + "6:valuesle".len();
    let mut room = end.saturating_sub(taken);
    let fitting = values.iter().take_while(|value| {
        let length = if value.is_ipv4() {
            "6:".len() + 6
        } else {
            "18:".len() + 18
        };
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    });
    let mut fitting = fitting.peekable();
    if fitting.peek().is_none() {
        return;
    }
    out.key("values").list(|list| {
        for &value in fitting {
            if let Some(packed) = pack_v4(value) {
                list.item().bytes(packed);
            } else if let Some(packed) = pack_v6(value) {
                list.item().bytes(packed);
            }
        }
    });
}
