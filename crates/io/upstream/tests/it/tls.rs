//! TLS: trusted, not trusted, and not TLS at all.

use crate::vendor::{Vendor, serve, whole};
use crate::{call, upstream};
use banjia_upstream::{Config, Endpoint, Roots, SendErrorKind, Upstream, UpstreamError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A vendor behind TLS with a certificate for `localhost`; its base URL and the certificate.
async fn secure_vendor() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(secure) = acceptor.accept(socket).await {
                tokio::spawn(serve(secure, vec![vec![whole("200 OK", "{}")]], Arc::default()));
            }
        }
    });
    (base, cert.pem())
}

fn trusting(file: &Path) -> Result<Upstream, UpstreamError> {
    Upstream::new(&Config { roots: Roots::File(file.to_owned()), ..Config::default() })
}

#[tokio::test]
async fn a_certificate_needs_a_configured_root() {
    let (base, pem) = secure_vendor().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    std::fs::write(&file, pem).unwrap();
    let endpoint = Endpoint::new(&base, "/x").unwrap();
    let reply = trusting(&file).unwrap().send(call(&endpoint)).await.unwrap();
    assert_eq!(reply.body.collect(100).await.unwrap(), "{}");

    let error = upstream().send(call(&endpoint)).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Tls, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");

    let address = Endpoint::new(&base.replace("localhost", "127.0.0.1"), "/x").unwrap();
    let error = trusting(&file).unwrap().send(call(&address)).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Tls, "the certificate names another host: {error}");
}

#[tokio::test]
async fn a_vendor_that_does_not_speak_tls_is_a_tls_failure() {
    let plain = Vendor::answering_at_once("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let endpoint = Endpoint::new(&plain.replace("http://", "https://"), "/x").unwrap();
    let error = upstream().send(call(&endpoint)).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Tls, "{error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    assert!(matches!(trusting(&file), Err(UpstreamError::NoRoots { .. })), "no such file");
    std::fs::write(&file, "hello").unwrap();
    assert!(matches!(trusting(&file), Err(UpstreamError::NoRoots { .. })), "no certificate in it");
}
