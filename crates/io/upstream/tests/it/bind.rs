//! What is sent, and what never is: keys to other hosts, headers that speak of somebody's address.

use crate::vendor::{Vendor, send, whole};
use crate::{call, upstream};
use banjia_types::{ErrorClass, Secret};
use banjia_upstream::{AuthForm, Call, Config, Credential, Endpoint, Origin, SendErrorKind, Upstream, UpstreamError};
use http::{HeaderName, HeaderValue};

const KEY: &str = "sk-live-do-not-show";

fn credential(form: &AuthForm, bases: &[&str]) -> Credential {
    Credential::new(&Secret::new(KEY), form, bases.iter().map(|base| Origin::parse(base).unwrap())).unwrap()
}

#[tokio::test]
async fn a_request_has_the_key_and_an_untouched_body() {
    let vendor = Vendor::start(vec![vec![whole("200 OK", "{}")]]).await;
    let endpoint = Endpoint::new(&vendor.base, "/chat/completions").unwrap();
    let (key, id) = (credential(&AuthForm::Bearer, &[&vendor.base]), HeaderValue::from_static("req_1"));
    let extra = [(HeaderName::from_static("openai-project"), HeaderValue::from_static("p"))];
    let call = Call { credential: Some(&key), request_id: Some(&id), headers: &extra, stream: true, ..call(&endpoint) };
    assert_eq!(upstream().send(call).await.unwrap().status, 200);
    let seen = vendor.seen().remove(0);
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /v1/chat/completions HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", vendor.base.trim_start_matches("http://").trim_end_matches("/v1"));
    let agent = format!("user-agent: banjia/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "accept-encoding: identity",
        "accept: text/event-stream",
        "authorization: Bearer sk-live-do-not-show",
        "content-length: 13",
        "content-type: application/json",
        &host,
        "openai-project: p",
        &agent,
        "x-request-id: req_1",
    ];
    assert_eq!(lines, expected);
    assert_eq!(body, "{\"model\":\"m\"}");
}

#[tokio::test]
async fn a_key_may_have_a_header_of_its_own() {
    let vendor = Vendor::start(vec![vec![whole("200 OK", "{}")]]).await;
    let endpoint = Endpoint::new(&vendor.base, "/models").unwrap();
    let key = credential(&AuthForm::Header(HeaderName::from_static("x-api-key")), &[&vendor.base]);
    upstream().send(Call { credential: Some(&key), ..Call::get(&endpoint) }).await.unwrap();
    let seen = vendor.seen().remove(0);
    assert!(seen.starts_with("GET /v1/models HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nx-api-key: sk-live-do-not-show\r\n"), "{seen}");
    assert!(!seen.contains("content-type") && !seen.contains("authorization"), "{seen}");
}

#[tokio::test]
async fn a_key_is_sent_only_where_it_is_bound() {
    let vendor = Vendor::start(vec![vec![whole("200 OK", "{}")]]).await;
    let port = vendor.base.trim_start_matches("http://127.0.0.1:").trim_end_matches("/v1").to_owned();
    let bound = [
        format!("https://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.1.example.com:{port}"),
    ];
    let bound: Vec<&str> = bound.iter().map(String::as_str).collect();
    let endpoint = Endpoint::new(&vendor.base, "/chat/completions").unwrap();
    let key = credential(&AuthForm::Bearer, &bound);
    let error = upstream().send(Call { credential: Some(&key), ..call(&endpoint) }).await.unwrap_err();
    assert_eq!((error.kind(), error.class()), (SendErrorKind::BadHost, ErrorClass::Auth));
    let said = error.to_string();
    assert!(said.contains(&port) && said.contains("was not sent"), "{said}");
    assert!(!said.contains(KEY) && !format!("{error:?} {key:?}").contains(KEY));
    assert_eq!(vendor.seen(), [""; 0], "nothing was sent, not even without the key");
}

#[tokio::test]
async fn the_same_origin_written_otherwise_is_the_same() {
    let vendor = Vendor::start(vec![vec![whole("200 OK", "{}")]]).await;
    let other_path = vendor.base.replace("/v1", "/compatible-mode/v1/");
    let key = credential(&AuthForm::Bearer, &["https://elsewhere.example", &other_path]);
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    assert!(upstream().send(Call { credential: Some(&key), ..call(&endpoint) }).await.is_ok());
    assert_eq!(
        Origin::parse("https://API.example.com:443/v1").unwrap(),
        Origin::parse("https://api.example.com").unwrap()
    );
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let elsewhere = Vendor::start(vec![vec![whole("200 OK", "{}")]]).await;
    let moved = format!("HTTP/1.1 307 Moved\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", elsewhere.base);
    let vendor = Vendor::start(vec![vec![send(&moved)]]).await;
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    let key = credential(&AuthForm::Bearer, &[&vendor.base, &elsewhere.base]);
    let reply = upstream().send(Call { credential: Some(&key), ..call(&endpoint) }).await.unwrap();
    assert_eq!(reply.status, 307);
    assert_eq!((vendor.seen().len(), elsewhere.seen().len()), (1, 0));
}

#[tokio::test]
async fn forwarding_and_own_headers_are_refused() {
    let vendor = Vendor::start(vec![vec![whole("200 OK", "{}")]]).await;
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via", "cf-ipcountry", "authorization", "host", "te"] {
        let headers = [(HeaderName::from_static(name), HeaderValue::from_static("1.2.3.4"))];
        let error = upstream().send(Call { headers: &headers, ..call(&endpoint) }).await.unwrap_err();
        assert_eq!(error.kind(), SendErrorKind::BadHeader, "{name}");
        assert!(error.to_string().contains(name));
    }
    assert_eq!(vendor.seen().len(), 0);
}

#[test]
fn a_bad_base_is_refused_without_its_secrets() {
    let bad = [
        "not a url",
        "ftp://example.com/v1",
        "https://user:pa55@example.com/v1",
        "https://example.com/v1?key=pa55",
        "https://example.com/v1#pa55",
        "https://:pa55:/",
        "file:///etc/passwd",
    ];
    for base in bad {
        let error = Endpoint::new(base, "/x").expect_err(base).to_string();
        assert!(!error.contains("pa55"), "{error}");
    }
    assert!(Endpoint::new("https://example.com", "no-slash").is_err());
    assert!(Endpoint::new("https://example.com", "/a b").is_err());
    let shown = |base, path| Endpoint::new(base, path).unwrap().to_string();
    assert_eq!(shown("https://example.com/v1/", "/chat"), "https://example.com/v1/chat");
    assert_eq!(shown("http://[::1]:8080", "/chat"), "http://[::1]:8080/chat");
    assert_eq!(shown("https://例え.example", ""), "https://xn--r8jz45g.example/");
}

#[test]
fn bad_secrets_and_settings_are_refused() {
    let origin = || [Origin::parse("https://example.com").unwrap()];
    let broken = Credential::new(&Secret::new("sk-a\nb"), &AuthForm::Bearer, origin());
    assert!(matches!(broken, Err(UpstreamError::BadSecret)));
    let unbound = Credential::new(&Secret::new("sk-a"), &AuthForm::Bearer, []);
    assert!(matches!(unbound, Err(UpstreamError::UnboundCredential)));
    let proxied = Config { proxy: Some("http://proxy:3128".to_owned()), ..Config::default() };
    assert!(matches!(Upstream::new(&proxied), Err(UpstreamError::ProxyUnsupported)));
    let small = Config { read_buffer_bytes_max: 100, ..Config::default() };
    assert!(matches!(Upstream::new(&small), Err(UpstreamError::SmallBuffer { found: 100, .. })));
}
