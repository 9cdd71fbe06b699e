//! Reading a magnet link.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use percent_encoding::percent_decode_str;

use super::{Magnet, MagnetError, SHA256_MULTIHASH};
use crate::text::clean_address;
use crate::{InfoHash, InfoHashV2, InfoHashes};

impl FromStr for Magnet {
    type Err = MagnetError;

    /// Unknown parameters, and addresses that cannot be any, are left out. Of several info-hashes of one version the first counts.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let query = query_of(text.trim())?;
        let mut magnet = Self::new(info_hashes(query)?);
        for (key, value) in parameters(query) {
            magnet.take(key, value)?;
        }
        Ok(magnet)
    }
}

impl Magnet {
    fn take(&mut self, key: &str, value: &str) -> Result<(), MagnetError> {
        match key {
            "dn" => self.take_name(value),
            "tr" => take_url(&mut self.trackers, value),
            "ws" => take_url(&mut self.web_seeds, value),
            "x.pe" => self.take_peer(value),
            "so" => self.selected_files.extend(selected_files(&decode(value))?),
            _ => {}
        }
        Ok(())
    }

    /// Writers differ on whether a blank in a name is `+` or `%20`; the encoded `+` is not touched.
    fn take_name(&mut self, value: &str) {
        let value = value.replace('+', " ");
        let name = decode(&value);
        if self.name.is_none() && !name.is_empty() {
            self.name = Some(name.into_owned());
        }
    }

    fn take_peer(&mut self, value: &str) {
        if let Ok(peer) = decode(value).parse()
            && self.peers.len() < Self::MAX_ADDRESSES
            && !self.peers.contains(&peer)
        {
            self.peers.push(peer);
        }
    }
}

fn take_url(urls: &mut Vec<String>, value: &str) {
    let value = decode(value);
    if let Some(url) = clean_address(&value)
        && urls.len() < Magnet::MAX_ADDRESSES
        && !urls.iter().any(|known| known == url)
    {
        urls.push(url.to_owned());
    }
}

fn query_of(text: &str) -> Result<&str, MagnetError> {
    if text.len() > Magnet::MAX_BYTES {
        return Err(MagnetError::TooLong);
    }
    let scheme = text.get(.."magnet:?".len());
    if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:?")) {
        return Err(MagnetError::NotMagnet);
    }
    Ok(&text["magnet:?".len()..])
}

/// Keys and raw values. A key may be numbered (`tr.1`), and links copied from a web page's source have `&amp;` for `&`.
fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .map(|part| part.strip_prefix("amp;").unwrap_or(part))
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (without_number(key), value))
}

fn without_number(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => key,
    }
}

fn decode(value: &str) -> Cow<'_, str> {
    percent_decode_str(value).decode_utf8_lossy()
}

fn info_hashes(query: &str) -> Result<InfoHashes, MagnetError> {
    let (mut v1, mut v2) = (None, None);
    for (_, value) in parameters(query).filter(|&(key, _)| key == "xt") {
        let topic = decode(value);
        if let Some(hash) = strip_prefix_ignoring_case(&topic, "urn:btih:") {
            let hash: InfoHash = hash.parse()?;
            v1.get_or_insert(hash);
        } else if let Some(multihash) = strip_prefix_ignoring_case(&topic, "urn:btmh:") {
            let hash = sha256_multihash(multihash).ok_or(MagnetError::InfoHashV2)?;
            v2.get_or_insert(hash);
        }
    }
    match (v1, v2) {
        (Some(v1), Some(v2)) => Ok(InfoHashes::hybrid(v1, v2)),
        (Some(v1), None) => Ok(InfoHashes::v1_only(v1)),
        (None, Some(v2)) => Ok(InfoHashes::v2_only(v2)),
        (None, None) => Err(MagnetError::NoInfoHash),
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

fn sha256_multihash(text: &str) -> Option<InfoHashV2> {
    let digits = text.strip_prefix(SHA256_MULTIHASH)?;
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
    bytes.try_into().ok().map(InfoHashV2)
}

/// File numbers and ranges with commas between (BEP 53).
fn selected_files(list: &str) -> Result<Vec<RangeInclusive<u32>>, MagnetError> {
    let ranges = list.split(',').map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(first..=last)
    });
    ranges
        .collect::<Option<_>>()
        .ok_or(MagnetError::SelectedFiles)
}
