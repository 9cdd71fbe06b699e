//! Lists of addresses, as torrents in the wild have them.

use std::collections::HashSet;

use headwater_bencode::Node;

use super::Metainfo;
use crate::HostPort;
use crate::text::clean_address;

/// Addresses that were seen, so that each is taken once, and the number of them is bounded.
#[derive(Default)]
struct Seen<'a>(HashSet<&'a str>);

impl<'a> Seen<'a> {
    fn take(&mut self, node: Node<'_, 'a>) -> Option<String> {
        let address = clean_address(node.as_str()?)?;
        let is_new = self.0.len() < Metainfo::MAX_ADDRESSES && self.0.insert(address);
        is_new.then(|| address.to_owned())
    }
}

/// `announce-list` if it has any URL, else `announce` (BEP 12).
pub(super) fn trackers(root: Node<'_, '_>) -> Vec<Vec<String>> {
    let tiers = root.get("announce-list").map(tiers).unwrap_or_default();
    if !tiers.is_empty() {
        return tiers;
    }
    let announce = root
        .get("announce")
        .and_then(|url| Seen::default().take(url));
    announce.map(|url| vec![vec![url]]).unwrap_or_default()
}

/// Some torrents have URLs where tiers belong; each is a tier then.
fn tiers(list: Node<'_, '_>) -> Vec<Vec<String>> {
    let mut seen = Seen::default();
    let tiers = list.as_list().into_iter().flatten();
    let tiers = tiers.map(|tier| match tier.as_list() {
        Some(urls) => urls.filter_map(|url| seen.take(url)).collect(),
        None => Vec::from_iter(seen.take(tier)),
    });
    tiers.filter(|tier: &Vec<_>| !tier.is_empty()).collect()
}

/// One URL or a list of them (BEP 19).
pub(super) fn urls(node: Option<Node<'_, '_>>) -> Vec<String> {
    let mut seen = Seen::default();
    let Some(node) = node else {
        return Vec::new();
    };
    match node.as_list() {
        Some(urls) => urls.filter_map(|url| seen.take(url)).collect(),
        None => Vec::from_iter(seen.take(node)),
    }
}

/// Lists of a host and a port (BEP 5).
pub(super) fn nodes(root: Node<'_, '_>) -> Vec<HostPort> {
    let nodes = root.get("nodes").and_then(|nodes| nodes.as_list());
    let nodes = nodes.into_iter().flatten().filter_map(|node| {
        let mut parts = node.as_list()?;
        let host = parts.next()?.as_str()?;
        let port = parts.next()?.as_int()?;
        HostPort::new(host, u16::try_from(port).ok()?)
    });
    nodes.take(Metainfo::MAX_ADDRESSES).collect()
}
