//! Runs work on a background thread, with a future for its result.
//!
//! A plain thread and not the runtime's: the runtime waits at its end for threads that it started,
//! and a file on a network disk that hangs would keep the process alive.

use tokio::sync::oneshot;

/// Runs `work` on a new thread. The receiver fails if the thread could not be started or ended
/// without a result.
pub(crate) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    let started = std::thread::Builder::new().name("background".to_owned()).spawn(move || {
        // The receiver may be gone.
        drop(sender.send(work()));
    });
    if let Err(error) = started {
        tracing::error!(%error, "a thread was not started");
    }
    receiver
}
