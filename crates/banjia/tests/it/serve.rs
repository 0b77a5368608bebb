//! The gateway from a file: answers, reloads, drains.

use crate::process::{Running, ask, banjia, chat, sandbox};
use serde_json::json;
use std::path::Path;

const KEY: &str = "bj-test";

/// A configuration with these routes.
pub(crate) fn config(sandbox: &str, routes: &[(&str, &[&str])]) -> String {
    let vendors = [("openai", "/openai/v1"), ("zhipu", "/zhipu/api/paas/v4")].map(|(vendor, mount)| {
        let key = banjia_sandbox::key_of(vendor).unwrap();
        format!("[[vendors]]\nname = \"{vendor}\"\nbase = \"http://{sandbox}{mount}\"\ncredential = \"{key}\"\n")
    });
    let route = |(name, targets): &(&str, &[&str])| format!("[[routes]]\nname = \"{name}\"\ntargets = {targets:?}\n");
    let routes: Vec<_> = routes.iter().map(route).collect();
    let hash = banjia_gateway::keys::hash(None, KEY);
    let key = format!("[[accounts]]\nid = \"a\"\n\n[[keys]]\nid = \"k\"\naccount = \"a\"\nhash = \"{hash}\"\n");
    ["[store]\npath = \"ledger.db\"\n", &vendors.concat(), &routes.concat(), &key].join("\n")
}

/// A gateway with the file `banjia.toml` of `folder`.
pub(crate) fn serve(folder: &Path) -> (Running, String) {
    let mut gateway = Running::start(banjia(folder).args(["serve", "--listen", "127.0.0.1:0"]));
    let address = gateway.wait_for_address("listening on");
    (gateway, address)
}

pub(crate) async fn status_of(address: &str, model: &str) -> (u16, Option<String>) {
    let got = ask(address, "/v1/chat/completions", KEY, Some(chat(model))).await;
    (got.status, got.target)
}

#[tokio::test]
async fn a_changed_file_is_taken_up_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (_sandbox, vendors) = sandbox(folder.path(), &[]);
    let file = folder.path().join("banjia.toml");
    std::fs::write(&file, config(&vendors, &[("one", &["zhipu/glm-4.7"])])).unwrap();
    let (mut gateway, address) = serve(folder.path());
    assert_eq!(status_of(&address, "one").await, (200, Some("zhipu/glm-4.7".to_owned())));
    assert_eq!(status_of(&address, "two").await.0, 404);

    let two = [("one", &["zhipu/glm-4.7"] as &[&str]), ("two", &["openai/gpt-4o"])];
    std::fs::write(&file, config(&vendors, &two)).unwrap();
    gateway.wait_for("the new settings are in force");
    assert_eq!(status_of(&address, "two").await, (200, Some("openai/gpt-4o".to_owned())));

    std::fs::write(&file, "[[routes]]\nnam = 1\n").unwrap();
    gateway.wait_for("the old settings stay");
    assert_eq!(status_of(&address, "two").await.0, 200);

    std::fs::write(&file, config(&vendors, &two[..1])).unwrap();
    gateway.wait_for("the new settings are in force");
    gateway.signal("HUP");
    gateway.wait_for("SIGHUP: the new settings are in force");
    assert_eq!(status_of(&address, "two").await.0, 404);
    gateway.signal("TERM");
    gateway.wait_for("drained");
    assert!(gateway.end().success());
}

#[tokio::test]
async fn a_stream_under_way_ends_in_order_while_the_gateway_drains() {
    let folder = tempfile::tempdir().unwrap();
    let (_sandbox, vendors) = sandbox(folder.path(), &["--first-token-ms", "50", "--per-token-ms", "30"]);
    std::fs::write(folder.path().join("banjia.toml"), config(&vendors, &[("one", &["openai/gpt-4o"])])).unwrap();
    let (mut gateway, address) = serve(folder.path());
    let mut body = chat("one");
    body["stream"] = json!(true);
    let mut stream = Stream::open(&address, &body).await;
    assert!(stream.read_some().await.contains("data:"), "the stream has begun");
    gateway.signal("TERM");
    gateway.wait_for("SIGTERM: no new requests");
    let rest = stream.read_all().await;
    assert!(rest.contains("[DONE]") && rest.contains("\"finish_reason\":\"stop\""), "{rest}");
    gateway.wait_for("drained: every request ended");
    assert!(gateway.end().success());
}

#[tokio::test]
async fn without_a_file_everything_comes_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = banjia(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("BANJIA_KEY", "bj-mine").env("ZHIPU_API_KEY", "id.secret");
    let mut gateway = Running::start(&mut command);
    gateway.wait_for("everything comes from the environment");
    let address = gateway.wait_for_address("listening on");
    let got = ask(&address, "/v1/models", "bj-mine", None).await;
    let models = got.json();
    let ids: Vec<_> = models["data"].as_array().unwrap().iter().filter_map(|model| model["id"].as_str()).collect();
    assert!(got.status == 200 && ids.contains(&"glm-4.7"), "{}", got.text);
    assert_eq!(ask(&address, "/v1/models", "bj-other", None).await.status, 401);
    gateway.signal("INT");
    assert!(gateway.end().success());
}

#[tokio::test]
async fn a_pattern_takes_every_name_that_begins_like_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_sandbox, vendors) = sandbox(folder.path(), &[]);
    let routes = [("glm-*", &["zhipu/*"] as &[&str]), ("glm-4.6", &["openai/gpt-4o"]), ("any-*", &["zhipu/glm-4.7"])];
    std::fs::write(folder.path().join("banjia.toml"), config(&vendors, &routes)).unwrap();
    let (mut gateway, address) = serve(folder.path());
    for (model, target) in [("glm-4.7", "zhipu/glm-4.7"), ("glm-4.6", "openai/gpt-4o"), ("any-name", "zhipu/glm-4.7")] {
        assert_eq!(status_of(&address, model).await, (200, Some(target.to_owned())), "{model}");
    }
    for model in ["glm", "glm-*", "other", "*"] {
        assert_eq!(status_of(&address, model).await.0, 404, "{model}");
    }
    let listed = ask(&address, "/v1/models", KEY, None).await;
    assert!(!listed.text.contains('*'), "{}", listed.text);
    let shown = ask(&address, "/v1/models/glm-4.7-new", KEY, None).await;
    assert!(shown.status == 200 && shown.text.contains("\"glm-4.7-new\""), "{}", shown.text);
    gateway.signal("TERM");
    gateway.wait_for("drained");
    assert!(gateway.end().success());
}

#[test]
fn the_start_warns_where_callers_of_unknown_place_are_sent_on() {
    for (more, is_warned) in [("", true), ("serves_unknown = false\n", false), ("serves = \"none\"\n", false)] {
        let folder = tempfile::tempdir().unwrap();
        let text = config("127.0.0.1:9", &[("one", &["openai/gpt-4o"]), ("two", &["zhipu/glm-4.7"])]);
        let text = text.replacen("name = \"openai\"\n", &format!("name = \"openai\"\n{more}"), 1);
        std::fs::write(folder.path().join("banjia.toml"), text).unwrap();
        let (mut gateway, _) = serve(folder.path());
        gateway.signal("TERM");
        gateway.wait_for("drained");
        assert!(gateway.end().success());
        let warning = "callers of whom nothing is known are sent to these vendors";
        assert_eq!(gateway.has_said(warning), is_warned, "{more}");
        assert!(!is_warned || gateway.has_said("vendors=\"openai\""), "and to no other");
    }
}

/// A stream that is read piece by piece.
struct Stream(banjia_upstream::ReplyBody);

impl Stream {
    async fn open(address: &str, body: &serde_json::Value) -> Self {
        use banjia_upstream::{AuthForm, Call, Config, Credential, Endpoint, Origin, Upstream};
        let base = format!("http://{address}");
        let origin = Origin::parse(&base).unwrap();
        let key = Credential::new(&banjia_types::Secret::new(KEY), &AuthForm::Bearer, [origin]).unwrap();
        let endpoint = Endpoint::new(&base, "/v1/chat/completions").unwrap();
        let call = Call { credential: Some(&key), stream: true, ..Call::post(&endpoint, body.to_string().into()) };
        Self(Upstream::new(&Config::default()).unwrap().send(call).await.unwrap().body)
    }

    async fn read_some(&mut self) -> String {
        let chunk = self.0.next_chunk().await.unwrap().unwrap();
        String::from_utf8(chunk.to_vec()).unwrap()
    }

    async fn read_all(mut self) -> String {
        let mut all = Vec::new();
        while let Some(chunk) = self.0.next_chunk().await {
            all.extend_from_slice(&chunk.unwrap());
        }
        String::from_utf8(all).unwrap()
    }
}
