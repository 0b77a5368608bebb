//! Clients: so many connections, each asking again as soon as it has its answer.
//!
//! A closed loop measures cost at saturation, which is what is compared here. It is not the way to
//! measure the latency of a gateway that is not saturated.

use crate::cases::Case;
use crate::machine;
use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What was seen within the measured window.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Complete answers.
    pub requests: u64,
    /// Answers that were not 200, not complete, or not the right ones.
    pub errors: u64,
    /// The first error, in words.
    pub first_error: Option<String>,
    /// Processor time of the proxy's process for each request, in microseconds.
    pub cpu_micros: f64,
    /// Complete answers a second.
    pub per_second: f64,
    /// The share of its core that the proxy used.
    pub core_share: f64,
    /// Cores that others on this machine used meanwhile: noise when far from 0.
    pub others: f64,
    /// Median and 99th percentile of the time to the whole answer.
    pub latency: [Duration; 2],
}

/// What the connections share.
struct Shared {
    request: Vec<u8>,
    stream: bool,
    measuring: Cell<bool>,
    stopping: Cell<bool>,
    requests: Cell<u64>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
    latency: RefCell<Histogram<u64>>,
}

/// Asks `address` for `warm` and then for `window`, and measures process `pid` over the window.
pub async fn run(
    case: &Case,
    address: &str,
    key: &str,
    pid: u32,
    warm: Duration,
    window: Duration,
) -> anyhow::Result<Measured> {
    let shared = Rc::new(Shared {
        request: request(case, address, key),
        stream: case.stream,
        measuring: Cell::new(false),
        stopping: Cell::new(false),
        requests: Cell::new(0),
        errors: Cell::new(0),
        first_error: RefCell::new(None),
        latency: RefCell::new(Histogram::new_with_bounds(1, 60_000_000_000, 3)?),
    });
    let clients: Vec<_> = (0..case.connections)
        .map(|_| tokio::task::spawn_local(client(address.to_owned(), Rc::clone(&shared))))
        .collect();
    tokio::time::sleep(warm).await;
    let own = std::process::id();
    let read = || anyhow::Ok((machine::used(pid)?, machine::used(own)?, machine::used_by_all()?, Instant::now()));
    let (proxy, ours, all, start) = read()?;
    shared.measuring.set(true);
    tokio::time::sleep(window).await;
    shared.measuring.set(false);
    let (proxy_end, ours_end, all_end, end) = read()?;
    shared.stopping.set(true);
    for client in clients {
        client.await.context("a client panicked")?;
    }
    let (proxy, span) = (proxy_end.saturating_sub(proxy), (end - start).as_secs_f64());
    let others = all_end.saturating_sub(all).saturating_sub(proxy).saturating_sub(ours_end.saturating_sub(ours));
    let requests = shared.requests.get();
    let at = |quantile| Duration::from_nanos(shared.latency.borrow().value_at_quantile(quantile));
    Ok(Measured {
        requests,
        errors: shared.errors.get(),
        first_error: shared.first_error.borrow_mut().take(),
        cpu_micros: proxy.as_secs_f64() * 1e6 / requests.max(1) as f64,
        per_second: requests as f64 / span,
        core_share: proxy.as_secs_f64() / span,
        others: others.as_secs_f64() / span,
        latency: [at(0.5), at(0.99)],
    })
}

/// Asks once and gives the body of the answer: shows that the proxy works before it is measured.
pub async fn once(case: &Case, address: &str, key: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let answer = ask(&mut stream, &request(case, address, key), &mut Vec::new(), true).await?;
    ensure!(answer.status == 200, "{address} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    ensure!(answer.is_complete(case.stream), "{address} gave a stream that does not end with [DONE]");
    Ok(answer.body)
}

fn request(case: &Case, address: &str, key: &str) -> Vec<u8> {
    format!(
        "POST {} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         accept: */*\r\nuser-agent: banjia-bench\r\ncontent-length: {}\r\n\r\n{}",
        case.path,
        case.body.len(),
        case.body
    )
    .into_bytes()
}

async fn client(address: String, shared: Rc<Shared>) {
    let mut connection: Option<TcpStream> = None;
    let mut buffer = Vec::with_capacity(64 * 1024);
    while !shared.stopping.get() {
        let start = Instant::now();
        let asked = async {
            let mut stream = match connection.take() {
                Some(open) => open,
                None => connect(&address).await?,
            };
            let answer = ask(&mut stream, &shared.request, &mut buffer, false).await?;
            ensure!(answer.status == 200, "status {}", answer.status);
            ensure!(answer.is_complete(shared.stream), "a stream without [DONE]");
            anyhow::Ok(answer.keep.then_some(stream))
        };
        match asked.await {
            Ok(open) => {
                connection = open;
                if shared.measuring.get() {
                    shared.requests.set(shared.requests.get() + 1);
                    shared.latency.borrow_mut().saturating_record(start.elapsed().as_nanos() as u64);
                }
            }
            Err(error) => {
                shared.errors.set(shared.errors.get() + 1);
                shared.first_error.borrow_mut().get_or_insert_with(|| format!("{error:#}"));
                // A proxy that refuses everything must not be hammered in a loop that never yields.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

async fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One answer.
struct Answer {
    status: u16,
    keep: bool,
    /// Of a stream that is only counted, its last bytes.
    body: Vec<u8>,
}

/// How a stream ends.
const DONE: &[u8] = b"data: [DONE]\n\n";

impl Answer {
    fn is_complete(&self, stream: bool) -> bool {
        // Comments may follow the end, so it is looked for and not expected at the very end.
        !stream || memchr::memmem::rfind(&self.body, DONE).is_some()
    }
}

/// Bytes of a streamed body that are kept when it is only counted.
const TAIL_BYTES: usize = 256;

async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>, keep_body: bool) -> anyhow::Result<Answer> {
    buffer.clear();
    stream.write_all(request).await.context("write")?;
    let (status, framing, keep, head) = loop {
        fill(stream, buffer).await?;
        if let Some(head) = head(buffer)? {
            break head;
        }
    };
    buffer.drain(..head);
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => {
            while buffer.len() < length {
                fill(stream, buffer).await?;
            }
            if keep_body {
                body.extend_from_slice(buffer);
            }
        }
        Framing::Chunked => {
            while !take_chunks(buffer, &mut body)? {
                if !keep_body && body.len() > 2 * TAIL_BYTES {
                    body.drain(..body.len() - TAIL_BYTES);
                }
                fill(stream, buffer).await?;
            }
        }
    }
    Ok(Answer { status, keep, body })
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    ensure!(stream.read_buf(buffer).await.context("read")? > 0, "the connection was closed within an answer");
    Ok(())
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

/// Status, framing, whether the connection stays open, and the length of the head; `None` while it
/// is not whole.
fn head(buffer: &[u8]) -> anyhow::Result<Option<(u16, Framing, bool, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(buffer).context("a bad answer head")? else {
        return Ok(None);
    };
    let value =
        |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|it| it.value);
    let keep = value("connection").is_none_or(|value| !value.eq_ignore_ascii_case(b"close"));
    let framing = if let Some(text) = value("content-length") {
        Framing::Length(std::str::from_utf8(text)?.trim().parse()?)
    } else if value("transfer-encoding").is_some() {
        Framing::Chunked
    } else {
        bail!("an answer without length or chunks");
    };
    Ok(Some((response.code.unwrap_or(0), framing, keep, length)))
}

/// Moves whole chunks from `buffer` to `body`; `true` once the last one was seen.
fn take_chunks(buffer: &mut Vec<u8>, body: &mut Vec<u8>) -> anyhow::Result<bool> {
    let mut at = 0;
    let mut last = false;
    while let Some(line) = memchr::memmem::find(&buffer[at..], b"\r\n") {
        let text = std::str::from_utf8(&buffer[at..at + line])?;
        let size =
            usize::from_str_radix(text.split(';').next().unwrap_or_default().trim(), 16).context("a bad chunk size")?;
        let data = at + line + 2;
        let Some(chunk) = buffer.get(data..data + size + 2) else { break };
        body.extend_from_slice(&chunk[..size]);
        at = data + size + 2;
        if size == 0 {
            last = true;
            break;
        }
    }
    buffer.drain(..at);
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_read_however_they_are_split() {
        let wire = b"5\r\nhello\r\n1\r\n \r\n5;x=y\r\nworld\r\n0\r\n\r\n";
        for split in 0..wire.len() {
            let (mut buffer, mut body) = (wire[..split].to_vec(), Vec::new());
            assert!(!take_chunks(&mut buffer, &mut body).unwrap());
            buffer.extend_from_slice(&wire[split..]);
            assert!(take_chunks(&mut buffer, &mut body).unwrap());
            assert_eq!((body.as_slice(), buffer.len()), (&b"hello world"[..], 0));
        }
    }

    #[test]
    fn a_head_tells_framing_and_whether_the_connection_stays() {
        let parse = |text: &str| head(text.as_bytes()).unwrap();
        assert!(parse("HTTP/1.1 200 OK\r\ncontent-le").is_none());
        let (status, framing, keep, _) =
            parse("HTTP/1.1 429 No\r\nContent-Length: 12\r\nConnection: close\r\n\r\n").unwrap();
        assert!(matches!((status, framing, keep), (429, Framing::Length(12), false)));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
