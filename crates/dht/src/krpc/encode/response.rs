//! Writing responses.

use std::net::SocketAddr;

use arrayvec::ArrayVec;
use headwater_bencode::DictEncoder;
use headwater_metainfo::compact::{pack_v4, pack_v6};

use crate::Contact;
use crate::krpc::compact::pack_contact;
use crate::krpc::{MAX_NODES, MAX_SAMPLES, Response, Samples};

/// Writes everything but nodes and peers for which there is no room before `end`.
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
    let nodes_end = end.saturating_sub(behind_nodes(response));
    let (v4, v6) = (
        pack_contact::<6, 26>(pack_v4),
        pack_contact::<18, 38>(pack_v6),
    );
    nodes("nodes", &response.nodes, v4, nodes_end, out);
    nodes("nodes6", &response.nodes6, v6, nodes_end, out);
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

/// Bytes that the fields between the nodes and the values take at most.
fn behind_nodes(response: &Response) -> usize {
    let int = "i-9223372036854775808e".len();
    let samples = response.samples.as_ref().map_or(0, |samples| {
        "3:num7:samples2560:".len() + int + 20 * samples.hashes.len().min(MAX_SAMPLES)
    });
    let seq = response.seq.map_or(0, |_| "3:seq".len() + int);
    let signature = response.signature.map_or(0, |_| "3:sig64:".len() + 64);
    let token = response.token.as_ref();
    let token = token.map_or(0, |token| "5:token64:".len() + token.as_bytes().len());
    let value = response.value.as_ref();
    let value = value.map_or(0, |value| "1:v".len() + value.as_bytes().len());
    samples + seq + signature + token + value
}

/// Those of the family that fit before `end`, if there are any.
fn nodes<const M: usize>(
    key: &str,
    nodes: &[Contact],
    pack: impl Fn(&Contact) -> Option<[u8; M]>,
    end: usize,
    out: &mut DictEncoder<'_>,
) {
    let start = out.written() + "6:nodes61216:".len();
    let fitting = MAX_NODES.min(end.saturating_sub(start) / M);
    let packed = nodes.iter().filter_map(pack).take(fitting);
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
