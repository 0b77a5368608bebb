//! A connection that begins in the clear and is then secured (RFC 3207).
//!
//! Rule: what a server said before it is secured counts for nothing afterwards, and a server that says more than its one
//! answer to STARTTLS is not spoken to. The library keeps such words and takes them for answers later, so whoever sits on
//! the way could put a "250 taken" there, and a notice that never came would be called sent. Hence this is done here, and
//! the library gets a connection that is secured already.

use lettre::transport::smtp::client::AsyncTokioStream;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, ReadBuf,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Longest answer in the clear.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;
/// The library wants to be greeted; the true greeting came before the connection was secured.
const GREETING: &[u8] = b"220 secured\r\n";

/// Connects, asks for STARTTLS and secures the connection. `domain` is who we are.
pub(super) async fn connect(host: &str, port: u16, domain: &str, roots: Option<&Path>) -> Result<Secured> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
    let mut plain = BufReader::new(TcpStream::connect((host, port)).await?);
    answer(&mut plain, "220").await?;
    plain.write_all(format!("EHLO {domain}\r\n").as_bytes()).await?;
    let offers = answer(&mut plain, "250").await?;
    if !offers.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
        return Err(Error::other("STARTTLS is not supported on this server"));
    }
    plain.write_all(b"STARTTLS\r\n").await?;
    answer(&mut plain, "220").await?;
    if !plain.buffer().is_empty() {
        return Err(Error::other("somebody said more in the clear than the answer to STARTTLS; it is not believed"));
    }
    let stream = TlsConnector::from(Arc::new(tls(roots)?)).connect(name, plain.into_inner()).await?;
    Ok(Secured { greeting: GREETING, stream })
}

/// The lines of an answer, without their code, which must be this one.
async fn answer(from: &mut BufReader<TcpStream>, code: &str) -> Result<Vec<String>> {
    let (mut lines, mut left) = (Vec::new(), ANSWER_BYTES_MAX);
    loop {
        let mut line = String::new();
        let read = from.take(left).read_line(&mut line).await?;
        left = left.saturating_sub(read as u64);
        if !line.ends_with('\n') {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the server broke off, or never ends its answer"));
        }
        let line = line.trim_end();
        let rest = line.strip_prefix(code).ok_or_else(|| Error::other(format!("the server said {line:?}")))?;
        // A dash after the code: another line follows.
        let more = rest.strip_prefix('-');
        lines.push(more.unwrap_or(rest).trim().to_owned());
        if more.is_none() {
            return Ok(lines);
        }
    }
}

fn tls(roots: Option<&Path>) -> Result<ClientConfig> {
    let mut store = RootCertStore::empty();
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = roots {
        for certificate in CertificateDer::pem_file_iter(path).map_err(Error::other)? {
            store.add(certificate.map_err(Error::other)?).map_err(Error::other)?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(Error::other)?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// A secured connection, before whose first words stands a greeting.
#[derive(Debug)]
pub(super) struct Secured {
    greeting: &'static [u8],
    stream: TlsStream<TcpStream>,
}

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let (now, later) = self.greeting.split_at(self.greeting.len().min(into.remaining()));
        into.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
