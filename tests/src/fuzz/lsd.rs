use headwater_session::lsd::{Announce, Group};

/// Datagrams of local discovery are bounded, and what is read is read again from its encoding.
pub fn lsd(data: &[u8]) {
    let Ok(announce) = Announce::decode(data) else {
        return;
    };
    assert!(announce.port != 0 && (1..=64).contains(&announce.info_hashes.len()));
    for group in [Group::V4, Group::V6] {
        let datagram = announce.encode(group);
        assert_eq!(Announce::decode(&datagram).as_ref(), Ok(&announce));
    }
}
