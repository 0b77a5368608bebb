//! Bounds of connections: of one client, and of the wait for a request.

use crate::raw::{connect, read_to_end};
use crate::rig::{Rig, first_content, hello, rest};
use banjia_store::{Location, Store, WriterConfig};
use http::Method;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};

/// A connection from another address of this machine.
async fn connect_from(address: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn is_served(mut socket: TcpStream) -> bool {
    tokio::io::AsyncWriteExt::write_all(&mut socket, GET.as_bytes()).await.unwrap();
    read_to_end(&mut socket).await.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn an_address_beyond_its_connections_is_told_429() {
    let rig = Rig::with(|config| config.serve.connections_per_address_max = Some(2)).await;
    let (first, _second) = (connect(&rig, "").await, connect(&rig, "").await);
    let seen = read_to_end(&mut connect(&rig, "").await).await;
    assert!(seen.starts_with("HTTP/1.1 429") && seen.contains("too_many_connections"), "{seen}");
    assert!(seen.contains("retry-after: 1") && seen.contains("connection: close"), "{seen}");
    assert!(is_served(connect_from([127, 0, 0, 2], rig.gateway.addr).await).await, "others have their own part");
    drop(first);
    // The place is free when the gateway has seen the end.
    while !read_to_end(&mut connect(&rig, GET).await).await.starts_with("HTTP/1.1 200") {}
}

#[tokio::test]
async fn trusted_proxies_may_have_more_connections() {
    let rig = Rig::with(|config| {
        config.serve.connections_per_address_max = Some(1);
        config.border.peer.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let _idle = [connect(&rig, "").await, connect(&rig, "").await, connect(&rig, "").await];
    assert!(is_served(connect(&rig, "").await).await);
}

#[tokio::test]
async fn silent_connections_make_room_under_pressure() {
    let rig = Rig::with(|config| {
        (config.serve.connections_max, config.serve.connections_per_address_max) = (8, Some(8));
    })
    .await;
    let begun = Instant::now();
    let mut silent = Vec::new();
    for text in ["", "GET / HTTP/1.1\r\n", "", "GET / HTTP/1.1\r\nhost", "", "", "", ""] {
        silent.push(connect(&rig, text).await);
    }
    rig.call(Method::GET, "/healthz").await.is(200);
    // A tenth of 30 seconds.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(read_to_end(&mut silent[0]).await, "", "also those that were there before are closed");
}

#[tokio::test]
async fn without_a_ledger_place_a_request_waits_its_turn() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let rig = Rig::over(store, WriterConfig { places_max: 1, ..WriterConfig::default() }, |config| {
        config.serve.overload_wait_ms = 60_000;
    })
    .await;
    rig.slow(5);
    let (_, mut body) = rig.open(&hello("one-openai", true)).await;
    first_content(&mut body).await;
    let waiting = rig.ask("one-openai", false);
    let (answer, _) = tokio::join!(waiting, rest(body));
    answer.is(200);
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.answered, tally.missing()), (2, 2, 0));
}
