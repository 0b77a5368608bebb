//! Connections of load balancers that tell the client's address before the first byte.
//!
//! Rules: only where the configuration says so and only from trusted addresses; there the header must come, and in time. The
//! header is read byte by byte, so that nothing of what follows is taken; it is a hundred bytes once per connection.

use super::connections::Place;
use crate::state::State;
use banjia_border::proxy_protocol::{HEADER_BYTES_MAX, ProxyRead, read};
use hyper::server::conn::http1;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Whether a connection from `peer` begins with a header.
pub(super) fn speaks(state: &State, peer: IpAddr) -> bool {
    let runtime = state.runtime();
    let border = &runtime.snapshot.border;
    border.proxy_protocol && border.peer.trusts(peer)
}

/// Reads the header, then serves the connection as the client's.
pub(super) fn connect(
    http: http1::Builder,
    stall: Duration,
    mut socket: TcpStream,
    peer: IpAddr,
    place: Place,
    state: Arc<State>,
) {
    let within = place.connections().header_read();
    state.drain.connections.clone().spawn(async move {
        match tokio::time::timeout(within, header(&mut socket)).await {
            Ok(Ok(client)) => super::connect(&http, stall, socket, client.unwrap_or(peer), place, &state),
            Ok(Err(why)) => tracing::warn!(%peer, why, "a connection without a good PROXY header was closed"),
            Err(_) => tracing::warn!(%peer, "a connection's PROXY header did not come in time"),
        }
    });
}

/// The client's address; none when the balancer speaks for itself.
async fn header(socket: &mut TcpStream) -> Result<Option<IpAddr>, &'static str> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX);
    loop {
        match read(&bytes) {
            ProxyRead::Header { client, .. } => return Ok(client.map(|client| client.ip())),
            ProxyRead::Bad(why) => return Err(why),
            ProxyRead::More => {
                let byte = socket.read_u8().await.map_err(|_| "the connection ended before its header")?;
                bytes.push(byte);
            }
        }
    }
}
