//! Who may be served: every endpoint, every leg, every way to tell an address.

use crate::rig::{Answer, KEY, MOVING, Rig, hello};
use banjia_border::policy::{Exemption, Policy};
use banjia_border::registry::embedded;
use banjia_gateway::config::{AccountConfig, Config, KeyConfig, LimitConfig};
use banjia_gateway::{ActivePolicies, ActivePolicy, keys};
use banjia_types::{Outcome, Timestamp, VerdictKind};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const EXAMPLE: &str = include_str!("../../../../core/border/policies/openai-2024.toml");
const HONG_KONG: &str = "47.75.0.1";
const HONG_KONG_V6: &str = "2406:da1e::1";
const TAIWAN: &str = "168.95.1.1";
const UNITED_STATES: &str = "18.204.0.1";
const BODY: &str = r#"{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}"#;

fn moment(text: &str) -> Timestamp {
    banjia_types::calendar::moment(banjia_types::calendar::read(text).unwrap(), chrono_tz::Tz::Asia__Shanghai)
}

fn rules(text: &str) -> ActivePolicies {
    let policy = Policy::parse(text, embedded()).unwrap_or_else(|problems| panic!("{problems:?}"));
    ActivePolicies {
        policies: vec![ActivePolicy { policy: Arc::new(policy), is_paused: false }],
        ..ActivePolicies::default()
    }
}

fn behind_a_proxy(config: &mut Config) {
    config.border.peer.trusted = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    config.border.peer.header = "x-forwarded-for".to_owned().try_into().unwrap();
    config.border.check = true;
    config.border.check_account = true;
}

/// A gateway behind a proxy, with the example in force, on a day of 2024.
async fn rig(day: &str, change: impl FnOnce(&mut Config)) -> Rig {
    let rig = Rig::with(|config| {
        behind_a_proxy(config);
        change(config);
    })
    .await;
    rig.gateway.set_border(rules(EXAMPLE));
    rig.clock.set(moment(day));
    rig
}

/// A request as a proxy passes it on.
async fn from(rig: &Rig, path: &str, hops: &str) -> Answer {
    let mut request = match path {
        "/v1/chat/completions" => rig.request(path, hello(MOVING, false).to_string()),
        "/v1/embeddings" => rig.request(path, r#"{"model":"text-embedding-3-small","input":"x"}"#),
        _ => {
            Request::get(rig.url(path)).header("authorization", format!("Bearer {KEY}")).body(Full::default()).unwrap()
        }
    };
    request.headers_mut().insert("x-forwarded-for", hops.parse().unwrap());
    rig.send(request).await
}

async fn chat(rig: &Rig, hops: &str) -> Answer {
    from(rig, "/v1/chat/completions", hops).await
}

#[tokio::test]
async fn on_its_day_the_block_answers_on_every_endpoint() {
    let rig = rig("2024-07-09T00:01", |_| {}).await;
    for path in ["/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/gpt-4o"] {
        for hops in [HONG_KONG, HONG_KONG_V6, "::ffff:47.75.0.1"] {
            let answer = from(&rig, path, hops).await;
            assert_eq!(answer.is(403).body, BODY, "{path}");
            assert_eq!(answer.header("x-should-retry"), "false");
            let said = answer.header("x-banjia-border");
            assert!(said.starts_with("block; policy=openai-2024@1; rule=list.network; case="), "{said}");
        }
        for hops in [TAIWAN, UNITED_STATES] {
            let answer = from(&rig, path, hops).await;
            answer.is(200);
            assert_eq!(answer.header("x-banjia-border"), "");
        }
    }
    let rows = rig.rows().await;
    let blocked: Vec<_> = rows.iter().filter(|row| row.status == 403).collect();
    assert_eq!(
        blocked.len(),
        12,
        "four endpoints, three addresses: a refused look at the models is refused traffic as well"
    );
    for row in blocked {
        let note = row.border.as_deref().unwrap();
        assert_eq!(
            (row.outcome, note.verdict, note.rule.as_ref()),
            (Outcome::Refused, VerdictKind::Block, "list.network")
        );
        assert_eq!(note.network.unwrap().to_string(), "HK");
        assert!(["47.75.0.0/24", "2406:da1e::/48"].contains(&note.address.as_deref().unwrap()));
    }
    assert!(rig.sandbox.counts().values().all(|counts| !counts.statuses.contains_key(&403)));
}

#[tokio::test]
async fn from_the_notice_on_headers_tell_the_dates() {
    let rig = rig("2024-06-24T23:59", |_| {}).await;
    assert_eq!(chat(&rig, HONG_KONG).await.is(200).header("deprecation"), "", "before the notice nobody is told");
    rig.clock.set(moment("2024-06-25T00:01"));
    let answer = chat(&rig, HONG_KONG).await;
    answer.is(200);
    assert_eq!(answer.header("deprecation"), "@1719244800");
    assert_eq!(answer.header("sunset"), "Mon, 08 Jul 2024 16:00:00 GMT");
    assert!(answer.header("x-banjia-border").starts_with("notice; "));
    assert_eq!(answer.header("cache-control"), "private");
    assert_eq!(from(&rig, "/v1/models", HONG_KONG).await.is(200).header("deprecation"), "@1719244800");
    assert_eq!(chat(&rig, UNITED_STATES).await.is(200).header("deprecation"), "");
}

#[tokio::test]
async fn the_notice_page_is_linked_by_both_standards() {
    let rig = rig("2024-06-26", |_| {}).await;
    rig.gateway.set_border(rules(&EXAMPLE.replace("unknown = ", "link = \"https://example.com/border\"\nunknown = ")));
    let page = "<https://example.com/border>";
    let linked = format!("{page}; rel=\"deprecation\", {page}; rel=\"sunset\"");
    assert_eq!(chat(&rig, HONG_KONG).await.is(200).header("link"), linked);
    assert_eq!(chat(&rig, TAIWAN).await.is(200).header("link"), "");
    rig.clock.set(moment("2024-07-10"));
    assert_eq!(chat(&rig, HONG_KONG).await.is(403).header("link"), linked);
}

#[tokio::test]
async fn a_clock_that_steps_back_is_followed_at_once() {
    let rig = rig("2024-07-10", |_| {}).await;
    for (day, status) in [("2024-07-10", 403), ("2024-06-30", 200), ("2024-07-09", 403), ("2024-06-01", 200)] {
        rig.clock.set(moment(day));
        chat(&rig, HONG_KONG).await.is(status);
    }
}

#[tokio::test]
async fn a_brownout_has_its_own_code_and_is_not_retried() {
    let rig = rig("2024-07-07T12:00", |_| {}).await;
    let mut seen = [0, 0];
    for slice in 0..24 {
        rig.clock.set(moment("2024-07-07T10:00") + Duration::from_mins(5) * slice + Duration::from_mins(1));
        let answer = chat(&rig, HONG_KONG).await;
        if answer.status == 403 {
            let said = answer.is_error(403, Some("region_brownout"));
            assert!(said.contains("2024-07-09 00:00 CST"), "{said}");
            assert_eq!(answer.header("x-should-retry"), "false");
            seen[0] += 1;
        } else {
            answer.is(200);
            seen[1] += 1;
        }
        chat(&rig, UNITED_STATES).await.is(200);
    }
    assert!(seen[0] > 4 && seen[1] > 4, "about half of the time: {seen:?}");
}

#[tokio::test]
async fn a_forged_address_changes_nothing() {
    let rig = rig("2024-07-10", |_| {}).await;
    for hops in [
        format!("{UNITED_STATES}, {HONG_KONG}"),
        format!("{UNITED_STATES},{UNITED_STATES},{HONG_KONG}, 127.0.0.9"),
        format!("{UNITED_STATES}, nonsense"),
        format!("{UNITED_STATES}, unknown"),
        "nonsense".to_owned(),
        ",".repeat(9000),
    ] {
        assert_eq!(chat(&rig, &hops).await.is(403).body, BODY, "{hops}");
    }
    let mut request = rig.request("/v1/chat/completions", hello(MOVING, false).to_string());
    for (name, value) in [
        ("forwarded", format!("for={UNITED_STATES}")),
        ("x-real-ip", UNITED_STATES.to_owned()),
        ("cf-connecting-ip", UNITED_STATES.to_owned()),
        ("x-banjia-account", "somebody".to_owned()),
    ] {
        request.headers_mut().insert(http::HeaderName::from_static(name), value.parse().unwrap());
    }
    assert_eq!(rig.send(request).await.is(403).body, BODY, "the header that counts is missing");
}

#[tokio::test]
async fn the_accounts_record_counts_beside_the_address() {
    let rig = rig("2024-07-10", |config| {
        let account = AccountConfig {
            residence: Some("CN".parse().unwrap()),
            facts_source: Some("sign-up".to_owned()),
            ..AccountConfig::new("beijing")
        };
        config.accounts.push(account);
        let hash = keys::hash(None, "sk-beijing");
        config.keys.push(KeyConfig { id: "b".into(), hash, account: "beijing".into(), limits: LimitConfig::default() });
    })
    .await;
    let ask = || {
        let mut request = rig.request("/v1/chat/completions", hello(MOVING, false).to_string());
        request.headers_mut().insert("authorization", "Bearer sk-beijing".parse().unwrap());
        request.headers_mut().insert("x-forwarded-for", UNITED_STATES.parse().unwrap());
        request
    };
    let answer = rig.send(ask()).await;
    assert!(answer.is(403).header("x-banjia-border").contains("rule=list.residence"));
    let granted = Exemption {
        id: "7".to_owned(),
        account: "beijing".into(),
        owner: "kim".to_owned(),
        reason: "moving office".to_owned(),
        from: moment("2024-07-01"),
        until: moment("2024-08-01"),
    };
    rig.gateway.set_border(ActivePolicies { exemptions: vec![granted], ..rules(EXAMPLE) });
    rig.send(ask()).await.is(200);
    rig.clock.set(moment("2024-08-01"));
    rig.send(ask()).await.is(403);
}

#[tokio::test]
async fn no_side_request_goes_where_callers_are_unserved() {
    let rig = Rig::with(behind_a_proxy).await;
    for hops in [HONG_KONG, HONG_KONG_V6] {
        let answer = chat(&rig, hops).await;
        assert_eq!(answer.is(200).header("x-banjia-target"), "zhipu/glm-4.6");
    }
    assert_eq!(chat(&rig, UNITED_STATES).await.is(200).header("x-banjia-target"), "openai/gpt-4o");
    let mut alone = rig.request("/v1/chat/completions", hello("one-openai", false).to_string());
    alone.headers_mut().insert("x-forwarded-for", HONG_KONG.parse().unwrap());
    let answer = rig.send(alone).await;
    assert_eq!(answer.is(403).body, BODY);
    assert_eq!(answer.header("x-should-retry"), "false");
    let said = answer.header("x-banjia-border");
    assert!(said.starts_with("block; list=openai-") && said.ends_with("rule=list.network"), "{said}");
    assert_eq!(
        rig.sandbox.counts()["openai"].requests,
        1,
        "nothing from Hong Kong reached a vendor that does not serve it"
    );
}

#[tokio::test]
async fn a_demand_of_the_law_is_answered_451() {
    let rig = rig("2024-07-10", |_| {}).await;
    let rule = "[[rule]]\nid = \"court\"\nwhen = { network = [\"TW\"] }\nverdict = \"block\"\n\
                legal_demand = { by = \"a court\", link = \"https://example.com/who-blocks\" }\n";
    rig.gateway.set_border(rules(&format!("{EXAMPLE}{rule}")));
    let answer = chat(&rig, TAIWAN).await;
    let said = answer.is_error(451, Some("unavailable_for_legal_reasons"));
    assert!(said.contains("a court"));
    assert_eq!(answer.header("link"), "<https://example.com/who-blocks>; rel=\"blocked-by\"");
    assert_eq!(chat(&rig, HONG_KONG).await.is(403).body, BODY);
    // nginx passes on 403 only, and the ledger says what was answered.
    check(&rig, "/border/check", TAIWAN, None).await.is(403);
    check(&rig, "/border/envoy", TAIWAN, None).await.is(451);
    let rows = rig.rows().await;
    let mut checks: Vec<_> = rows.iter().filter(|row| row.endpoint == "check").map(|row| row.status).collect();
    checks.sort_unstable();
    assert_eq!(checks, [403, 451]);
}

#[tokio::test]
async fn a_refused_look_at_the_models_is_in_the_ledger() {
    let rig = rig("2024-07-10", |_| {}).await;
    from(&rig, "/v1/models", UNITED_STATES).await.is(200);
    for hops in [HONG_KONG, HONG_KONG_V6] {
        assert_eq!(from(&rig, "/v1/models", hops).await.is(403).body, BODY);
    }
    let rows = rig.rows().await;
    let seen: Vec<_> = rows.iter().map(|row| (&*row.endpoint, row.outcome, row.status)).collect();
    assert_eq!(seen, [("models", Outcome::Refused, 403); 2], "an allowed look is no request");
    let note = rows[0].border.as_ref().unwrap();
    assert_eq!((note.network, &*note.rule), (Some("HK".parse().unwrap()), "list.network"));
}

/// A stream from Hong Kong under a policy that does this to streams: it has begun when this returns.
async fn begun(rig: &Rig, streams: &str, before_the_block: Duration) -> Response<Incoming> {
    rig.gateway.set_border(rules(&EXAMPLE.replace("streams = \"finish\"", &format!("streams = \"{streams}\""))));
    rig.clock.set(moment("2024-07-09") - before_the_block);
    let mut request = rig.request("/v1/chat/completions", hello(MOVING, true).to_string());
    request.headers_mut().insert("x-forwarded-for", HONG_KONG.parse().unwrap());
    rig.client.request(request).await.unwrap()
}

async fn read(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

#[tokio::test]
async fn a_policy_may_let_streams_finish() {
    let rig = rig("2024-07-08T12:00", |_| {}).await;
    rig.slow(20);
    let response = begun(&rig, "finish", Duration::from_hours(1)).await;
    assert_eq!(response.status(), 200);
    rig.clock.set(moment("2024-07-09T01:00"));
    read(response).await.is(200).events().is_whole(0, "stop");
    assert_eq!(rig.rows().await.remove(0).outcome, Outcome::Answered);
    chat(&rig, HONG_KONG).await.is(403);
}

#[tokio::test]
async fn a_policy_may_end_streams_at_its_moment() {
    let rig = rig("2024-07-08T12:00", |_| {}).await;
    // The second piece would come in an hour: only the border ends this stream. How long before the moment it has to begin
    // depends on the machine, and one that came too late is simply refused.
    rig.slow(3_600_000);
    let mut before = Duration::from_millis(50);
    let response = loop {
        let response = begun(&rig, "end", before).await;
        if response.status() == 200 {
            break response;
        }
        assert_eq!((response.status().as_u16(), before < Duration::from_mins(1)), (403, true));
        before *= 2;
    };
    let answer = read(response).await;
    assert!(rig.clock.now() >= moment("2024-07-09"), "not before the moment");
    answer.is(200).events().is_broken();
    assert!(String::from_utf8_lossy(&answer.body).contains("unsupported_country_region_territory"));
    assert_eq!(rig.rows().await.pop().unwrap().outcome, Outcome::Failed);
    assert!(rig.alerts.lock().unwrap().is_empty(), "the border's end is no vendor's refusal");
}

#[tokio::test]
async fn a_paused_policy_still_records_the_place() {
    let rig = rig("2024-07-10", |_| {}).await;
    let mut paused = rules(EXAMPLE);
    paused.policies[0].is_paused = true;
    rig.gateway.set_border(paused);
    chat(&rig, HONG_KONG).await.is(200);
    let note = rig.rows().await.remove(0).border.unwrap();
    assert_eq!((note.verdict, note.rule.as_ref()), (VerdictKind::Allow, "list.network"));
    rig.gateway.set_border(ActivePolicies::default());
    chat(&rig, HONG_KONG).await.is(200);
    assert!(rig.rows().await.iter().any(|row| row.border.as_ref().is_some_and(|note| note.policy.is_none())));
}

#[tokio::test]
async fn each_kind_of_case_is_written_to_the_audit_once() {
    let rig = rig("2024-07-10", |_| {}).await;
    for _ in 0..5 {
        chat(&rig, HONG_KONG).await.is(403);
        chat(&rig, UNITED_STATES).await.is(200);
    }
    rig.gateway.flush_audit().await;
    let rows = rig.store.audit_page(0, 99).await.unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!((row.entry.kind.as_str(), row.entry.subject.as_str()), ("verdict", "acme"));
        let body: serde_json::Value = serde_json::from_str(row.body.as_deref().unwrap()).unwrap();
        let facts: banjia_border::facts::Facts = serde_json::from_value(body["facts"].clone()).unwrap();
        let policy = Policy::parse(EXAMPLE, embedded()).unwrap();
        let at = Timestamp(body["at"].as_i64().unwrap());
        let again = banjia_border::decide::decide(&policy, &banjia_border::decide::Question::of(&facts, at));
        assert_eq!(again.kind.as_str(), body["verdict"], "computed again from what was stored");
        assert_eq!(again.rule.name(&policy, &[]), body["rule"].as_str().unwrap());
    }
}

#[tokio::test]
async fn another_record_under_the_same_rule_is_another_case() {
    let living_in = |place: &'static str| {
        move |config: &mut Config| {
            behind_a_proxy(config);
            config.accounts.iter_mut().for_each(|account| account.residence = Some(place.parse().unwrap()));
        }
    };
    let rig = rig("2024-07-10", living_in("CN")).await;
    for place in ["CN", "HK"] {
        rig.reload(living_in(place));
        for _ in 0..3 {
            chat(&rig, UNITED_STATES).await.is(403);
        }
    }
    rig.gateway.flush_audit().await;
    assert_eq!(rig.store.audit_page(0, 99).await.unwrap().len(), 2, "once for each record");
}

async fn check(rig: &Rig, path: &str, hops: &str, account: Option<&str>) -> Answer {
    let mut request =
        Request::get(rig.url(path)).header("x-forwarded-for", hops).body(Full::<Bytes>::default()).unwrap();
    if let Some(account) = account {
        request.headers_mut().insert("x-banjia-account", account.parse().unwrap());
    }
    rig.send(request).await
}

#[tokio::test]
async fn other_apis_ask_the_same_border() {
    let rig = rig("2024-07-10", |config| {
        config.accounts.push(AccountConfig { residence: Some("CN".parse().unwrap()), ..AccountConfig::new("beijing") });
    })
    .await;
    check(&rig, "/border/check", TAIWAN, None).await.is(204);
    assert_eq!(check(&rig, "/border/check", HONG_KONG, None).await.is(403).body, BODY);
    check(&rig, "/border/envoy/api/anything?x=1", TAIWAN, None).await.is(200);
    assert_eq!(check(&rig, "/border/envoy/api", HONG_KONG_V6, None).await.is(403).body, BODY);
    check(&rig, "/border/check", UNITED_STATES, Some("stranger")).await.is(204);
    let answer = check(&rig, "/border/check", UNITED_STATES, Some("beijing")).await;
    assert!(answer.is(403).header("x-banjia-border").contains("list.residence"));
    let rows = rig.rows().await;
    assert_eq!(rows.iter().filter(|row| row.endpoint == "check" && row.outcome == Outcome::Refused).count(), 3);
}

#[tokio::test]
async fn who_is_no_trusted_proxy_may_not_ask_and_off_is_off() {
    let stranger = rig("2024-07-10", |config| config.border.peer.trusted = vec!["10.0.0.0/8".parse().unwrap()]).await;
    check(&stranger, "/border/check", TAIWAN, None).await.is_error(403, Some("not_a_trusted_proxy"));
    let off = rig("2024-07-10", |config| (config.border.check, config.border.check_account) = (false, false)).await;
    check(&off, "/border/check", TAIWAN, None).await.is_error(404, Some("unknown_url"));
}

#[tokio::test]
async fn the_account_header_needs_a_trusted_proxy() {
    for (is_believed, status) in [(true, 403), (false, 204)] {
        let rig = rig("2024-07-10", |config| {
            config
                .accounts
                .push(AccountConfig { residence: Some("CN".parse().unwrap()), ..AccountConfig::new("beijing") });
            config.border.check_account = is_believed;
        })
        .await;
        check(&rig, "/border/check", UNITED_STATES, Some("beijing")).await.is(status);
    }
}

/// What the gateway says to bytes on a connection of their own.
async fn bytes(rig: &Rig, bytes: &[u8]) -> String {
    let mut socket = tokio::net::TcpStream::connect(rig.gateway.addr).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    // Bytes that nobody read turn a close into a reset, which is the same answer: none.
    let end = socket.read_to_end(&mut said).await;
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_balancers_first_line_tells_the_address() {
    let rig = rig("2024-07-10", |config| {
        config.border.proxy_protocol = true;
        config.border.peer.header = banjia_border::peer::PeerHeader::None;
    })
    .await;
    let get = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let told = async |line: &str| bytes(&rig, format!("{line}{get}").as_bytes()).await;
    assert!(told("PROXY TCP4 47.75.0.1 10.0.0.1 51000 443\r\n").await.starts_with("HTTP/1.1 403"));
    assert!(told("PROXY TCP4 18.204.0.1 10.0.0.1 51000 443\r\n").await.starts_with("HTTP/1.1 200"));
    assert!(told("PROXY TCP6 2406:da1e::1 fd00::1 51000 443\r\n").await.starts_with("HTTP/1.1 403"));
    // Version 2: a signature, PROXY over TCP and IPv6, and 36 bytes of addresses and ports.
    for (source, status) in [("2406:da1e::1", "HTTP/1.1 403"), ("2600:1f18::1", "HTTP/1.1 200")] {
        let mut line = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
        for address in [source, "fd00::1"] {
            line.extend_from_slice(&address.parse::<std::net::Ipv6Addr>().unwrap().octets());
        }
        line.extend_from_slice(&[0xc7, 0x38, 0x01, 0xbb]);
        line.extend_from_slice(get.as_bytes());
        assert!(bytes(&rig, &line).await.starts_with(status), "{source}");
    }
    // A stranger's line is no header: its connection is its own, and what it wrote is no HTTP.
    let stranger = self::rig("2024-07-10", |config| {
        config.border.proxy_protocol = true;
        config.border.peer.header = banjia_border::peer::PeerHeader::None;
        config.border.peer.trusted = vec!["10.0.0.0/8".parse().unwrap()];
        config.border.home = Some("CN".parse().unwrap());
    })
    .await;
    let line = format!("PROXY TCP4 18.204.0.1 10.0.0.1 51000 443\r\n{get}");
    assert!(bytes(&stranger, line.as_bytes()).await.starts_with("HTTP/1.1 400"));
    assert!(bytes(&stranger, get.as_bytes()).await.starts_with("HTTP/1.1 403"), "it stands in our network, in CN");
    assert_eq!(told("").await, "", "a balancer that says nothing is not served");
    assert_eq!(told("PROXY TCP4 18.204.0.1 10.0.0.1 51000\r\n").await, "");
    assert_eq!(told("PROXY TCP4 18.204.0.1, 10.0.0.1 51000 443\r\n").await, "");
}

#[tokio::test]
async fn a_connection_over_ipv6_is_judged_as_one_over_ipv4() {
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        // A proxy that is trusted: its word for the caller counts, in either family.
        let proxy = rig("2024-07-10", |config| config.serve.bind = bind.parse().unwrap()).await;
        assert_eq!(proxy.gateway.addr.is_ipv6(), bind.starts_with('['));
        for (hops, status) in [(HONG_KONG, 403), (HONG_KONG_V6, 403), (UNITED_STATES, 200), ("::ffff:18.204.0.1", 200)]
        {
            chat(&proxy, hops).await.is(status);
        }
        check(&proxy, "/border/check", HONG_KONG_V6, None).await.is(403);
        // A stranger, whose address is the connection's own: it sits in our network, and its word counts for nothing.
        for (home, status) in [("CN", 403), ("SG", 200)] {
            let stranger = rig("2024-07-10", |config| {
                config.serve.bind = bind.parse().unwrap();
                config.border.peer.trusted = vec!["10.0.0.0/8".parse().unwrap()];
                config.border.home = Some(home.parse().unwrap());
            })
            .await;
            for hops in [HONG_KONG, UNITED_STATES] {
                chat(&stranger, hops).await.is(status);
            }
            check(&stranger, "/border/check", UNITED_STATES, None).await.is_error(403, Some("not_a_trusted_proxy"));
        }
    }
}

#[tokio::test]
async fn a_blocked_caller_is_refused_before_its_body() {
    let rig = rig("2024-07-10", |config| config.serve.body_bytes_max = 1 << 20).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nx-forwarded-for: {HONG_KONG}\r\n\
         content-length: 1000000\r\nconnection: close\r\n\r\n"
    );
    let mut socket = tokio::net::TcpStream::connect(rig.gateway.addr).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 403", "no byte of the body was sent");
}

#[tokio::test]
async fn useless_border_settings_are_problems() {
    let compile = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        banjia_gateway::Snapshot::compile(&config, &crate::rig::profiles())
            .err()
            .map(|problems| problems[0].to_string())
    };
    let said = |change: fn(&mut Config)| compile(change).unwrap_or_default();
    assert_eq!(compile(|_| {}), None);
    assert!(said(|config| config.border.check = true).starts_with("border.check: no proxy is trusted"));
    assert!(said(|config| config.border.home = Some("QQ".parse().unwrap())).contains("no country or territory QQ"));
    assert!(
        said(|config| config
            .accounts
            .push(AccountConfig { residence: Some("UK".parse().unwrap()), ..AccountConfig::new("a") }))
        .starts_with("accounts[0].residence: there is no country or territory UK")
    );
}

#[tokio::test]
async fn a_stream_reads_on_while_the_rules_are_swapped() {
    let rig = rig("2024-07-08T12:00", |_| {}).await;
    rig.slow(5);
    let mut request = rig.request("/v1/chat/completions", hello(MOVING, true).to_string());
    request.headers_mut().insert("x-forwarded-for", HONG_KONG.parse().unwrap());
    let response = rig.client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    rig.clock.set(moment("2024-07-10"));
    rig.gateway.set_border(rules(EXAMPLE));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("[DONE]"), "it keeps the rules that it began with");
    chat(&rig, HONG_KONG).await.is(403);
}
