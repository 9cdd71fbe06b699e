//! Messages of every kind, in the form in which they are read.

use std::net::{Ipv4Addr, Ipv6Addr};

use headwater_metainfo::InfoHash;
use headwater_metainfo::compact::usable;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use crate::bloom::Filter;
use crate::item::{Item, MutableItem, PublicKey, Signature, Value};
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

fn value(most: usize) -> impl Strategy<Value = Value> {
    let bytes = vec(any::<u8>(), 0..=most).prop_map(|bytes| Value::text(bytes).unwrap());
    let list = vec(any::<i64>(), 0..20).prop_map(|numbers| {
        let write = |list: &mut headwater_bencode::ListEncoder<'_>| {
            for number in &numbers {
                list.item().int(*number);
            }
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
    let immutable = value(990).prop_map(|value| (Item::Immutable(value), None));
    let mutable = (key(), salt(), 0..=i64::MAX, value(990), signature());
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
        vec(prop_oneof![v4(), v6()], 0..20),
    );
    let whole = (found, value(300), samples(20)).prop_flat_map(|(found, value, samples)| {
        response_of(Just(found), Just(value), Just(samples))
    });
    whole.prop_map(fitting)
}

/// One that may have more than there is room for.
pub(super) fn full_response() -> impl Strategy<Value = Message> {
    let found = (
        contacts(v4(), 40),
        contacts(v6(), 40),
        vec(prop_oneof![v4(), v6()], 0..200),
    );
    let response = response_of(found, value(990), samples(20));
    (transaction(), any::<Option<[u8; 4]>>(), response).prop_map(
        |(transaction, version, response)| {
            let body = Body::Response(Box::new(response));
            Message {
                version,
                external: Some(([192, 0, 2, 1], 6881).into()),
                ..Message::new(transaction, body)
            }
        },
    )
}

type Found = (Vec<Contact>, Vec<Contact>, Vec<SocketAddr>);

fn response_of(
    found: impl Strategy<Value = Found>,
    value: impl Strategy<Value = Value>,
    samples: impl Strategy<Value = Samples>,
) -> impl Strategy<Value = Response> {
    let token = prop::option::of(token());
    let item = (
        prop::option::of(key()),
        prop::option::of(0..=i64::MAX),
        prop::option::of(signature()),
    );
    let more = prop_oneof![
        value.prop_map(|value| (Some(value), None, None)),
        samples.prop_map(|samples| (None, Some(samples), None)),
        scrape().prop_map(|scrape| (None, None, Some(Box::new(scrape)))),
        Just((None, None, None)),
    ];
    (id(), found, token, item, more).prop_map(
        |(id, (nodes, nodes6, values), token, (key, seq, signature), (value, samples, scrape))| {
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
}

fn samples(most: usize) -> impl Strategy<Value = Samples> {
    let total = 0..=i64::MAX as u64;
    (vec(info_hash(), 0..=most), total, 0_u32..=21_600).prop_map(|(hashes, total, interval)| {
        Samples {
            hashes,
            total,
            interval,
        }
    })
}

fn scrape() -> impl Strategy<Value = Scrape> {
    let filter = || vec(any::<u8>(), 256).prop_map(|bytes| Filter(bytes.try_into().unwrap()));
    (filter(), filter()).prop_map(|(seeds, peers)| Scrape { seeds, peers })
}

/// Without what there is no room for; that is another test's business.
fn fitting(mut response: Response) -> Response {
    let has_more =
        response.scrape.is_some() || response.value.is_some() || response.samples.is_some();
    if has_more {
        response.values.clear();
        response.nodes6.clear();
    }
    response.nodes.truncate(4);
    response
}

fn refusal() -> impl Strategy<Value = KrpcError> {
    (any::<i64>(), "\\PC{0,30}").prop_map(|(code, message)| KrpcError {
        code: ErrorCode(code),
        message: message.into(),
    })
}
