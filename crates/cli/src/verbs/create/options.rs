//! What the torrent says beside its files, as the command line and the environment give it.

use std::time::{SystemTime, UNIX_EPOCH};

use headwater_metainfo::PieceGeometry;
use headwater_tracker::TrackerUrl;

use crate::exit::{Failure, Result};
use crate::units;

/// Says when the torrent was made, for builds that have to come out the same.
const DATE_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// Seconds since 1970: now, unless the environment says otherwise.
pub(super) fn date() -> Result<i64> {
    let Some(value) = std::env::var_os(DATE_VARIABLE) else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        return Ok(now.map_or(0, |time| time.as_secs().cast_signed()));
    };
    let seconds = value.to_str().and_then(|text| text.parse().ok());
    seconds.ok_or_else(|| {
        Failure::usage(format_args!(
            "{DATE_VARIABLE} is not a number of seconds; set it right or unset it"
        ))
    })
}

/// Commas stay within a tier, each string is one.
pub(super) fn tiers(announce: &[String]) -> Result<Vec<Vec<String>>> {
    let tiers = announce.iter().map(|tier| {
        let urls = tier.split(',').map(str::trim).filter(|url| !url.is_empty());
        urls.map(tracker_url).collect()
    });
    tiers.collect()
}

fn tracker_url(url: &str) -> Result<String> {
    match url.parse::<TrackerUrl>() {
        Ok(_) => Ok(url.to_owned()),
        Err(error) => Err(Failure::usage(format_args!(
            "`{url}` is no tracker's URL: {error}"
        ))),
    }
}

/// Only what clients can fetch from.
pub(super) fn web_seeds(urls: &[String]) -> Result<Vec<String>> {
    let is_http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    match urls.iter().find(|url| !is_http(url)) {
        None => Ok(urls.to_vec()),
        Some(url) => Err(Failure::usage(format_args!(
            "`{url}` is no web seed: it begins with neither http:// nor https://"
        ))),
    }
}

/// Reads a piece length from the command line.
pub(super) fn parse_piece_length(text: &str) -> Result<u32, String> {
    let bytes = units::parse_size(text)?;
    let length = u32::try_from(bytes).unwrap_or(u32::MAX);
    let is_good =
        length.is_power_of_two() && (16 << 10..=PieceGeometry::MAX_PIECE_LENGTH).contains(&length);
    is_good.then_some(length).ok_or_else(|| {
        let longest = units::exact_size(PieceGeometry::MAX_PIECE_LENGTH.into());
        format!("a piece has a power of two of bytes, from 16 KiB to {longest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_lengths_are_powers_of_two() {
        assert_eq!(parse_piece_length("256K"), Ok(256 << 10));
        assert_eq!(parse_piece_length("512M"), Ok(512 << 20));
        for wrong in ["8K", "1G", "20000", "0", "3M", "99999T"] {
            assert!(parse_piece_length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn commas_stay_in_a_tier_and_repetition_makes_tiers() {
        let given = ["http://a/x,udp://b:1".to_owned(), "http://c".to_owned()];
        let tiers = tiers(&given).unwrap();
        assert_eq!(tiers, [vec!["http://a/x", "udp://b:1"], vec!["http://c"]]);
        assert!(super::tiers(&["ftp://x".to_owned()]).is_err());
        assert!(web_seeds(&["ftp://x".to_owned()]).is_err());
    }
}
