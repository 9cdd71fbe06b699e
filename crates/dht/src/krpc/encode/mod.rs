//! Writing datagrams. Keys stand in their canonical order.

mod query;
mod response;

use headwater_bencode::{DictEncoder, Encoder, Slot};
use headwater_metainfo::compact;

use super::{Body, KrpcError, MAX_ENCODED, MAX_WITH_VALUE, Message};

pub(super) fn message(message: &Message, out: &mut Vec<u8>) {
    let end = out.len() + limit(&message.body) - tail(message);
    Encoder::append(out, |slot| slot.dict(|root| fields(message, end, root)));
}

fn limit(body: &Body) -> usize {
    match body {
        Body::Response(response) if response.value.is_some() => MAX_WITH_VALUE,
        _ => MAX_ENCODED,
    }
}

/// Bytes that stand behind a response's values, but for the list's end.
fn tail(message: &Message) -> usize {
    let optional = "2:roi1e".len() + "1:v4:HW01".len();
    let transaction = "1:t20:".len() + message.transaction.as_bytes().len();
    "e".len() + optional + transaction + "1:y1:re".len()
}

fn fields(message: &Message, end: usize, root: &mut DictEncoder<'_>) {
    match &message.body {
        Body::Query(query) => root
            .key("a")
            .dict(|arguments| query::arguments(query, arguments)),
        Body::Error(error) => refusal(error, root.key("e")),
        Body::Response(_) => {}
    }
    if let Some(address) = message.external {
        let slot = root.key("ip");
        match (compact::pack_v4(address), compact::pack_v6(address)) {
            (Some(packed), _) => slot.bytes(packed),
            (_, packed) => slot.bytes(packed.unwrap_or_default()),
        }
    }
    match &message.body {
        Body::Query(query) => root.key("q").bytes(query::method(&query.kind)),
        Body::Response(response) => root
            .key("r")
            .dict(|answer| response::answer(response, end, answer)),
        Body::Error(_) => {}
    }
    if message.read_only {
        root.key("ro").int(1);
    }
    root.key("t").bytes(&message.transaction);
    if let Some(version) = message.version {
        root.key("v").bytes(version);
    }
    root.key("y").bytes(match message.body {
        Body::Query(_) => "q",
        Body::Response(_) => "r",
        Body::Error(_) => "e",
    });
}

fn refusal(error: &KrpcError, slot: Slot<'_>) {
    slot.list(|parts| {
        parts.item().int(error.code.0);
        parts.item().bytes(error.message.as_bytes());
    });
}
