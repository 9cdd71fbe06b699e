use headwater_tracker::udp::{Family, decode, decode_request};
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
        if let Ok(response) = decode(data, family) {
            assert_eq!(decode(&response.encode(), family).as_ref(), Ok(&response));
        }
    }
    if let Ok(request) = decode_request(data) {
        assert_eq!(decode_request(&request.encode()).as_ref(), Ok(&request));
    }
}
