//! A peer that has nothing but metadata, which need not be a torrent's.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use headwater_metainfo::{InfoHash, PeerId};
use headwater_wire::extension::{ExtendedHandshake, ExtensionIds};
use headwater_wire::{
    HANDSHAKE_LENGTH, Handshake, Message, MessageCodec, MetadataMessage, Reserved,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Decoder;
use tokio_util::task::AbortOnDropHandle;

/// The id under which it takes messages about metadata.
const OUR_ID: u8 = 1;

pub(crate) struct WirePeer {
    info_hash: InfoHash,
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Shared {
    lies: AtomicBool,
    gave: AtomicUsize,
}

impl WirePeer {
    pub(crate) async fn start(metadata: Vec<u8>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let info_hash = InfoHash(headwater_hash::sha1(&metadata));
        let (shared, metadata) = (Arc::new(Shared::default()), Bytes::from(metadata));
        let task = {
            let shared = shared.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (shared, metadata) = (shared.clone(), metadata.clone());
                    tokio::spawn(async move {
                        let _ = serve(stream, info_hash, metadata, &shared).await;
                    });
                }
            })
        };
        Self {
            info_hash,
            address,
            shared,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, what it sends is wrong.
    pub(crate) fn lie(&self) {
        self.shared.lies.store(true, Ordering::Relaxed);
    }

    /// Connections over which it was asked for the first piece.
    pub(crate) fn connections(&self) -> usize {
        self.shared.gave.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut stream: TcpStream,
    info_hash: InfoHash,
    metadata: Bytes,
    shared: &Shared,
) -> std::io::Result<()> {
    let handshake = Handshake {
        reserved: Reserved::default().with_extension_protocol(),
        info_hash,
        peer_id: PeerId(*b"-XX0000-wire-peer---"),
    };
    stream.write_all(&handshake.encode()).await?;
    stream.read_exact(&mut [0; HANDSHAKE_LENGTH]).await?;
    let hello = ExtendedHandshake {
        extensions: ExtensionIds::from_iter([(MetadataMessage::NAME, OUR_ID)]),
        metadata_size: Some(metadata.len() as u32),
        ..ExtendedHandshake::default()
    };
    send(&mut stream, &hello.message()).await?;
    let (mut codec, mut buffer) = (MessageCodec::default(), BytesMut::new());
    let mut their_id = 0;
    loop {
        while let Some(message) = codec.decode(&mut buffer).unwrap() {
            let Message::Extended { id, payload } = message else {
                continue;
            };
            if id == 0 {
                let hello = ExtendedHandshake::decode(&payload).unwrap();
                their_id = hello.extensions.get(MetadataMessage::NAME).unwrap_or(0);
            } else if let Ok(MetadataMessage::Request { piece }) = MetadataMessage::decode(&payload)
            {
                shared
                    .gave
                    .fetch_add(usize::from(piece == 0), Ordering::Relaxed);
                let lies = shared.lies.load(Ordering::Relaxed);
                let answer = answer(&metadata, piece, lies);
                send(&mut stream, &answer.message(their_id)).await?;
            }
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

fn answer(metadata: &Bytes, piece: u32, lies: bool) -> MetadataMessage {
    let size = metadata.len() as u32;
    let length = MetadataMessage::piece_size(size, piece);
    let start = piece as usize * MetadataMessage::PIECE_LENGTH;
    let mut data = metadata[start..start + length].to_vec();
    data[0] ^= u8::from(lies);
    MetadataMessage::Data {
        piece,
        total_size: Some(size),
        data: data.into(),
    }
}

async fn send(stream: &mut TcpStream, message: &Message) -> std::io::Result<()> {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes);
    stream.write_all(&bytes).await
}
