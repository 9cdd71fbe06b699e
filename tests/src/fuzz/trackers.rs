use headwater_tracker::udp::{Family, Response, decode, decode_request};
use headwater_tracker::{MAX_PEERS, http};

/// HTTP answers of any kind are read or refused, within the limits.
pub fn http_tracker(data: &[u8]) {
    if let Ok(answer) = http::decode_announce(data) {
        assert!(answer.peers.len() <= MAX_PEERS);
    }
    let _ = http::decode_scrape(data);
}

/// UDP packets of any kind are read or refused, from trackers and from clients; what a tracker's packet says is said
/// again by its encoding.
pub fn udp_tracker(data: &[u8]) {
    for family in [Family::V4, Family::V6] {
        if let Ok(response) = decode(data, family)
            && has_family(&response, family)
        {
            assert_eq!(decode(&response.encode(), family).as_ref(), Ok(&response));
        }
    }
    if let Ok(request) = decode_request(data) {
        assert_eq!(decode_request(&request.encode()).as_ref(), Ok(&request));
    }
}

/// Whether every peer is of the packet's family. Those of IPv4 that came mapped into IPv6 are not, and a packet of both
/// cannot be written.
fn has_family(response: &Response, family: Family) -> bool {
    match response {
        Response::Announce { peers, .. } => peers.iter().all(|peer| Family::of(peer) == family),
        _ => true,
    }
}
