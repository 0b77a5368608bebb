//! The pool of connections and how one is opened.
//!
//! Rules: HTTP/1.1 only, over TCP without delay, TLS by rustls; opening is bounded as a whole
//! (name, TCP, TLS). A request that met a pooled connection which the vendor had already closed is
//! sent again on another one, but only when no byte of it was written: the pool does that itself.
//! Why not HTTP/2: the pool opens one such connection per host, so a vendor's limit of streams per
//! connection would become a hidden queue for every caller, and one broken connection would break
//! all of them.

use crate::error::UpstreamError;
use crate::{Config, Roots};
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower::Service;

/// The least that the HTTP library can work with.
const READ_BUFFER_BYTES_MIN: usize = 8192;
/// A connection that carries nothing for this long is probed, so that a dead one is found before a
/// request meets it.
const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// Connections to vendors. Cheap to clone; clones share one pool.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub(crate) client: Client<TimedConnector, Full<Bytes>>,
    pub(crate) head_bytes_max: usize,
}

impl Upstream {
    /// Makes the pool; opens nothing yet. The pool's clean-up needs a tokio runtime when requests
    /// are sent.
    ///
    /// # Errors
    /// Settings that cannot work: no certificates, a proxy, a buffer that is too small.
    pub fn new(config: &Config) -> Result<Self, UpstreamError> {
        if config.proxy.is_some() {
            return Err(UpstreamError::ProxyUnsupported);
        }
        if config.read_buffer_bytes_max < READ_BUFFER_BYTES_MIN {
            return Err(UpstreamError::SmallBuffer {
                found: config.read_buffer_bytes_max,
                least: READ_BUFFER_BYTES_MIN,
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(&config.roots)?)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let inner =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let connector = TimedConnector { inner, within: Duration::from_millis(config.connect_ms) };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(config.idle_connection_ms))
            .pool_max_idle_per_host(config.idle_connections_per_host_max)
            .http1_max_buf_size(config.read_buffer_bytes_max)
            .http1_max_headers(config.header_fields_max)
            .set_host(false)
            .build(connector);
        Ok(Self { client, head_bytes_max: config.read_buffer_bytes_max })
    }
}

fn roots(from: &Roots) -> Result<RootCertStore, UpstreamError> {
    let mut store = RootCertStore::empty();
    match from {
        Roots::Webpki => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = store.add_parsable_certificates(found.certs);
            if added == 0 {
                let why = found.errors.first().map_or_else(|| "it is empty".to_owned(), ToString::to_string);
                return Err(UpstreamError::NoRoots { from: PathBuf::from("the system's certificate store"), why });
            }
        }
        Roots::File(path) => roots_of_file(&mut store, path)?,
    }
    Ok(store)
}

fn roots_of_file(store: &mut RootCertStore, path: &Path) -> Result<(), UpstreamError> {
    let bad = |why: String| UpstreamError::NoRoots { from: path.to_owned(), why };
    for cert in CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))? {
        store.add(cert.map_err(|e| bad(e.to_string()))?)?;
    }
    if store.is_empty() { Err(bad("it holds no certificate".to_owned())) } else { Ok(()) }
}

/// Why no connection came about. Travels inside the pool's own error and is looked for there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFailed {
    #[error("no connection within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("{0}")]
    Tls(String),
    #[error("{0}")]
    Tcp(String),
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens TCP and, for https, TLS, within one bound for both.
#[derive(Clone, Debug)]
pub(crate) struct TimedConnector {
    inner: HttpsConnector<HttpConnector>,
    within: Duration,
}

impl Service<Uri> for TimedConnector {
    type Response = Stream;
    type Error = ConnectFailed;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectFailed>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(|e| named(&*e))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (opening, within) = (self.inner.call(to), self.within);
        Box::pin(async move {
            match tokio::time::timeout(within, opening).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(e)) => Err(named(&*e)),
                Err(_) => Err(ConnectFailed::Late(within)),
            }
        })
    }
}

/// Names a failure by the innermost cause: the outer texts only say "connect error".
fn named(error: &(dyn Error + 'static)) -> ConnectFailed {
    let mut last = error;
    loop {
        if let Some(tls) = last.downcast_ref::<rustls::Error>() {
            return ConnectFailed::Tls(tls.to_string());
        }
        // An io::Error hides what it wraps from `source()`, which gives the wrapped error's own
        // source.
        let wrapped = last.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match wrapped.map(|e| e as &(dyn Error + 'static)).or_else(|| last.source()) {
            Some(next) => last = next,
            None => return ConnectFailed::Tcp(last.to_string()),
        }
    }
}
