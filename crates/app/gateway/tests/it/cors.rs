//! Web pages that call the gateway.

use crate::rig::{Answer, Rig, hello};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

const APP: &str = "https://app.example";

async fn rig(origins: &[&str]) -> Rig {
    Rig::with(|config| config.serve.cors_origins = origins.iter().map(|&origin| origin.to_owned()).collect()).await
}

fn preflight(rig: &Rig, origin: &str) -> Request<Full<Bytes>> {
    Request::options(rig.url("/v1/chat/completions"))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-stainless-lang")
        .body(Full::default())
        .unwrap()
}

async fn call(rig: &Rig, origin: &str, model: &str) -> Answer {
    let mut request = rig.request("/v1/chat/completions", hello(model, false).to_string());
    request.headers_mut().insert("origin", origin.parse().unwrap());
    rig.send(request).await
}

#[tokio::test]
async fn no_origin_is_allowed_by_default() {
    let rig = Rig::new().await;
    rig.send(preflight(&rig, APP)).await.is(405);
    let answer = call(&rig, APP, "one-openai").await;
    assert_eq!(answer.is(200).header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn an_allowed_page_may_call_and_read() {
    let rig = rig(&["http://localhost:5173", APP]).await;
    let answer = rig.send(preflight(&rig, APP)).await;
    assert_eq!(answer.is(204).header("access-control-allow-origin"), APP);
    assert_eq!(answer.header("access-control-allow-headers"), "authorization,content-type,x-stainless-lang");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    let answer = call(&rig, APP, "one-openai").await;
    assert_eq!(answer.is(200).header("access-control-allow-origin"), APP);
    assert_eq!(answer.header("vary"), "origin");
    assert!(answer.header("access-control-expose-headers").contains("x-banjia-target"));
}

#[tokio::test]
async fn an_allowed_page_may_read_errors() {
    let rig = rig(&[APP]).await;
    let answer = call(&rig, APP, "no-such-model").await;
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    let mut request = rig.request("/v1/chat/completions", "{}");
    request.headers_mut().insert("origin", APP.parse().unwrap());
    request.headers_mut().remove("authorization");
    assert_eq!(rig.send(request).await.is(401).header("access-control-allow-origin"), APP);
}

#[tokio::test]
async fn another_page_is_not_allowed() {
    let rig = rig(&[APP]).await;
    rig.send(preflight(&rig, "https://app.example.evil")).await.is(405);
    let answer = call(&rig, "https://evil.example", "one-openai").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_star_allows_every_page() {
    let rig = rig(&["*"]).await;
    assert_eq!(call(&rig, APP, "one-openai").await.header("access-control-allow-origin"), "*");
}
