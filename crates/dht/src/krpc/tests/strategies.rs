//! Messages of every kind, in the form in which they are read.

use std::net::{Ipv4Addr, Ipv6Addr};

use headwater_metainfo::InfoHash;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use crate::bloom::Filter;
use crate::item::{Item, MutableItem, PublicKey, Signature, Value};
use crate::krpc::compact::usable;
use crate::{Contact, NodeId};

pub(super) fn message() -> impl Strategy<Value = Message> {
    let external = prop::option::of(any::<SocketAddr>().prop_map(canonical));
    let body = prop_oneof![
        query().prop_map(Body::Query),
        response().prop_map(Box::new).prop_map(Body::Response),
        refusal().prop_map(Body::Error),
    ];
    (
        transaction(),
        any::<Option<[u8; 4]>>(),
        external,
        any::<bool>(),
        body,
    )
        .prop_map(
            |(transaction, version, external, read_only, body)| Message {
                transaction,
                version,
                external,
                read_only,
                body,
            },
        )
}

/// Without what is not written.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn transaction() -> impl Strategy<Value = Transaction> {
    vec(any::<u8>(), 0..=Transaction::MAX).prop_map(|bytes| Transaction::new(&bytes).unwrap())
}

fn token() -> impl Strategy<Value = Token> {
    vec(any::<u8>(), 0..=Token::MAX).prop_map(|bytes| Token::new(&bytes).unwrap())
}

fn salt() -> impl Strategy<Value = Salt> {
    vec(any::<u8>(), 0..=Salt::MAX).prop_map(|bytes| Salt::new(&bytes).unwrap())
}

fn id() -> impl Strategy<Value = NodeId> {
    any::<[u8; 20]>().prop_map(NodeId)
}

fn info_hash() -> impl Strategy<Value = InfoHash> {
    any::<[u8; 20]>().prop_map(InfoHash)
}

fn v4() -> impl Strategy<Value = SocketAddr> {
    let address = (any::<Ipv4Addr>(), 1..=u16::MAX).prop_map(SocketAddr::from);
    address.prop_filter("nobody is there", |address| usable(*address).is_some())
}

fn v6() -> impl Strategy<Value = SocketAddr> {
    let address = (any::<Ipv6Addr>(), 1..=u16::MAX).prop_map(SocketAddr::from);
    address.prop_filter("nobody is there", |address| {
        usable(*address) == Some(*address)
    })
}

fn contacts(
    address: impl Strategy<Value = SocketAddr>,
    most: usize,
) -> impl Strategy<Value = Vec<Contact>> {
    vec(
        (id(), address).prop_map(|(id, address)| Contact { id, address }),
        0..=most,
    )
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = vec(any::<u8>(), 0..300).prop_map(|bytes| Value::text(bytes).unwrap());
    let list = vec(any::<i64>(), 0..20).prop_map(|numbers| {
        let write = |list: &mut headwater_bencode::ListEncoder<'_>| {
            numbers.iter().for_each(|number| list.item().int(*number));
        };
        Value::build(|slot| slot.list(write)).unwrap()
    });
    prop_oneof![bytes, list]
}

fn signature() -> impl Strategy<Value = Signature> {
    any::<([u8; 32], [u8; 32])>().prop_map(|(r, s)| Signature([r, s].concat().try_into().unwrap()))
}

fn key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey)
}

fn query() -> impl Strategy<Value = Query> {
    let want = any::<(bool, bool)>().prop_map(|(v4, v6)| Want { v4, v6 });
    (id(), want, kind()).prop_map(|(id, want, kind)| Query { id, want, kind })
}

fn kind() -> impl Strategy<Value = QueryKind> {
    prop_oneof![
        Just(QueryKind::Ping),
        id().prop_map(|target| QueryKind::FindNode { target }),
        id().prop_map(|target| QueryKind::SampleInfohashes { target }),
        (info_hash(), any::<bool>(), any::<bool>()).prop_map(|(info_hash, noseed, scrape)| {
            QueryKind::GetPeers {
                info_hash,
                noseed,
                scrape,
            }
        }),
        announce(),
        (id(), any::<Option<i64>>()).prop_map(|(target, seq)| QueryKind::Get { target, seq }),
        put(),
        ("x_[a-z]{0,30}", id()).prop_map(|(method, target)| QueryKind::Unknown {
            method: Method::new(method.as_bytes()).unwrap(),
            target
        }),
    ]
}

fn announce() -> impl Strategy<Value = QueryKind> {
    (
        info_hash(),
        1..=u16::MAX,
        any::<bool>(),
        token(),
        any::<bool>(),
    )
        .prop_map(
            |(info_hash, port, implied_port, token, seed)| QueryKind::AnnouncePeer {
                info_hash,
                port,
                implied_port,
                token,
                seed,
            },
        )
}

fn put() -> impl Strategy<Value = QueryKind> {
    let immutable = value().prop_map(|value| (Item::Immutable(value), None));
    let mutable = (key(), salt(), 0..=i64::MAX, value(), signature());
    let mutable = mutable.prop_map(|(key, salt, seq, value, signature)| {
        Item::Mutable(MutableItem {
            key,
            salt,
            seq,
            value,
            signature,
        })
    });
    let item = prop_oneof![immutable, (mutable, any::<Option<i64>>())];
    (token(), item)
        .prop_map(|(token, (item, cas))| QueryKind::Put(Box::new(PutArgs { token, item, cas })))
}

fn response() -> impl Strategy<Value = Response> {
    let found = (
        contacts(v4(), 8),
        contacts(v6(), 4),
        prop::option::of(token()),
        values(),
    );
    let item = (
        prop::option::of(key()),
        prop::option::of(0..=i64::MAX),
        prop::option::of(signature()),
    );
    let kept = (
        prop::option::of(samples()),
        prop::option::of(scrape().prop_map(Box::new)),
    );
    (id(), found, item, kept, prop::option::of(value()))
        .prop_map(
            |(
                id,
                (nodes, nodes6, token, values),
                (key, seq, signature),
                (samples, scrape),
                value,
            )| {
                Response {
                    id,
                    nodes,
                    nodes6,
                    token,
                    values,
                    value,
                    key,
                    seq,
                    signature,
                    samples,
                    scrape,
                }
            },
        )
        .prop_map(fitting)
}

fn values() -> impl Strategy<Value = Vec<SocketAddr>> {
    vec(prop_oneof![v4(), v6()], 0..20)
}

fn samples() -> impl Strategy<Value = Samples> {
    let total = 0..=i64::MAX as u64;
    (vec(info_hash(), 0..20), total, 0_u32..=21_600).prop_map(|(hashes, total, interval)| Samples {
        hashes,
        total,
        interval,
    })
}

fn scrape() -> impl Strategy<Value = Scrape> {
    let filter = || vec(any::<u8>(), 256).prop_map(|bytes| Filter(bytes.try_into().unwrap()));
    (filter(), filter()).prop_map(|(seeds, peers)| Scrape { seeds, peers })
}

/// Without the peers for which there would be no room; what is left out is another test's business.
fn fitting(mut response: Response) -> Response {
    if response.scrape.is_some() || response.value.is_some() || response.samples.is_some() {
        response.values.clear();
    }
    let room = MAX_ENCODED - 700;
    response.values.truncate(room / 21);
    response
}

fn refusal() -> impl Strategy<Value = KrpcError> {
    (any::<i64>(), "\\PC{0,30}").prop_map(|(code, message)| KrpcError {
        code: ErrorCode(code),
        message: message.into(),
    })
}
