//! Placeholder.
use crate::NodeId;
use std::net::IpAddr;
pub(crate) fn is_valid(_: IpAddr, _: &NodeId) -> bool { true }
pub(crate) fn is_local(ip: IpAddr) -> bool { match ip { IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(), IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() } }
pub(crate) fn node_id(_: IpAddr, rng: &mut impl rand::Rng) -> NodeId { let mut id = NodeId([0; 20]); rng.fill_bytes(&mut id.0); id }
