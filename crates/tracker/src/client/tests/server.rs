//! An HTTP server that does what a test says.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(super) type Reply = Response<Full<Bytes>>;
type Handler = dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: http::HeaderMap,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) connections: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Server {
    pub(super) async fn new<F>(handler: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        Self::at(Ipv4Addr::LOCALHOST.into(), handler).await.unwrap()
    }

    pub(super) async fn at<F>(
        ip: IpAddr,
        handler: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> std::io::Result<Self>
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await?;
        let address = listener.local_addr()?;
        let asked = Arc::default();
        let connections = Arc::default();
        let handler: Arc<Handler> = Arc::new(move |asked| Box::pin(handler(asked)));
        let mut task = JoinSet::new();
        task.spawn(accept(
            listener,
            handler,
            Arc::clone(&asked),
            Arc::clone(&connections),
        ));
        Ok(Self {
            address,
            asked,
            connections,
            _task: task,
        })
    }

    /// Always the same.
    pub(super) async fn saying(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Self {
        Self::new(move |_| std::future::ready(reply())).await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn one_asked(&self) -> Asked {
        let asked = self.asked.lock();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }
}

async fn accept(
    listener: TcpListener,
    handler: Arc<Handler>,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let (handler, asked) = (handler.clone(), asked.clone());
        let service = service_fn(move |request| answer(request, handler.clone(), asked.clone()));
        let connection = hyper::server::conn::http1::Builder::new();
        tasks.spawn(async move {
            // A client that goes away in the middle is what some tests are about.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    handler: Arc<Handler>,
    log: Arc<Mutex<Vec<Asked>>>,
) -> Result<Reply, Infallible> {
    let asked = Asked {
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: request.headers().clone(),
    };
    log.lock().push(asked.clone());
    Ok(handler(asked).await)
}

pub(super) fn ok(body: impl Into<Bytes>) -> Reply {
    with_status(200, body)
}

pub(super) fn with_status(status: u16, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status.try_into().unwrap();
    reply
}

pub(super) fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    reply.headers_mut().insert(name, value.parse().unwrap());
    reply
}

pub(super) fn redirect(to: &str) -> Reply {
    with_header(with_status(302, ""), "location", to)
}
