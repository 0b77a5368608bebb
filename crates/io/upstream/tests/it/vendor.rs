//! A vendor that does byte by byte what a test says, and remembers what it was sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What a vendor does after it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes again and again until the other side has enough.
    Endless(Vec<u8>),
    /// Goes on when the test says so.
    Await(Arc<Notify>),
    /// Waits until the other side closes, and tells.
    UntilClosed(Arc<Notify>),
    /// Tells the test.
    Tell(Arc<Notify>),
    /// Closes.
    Close,
}

pub(crate) fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// A whole answer of known length.
pub(crate) fn whole(status: &str, body: &str) -> Step {
    send(&format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// One part of a chunked body.
pub(crate) fn chunk(body: &str) -> Step {
    send(&format!("{:x}\r\n{body}\r\n", body.len()))
}

/// The head of a stream.
pub(crate) fn stream_head() -> Step {
    send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
}

pub(crate) struct Vendor {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Vendor {
    /// Answers the nth request (over all connections) with the nth script, the last one for all
    /// further.
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (all, count) = (Arc::clone(&seen), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(socket, scripts.clone(), Arc::clone(&all)));
            }
        });
        Self { base, seen, connections }
    }

    /// Sends `text` to whoever connects, without reading anything first; gives the base URL.
    pub(crate) async fn answering_at_once(text: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                socket.write_all(text.as_bytes()).await.unwrap();
                perform(&Step::UntilClosed(Arc::default()), &mut socket).await;
            }
        });
        base
    }

    /// Connections opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every request so far, head and body as text.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Serves one connection until either side is done with it.
pub(crate) async fn serve<S>(mut socket: S, scripts: Vec<Vec<Step>>, seen: Arc<Mutex<Vec<String>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(request) = read_request(&mut socket).await {
        let nth = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            seen.len() - 1
        };
        let Some(script) = scripts.get(nth).or(scripts.last()) else { return };
        for step in script {
            if !perform(step, &mut socket).await {
                return;
            }
        }
    }
}

/// Does one step; false when the connection is over.
async fn perform<S: AsyncRead + AsyncWrite + Unpin>(step: &Step, socket: &mut S) -> bool {
    match step {
        Step::Send(bytes) => socket.write_all(bytes).await.is_ok() && socket.flush().await.is_ok(),
        Step::Endless(bytes) => {
            while socket.write_all(bytes).await.is_ok() {}
            false
        }
        Step::Await(go) => {
            go.notified().await;
            true
        }
        Step::UntilClosed(told) => {
            let mut byte = [0];
            while matches!(socket.read(&mut byte).await, Ok(n) if n > 0) {}
            told.notify_one();
            false
        }
        Step::Tell(told) => {
            told.notify_one();
            true
        }
        Step::Close => false,
    }
}

/// A request's head and body, or nothing when the connection ends.
async fn read_request<S: AsyncRead + Unpin>(socket: &mut S) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if socket.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}
