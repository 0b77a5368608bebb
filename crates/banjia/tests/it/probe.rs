//! A probe against the sandbox, whose reading of each vendor's manual is its own.

use crate::process::{banjia, run, sandbox};

fn probe(vendor: &str, mount: &str, key: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (_sandbox, address) = sandbox(folder.path(), &[]);
    let base = format!("http://{address}{mount}");
    let mut command = banjia(folder.path());
    command.args(["probe", vendor, "--base", &base, "--key-env", "KEY"]).env("KEY", key);
    let (status, said, noted) = run(&mut command);
    (status.code(), format!("{said}{noted}"))
}

#[test]
fn the_sandbox_does_what_the_profiles_say() {
    for (vendor, mount) in
        [("zhipu", "/zhipu/api/paas/v4"), ("alibaba", "/alibaba/compatible-mode/v1"), ("baidu", "/baidu/v2")]
    {
        let (_, said) = probe(vendor, mount, banjia_sandbox::key_of(vendor).unwrap());
        for fact in
            ["the key is accepted", "a tool call comes back", "JSON mode gives an object", "a wrong key is an error"]
        {
            assert!(said.contains(&format!("confirmed: {fact}")), "{vendor}: {fact:?} is not confirmed:\n{said}");
        }
    }
}

#[test]
fn a_wrong_key_ends_the_probe_at_once() {
    let (code, said) = probe("zhipu", "/zhipu/api/paas/v4", "id.wrong");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("DIFFERS: the key is accepted") && said.contains("0 confirmed, 1 differ"), "{said}");
}

#[test]
fn nothing_is_sent_to_a_distant_vendor_without_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = banjia(folder.path());
    command.args(["probe", "zhipu", "--base", "https://vendor.invalid/v1", "--key-env", "KEY"]).env("KEY", "id.secret");
    let (status, _, said) = run(&mut command);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("Nothing was sent; say --yes"), "{said}");
}
