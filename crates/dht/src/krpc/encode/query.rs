//! Writing queries.

use headwater_bencode::DictEncoder;

use crate::item::{Item, MutableItem};
use crate::krpc::{Query, QueryKind, Want};

pub(super) fn method(kind: &QueryKind) -> &[u8] {
    match kind {
        QueryKind::Ping => b"ping",
        QueryKind::FindNode { .. } => b"find_node",
        QueryKind::GetPeers { .. } => b"get_peers",
        QueryKind::AnnouncePeer { .. } => b"announce_peer",
        QueryKind::Get { .. } => b"get",
        QueryKind::Put(_) => b"put",
        QueryKind::SampleInfohashes { .. } => b"sample_infohashes",
        QueryKind::Unknown { method, .. } => method.as_bytes(),
    }
}

pub(super) fn arguments(query: &Query, out: &mut DictEncoder<'_>) {
    if let QueryKind::Put(put) = &query.kind
        && let (Item::Mutable(_), Some(cas)) = (&put.item, put.cas)
    {
        out.key("cas").int(cas);
    }
    out.key("id").bytes(query.id.0);
    own_arguments(&query.kind, out);
    want(query.want, out);
}

fn own_arguments(kind: &QueryKind, out: &mut DictEncoder<'_>) {
    match kind {
        QueryKind::Ping => {}
        QueryKind::FindNode { target }
        | QueryKind::SampleInfohashes { target }
        | QueryKind::Unknown { target, .. } => out.key("target").bytes(target.0),
        QueryKind::GetPeers {
            info_hash,
            noseed,
            scrape,
        } => {
            out.key("info_hash").bytes(info_hash.0);
            flag("noseed", *noseed, out);
            flag("scrape", *scrape, out);
        }
        QueryKind::AnnouncePeer {
            info_hash,
            port,
            implied_port,
            token,
            seed,
        } => {
            flag("implied_port", *implied_port, out);
            out.key("info_hash").bytes(info_hash.0);
            out.key("port").int(*port);
            flag("seed", *seed, out);
            out.key("token").bytes(token);
        }
        QueryKind::Get { target, seq } => {
            if let Some(seq) = seq {
                out.key("seq").int(*seq);
            }
            out.key("target").bytes(target.0);
        }
        QueryKind::Put(put) => {
            if let Item::Mutable(item) = &put.item {
                mutable_arguments(item, out);
            }
            out.key("token").bytes(&put.token);
            out.key("v").raw(put.item.value().as_bytes());
        }
    }
}

fn mutable_arguments(item: &MutableItem, out: &mut DictEncoder<'_>) {
    out.key("k").bytes(item.key.0);
    if !item.salt.as_bytes().is_empty() {
        out.key("salt").bytes(&item.salt);
    }
    out.key("seq").int(item.seq);
    out.key("sig").bytes(item.signature.0);
}

fn want(want: Want, out: &mut DictEncoder<'_>) {
    if want == Want::default() {
        return;
    }
    out.key("want").list(|families| {
        if want.v4 {
            families.item().bytes("n4");
        }
        if want.v6 {
            families.item().bytes("n6");
        }
    });
}

fn flag(key: &str, set: bool, out: &mut DictEncoder<'_>) {
    if set {
        out.key(key).int(1);
    }
}
