//! Requests as bytes on a socket.

use crate::rig::{KEY, Rig};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A head of a chat request, with further header lines.
pub(crate) fn head(fields: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{fields}\r\n")
}

/// A head of a chat request with a body of this length.
pub(crate) fn head_of(length: usize) -> String {
    head(&format!("content-length: {length}\r\n"))
}

/// A whole chat request.
pub(crate) fn chat(body: &Value) -> String {
    let body = body.to_string();
    head_of(body.len()) + &body
}

pub(crate) async fn connect(rig: &Rig, bytes: &str) -> TcpStream {
    let mut socket = TcpStream::connect(rig.gateway.addr).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    socket
}

/// Everything until the gateway closes the connection.
pub(crate) async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    socket.read_to_end(&mut seen).await.unwrap();
    String::from_utf8(seen).unwrap()
}

/// The answer to bytes whose connection the gateway closes.
pub(crate) async fn answer(rig: &Rig, bytes: &str) -> String {
    read_to_end(&mut connect(rig, bytes).await).await
}

/// Everything until this text was seen.
pub(crate) async fn read_until(socket: &mut TcpStream, mark: &str) -> String {
    let mut seen = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = socket.read(&mut part).await.unwrap();
        seen.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if text.contains(mark) {
            return text;
        }
        assert!(count > 0, "the connection ended before {mark:?}: {text}");
    }
}
