//! A fixed number of threads and the jobs that wait for them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The session's disk threads. They end when the last handle is dropped and the queue is empty.
///
/// The queue's length is bounded by those who submit: a torrent has few jobs at a time, whatever it has to do, because
/// what waits is gathered in its [`Lane`](super::Lane).
#[derive(Debug)]
pub(crate) struct DiskPool(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} jobs waiting", self.queue.lock().jobs.len())
    }
}

impl DiskPool {
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let pool = Self(Arc::new(Shared {
            queue: Mutex::default(),
            ready: Condvar::new(),
        }));
        for number in 0..threads {
            let shared = pool.0.clone();
            thread::Builder::new()
                .name(format!("hw-disk-{number}"))
                .spawn(move || shared.work())?;
        }
        Ok(pool)
    }

    /// Has `job` done by the next thread that is free.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        self.0.queue.lock().jobs.push_back(Box::new(job));
        self.0.ready.notify_one();
    }

    /// Has `job` done and waits for what it gives.
    ///
    /// # Panics
    /// When the job panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        self.submit(move || {
            let _ = sender.send(job());
        });
        receiver.await.expect("a disk job does not panic")
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        self.0.queue.lock().is_closed = true;
        self.0.ready.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            // A job that panics must not take the thread with it: others wait for their turn.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            if outcome.is_err() {
                tracing::error!("a disk job panicked");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.is_closed {
                return None;
            }
            self.ready.wait(&mut queue);
        }
    }
}
