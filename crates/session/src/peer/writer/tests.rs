use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use headwater_metainfo::PieceIndex;
use headwater_wire::MessageCodec;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use super::*;
use crate::limit::Bucket;
use crate::peer::testing::key;

const PATIENCE: Duration = Duration::from_mins(1);
const RATE: u64 = 320 * 1024;

/// A writer whose turn does not come until the limit is lifted.
struct Rig {
    far: TcpStream,
    outbox: mpsc::UnboundedSender<Vec<Outbound>>,
    reports: mpsc::Receiver<Report>,
    limit: Arc<Bucket>,
}

impl Rig {
    async fn new() -> Self {
        let (near, far) = connection().await;
        let (outbox, receiver) = mpsc::unbounded_channel();
        let (reporter, reports) = mpsc::channel(16);
        let limit = Arc::new(Bucket::new(RATE));
        let limiter = Limiter::new(Arc::default(), limit.clone());
        limiter.extend(1 << 40);
        tokio::spawn(async move {
            let backlog = Backlog::default();
            Writer::new(key(), &near, receiver, limiter, reporter, &backlog)
                .run()
                .await;
        });
        Self {
            far,
            outbox,
            reports,
            limit,
        }
    }

    fn send(&self, what: impl IntoIterator<Item = Outbound>) {
        self.outbox.send(what.into_iter().collect()).unwrap();
    }

    async fn receive(&mut self) -> Message {
        let (mut codec, mut buffer) = (MessageCodec::default(), BytesMut::new());
        loop {
            if let Some(message) = codec.decode(&mut buffer).unwrap() {
                assert!(buffer.is_empty());
                return message;
            }
            let read = timeout(PATIENCE, self.far.read_buf(&mut buffer));
            assert_ne!(read.await.unwrap().unwrap(), 0);
        }
    }

    async fn report(&mut self) -> (Vec<BlockSpan>, Vec<BlockSpan>) {
        match timeout(PATIENCE, self.reports.recv()).await.unwrap() {
            Some(Report::Sent { sent, dropped, .. }) => (sent, dropped),
            other => panic!("{other:?}"),
        }
    }
}

async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(near, listener.accept());
    (near.unwrap(), far.unwrap().0)
}

fn span(piece: u32) -> BlockSpan {
    BlockSpan {
        piece: PieceIndex(piece),
        offset: 0,
        length: BLOCK_LENGTH,
    }
}

fn block(piece: u32) -> Message {
    Message::Piece {
        piece: PieceIndex(piece),
        offset: 0,
        data: Bytes::from(vec![piece as u8; BLOCK_LENGTH as usize]),
    }
}

#[tokio::test]
async fn small_messages_pass_blocks_that_wait_for_their_turn() {
    let mut rig = Rig::new().await;
    let have = || Message::Have(PieceIndex(7));
    rig.send([block(1), block(2)].map(Outbound::Message));
    rig.send([Outbound::Message(have())]);
    assert_eq!(rig.receive().await, have());
    rig.limit.set_rate(0);
    assert_eq!(rig.report().await, (vec![span(1), span(2)], vec![]));
}

#[tokio::test]
async fn a_block_that_is_cancelled_while_it_waits_is_not_sent() {
    let mut rig = Rig::new().await;
    let have = || Message::Have(PieceIndex(7));
    rig.send([block(1), block(2), have()].map(Outbound::Message));
    // From now on it waits.
    assert_eq!(rig.receive().await, have());
    rig.send([Outbound::Cancel(span(1))]);
    assert_eq!(rig.report().await, (vec![], vec![span(1)]));
    rig.limit.set_rate(0);
    assert_eq!(rig.receive().await, block(2));
    assert_eq!(rig.report().await, (vec![span(2)], vec![]));
}

#[tokio::test]
async fn grants_worth_a_block_end_with_one() {
    let (near, _far) = connection().await;
    let (_outbox, receiver) = mpsc::unbounded_channel();
    let backlog = Backlog::default();
    let limiter = Limiter::new(Arc::default(), Arc::new(Bucket::new(RATE)));
    let reports = mpsc::channel(1).0;
    let mut writer = Writer::new(key(), &near, receiver, limiter, reports, &backlog);
    writer.take([1, 2, 3].map(block).map(Outbound::Message).into());
    let message = 13 + BLOCK_LENGTH as usize;
    let ends = [1_000, 16_384, 20_480].map(|granted| writer.rounded(granted));
    assert_eq!(ends, [1_000, message, 2 * message]);
}
