//! A vendor that refuses our region stays cut over restarts, until a person lifts it.

use crate::process::{ask, banjia, run, sandbox};
use crate::serve::{config, serve, status_of};
use serde_json::json;

#[tokio::test]
async fn a_cut_outlives_the_process_and_is_lifted_by_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let (_sandbox, vendors) = sandbox(folder.path(), &[]);
    let routes = [("one", &["openai/gpt-4o", "zhipu/glm-4.7"] as &[&str])];
    std::fs::write(folder.path().join("banjia.toml"), config(&vendors, &routes)).unwrap();
    let fault = json!({ "vendor": "openai", "fault": "region", "next": 1 });
    assert!(ask(&vendors, "/_faults", "none", Some(fault)).await.status < 300);

    let (mut gateway, address) = serve(folder.path());
    assert_eq!(status_of(&address, "one").await, (200, Some("zhipu/glm-4.7".to_owned())));
    gateway.signal("TERM");
    assert!(gateway.end().success());
    let (_, said, _) = run(banjia(folder.path()).args(["cuts", "list"]));
    assert!(said.contains("openai") && said.contains("stands"), "{said}");

    let (mut gateway, address) = serve(folder.path());
    assert_eq!(status_of(&address, "one").await.1.as_deref(), Some("zhipu/glm-4.7"), "the cut outlives the process");
    let (status, _, said) = run(banjia(folder.path()).args(["cuts", "lift", "opnai"]));
    assert!(!status.success() && said.contains("cut are: openai"), "{said}");
    let (status, said, _) = run(banjia(folder.path()).args(["cuts", "lift", "openai"]));
    assert!(status.success() && said.contains("Recorded at"), "{said}");
    gateway.signal("HUP");
    gateway.wait_for("the new settings are in force");
    assert_eq!(status_of(&address, "one").await.1.as_deref(), Some("openai/gpt-4o"));
    let (_, said, _) = run(banjia(folder.path()).args(["cuts", "list"]));
    assert!(said.contains("No vendor is cut"), "{said}");
    let (_, said, _) = run(banjia(folder.path()).args(["cuts", "list", "--all"]));
    assert!(said.contains("lifted 20"), "{said}");
}
