//! Reloads of a running gateway: accepted, refused, and files that hang or never end.

use crate::process::{Running, ask, banjia, run};
use crate::serve::{config, serve};
use std::path::Path;
use std::process::Command;

const IN_FORCE: &str = "the new settings are in force";
const STAY: &str = "the old settings stay";
/// Vendors that are never asked.
const NOWHERE: &str = "127.0.0.1:9";
const ONE: (&str, &[&str]) = ("one", &["openai/gpt-4o", "zhipu/glm-4.7"]);
const TWO: (&str, &[&str]) = ("two", &["openai/gpt-4o"]);
const THREE: (&str, &[&str]) = ("three", &["zhipu/glm-4.7"]);

/// Replaces the content of a file in place, as `cp` and editors do.
fn rewrite(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

/// Returns true if a gateway knows the key of [`config`].
async fn is_known(address: &str) -> bool {
    ask(address, "/v1/models", "bj-test", None).await.status == 200
}

fn keys(count: usize) -> String {
    let key = |number| {
        let hash = banjia_gateway::keys::hash(None, &format!("bj-{number}"));
        format!("[[keys]]\nid = \"k{number}\"\naccount = \"a\"\nhash = \"{hash}\"\n")
    };
    (0..count).map(key).collect()
}

/// A gateway with this configuration, ended in order.
struct Gateway {
    folder: tempfile::TempDir,
    process: Running,
    address: String,
}

impl Gateway {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        rewrite(&folder.path().join("banjia.toml"), text);
        let (process, address) = serve(folder.path());
        Self { folder, process, address }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("banjia.toml")
    }

    fn end(mut self) {
        self.process.signal("TERM");
        self.process.wait_for("drained");
        assert!(self.process.end().success());
    }
}

#[tokio::test]
async fn an_emptied_file_changes_nothing() {
    let mut gateway = Gateway::start(&config(NOWHERE, &[ONE]));
    rewrite(&gateway.file(), "");
    gateway.process.wait_for("it takes away 1 of 1 keys: k");
    gateway.process.wait_for(STAY);
    gateway.process.signal("HUP");
    gateway.process.wait_for("SIGHUP, but the new file is not taken up: it takes away 1 of 1 keys");
    gateway.process.wait_for("write allow_shrink = true");
    assert!(is_known(&gateway.address).await);
    gateway.end();
}

#[tokio::test]
async fn a_file_cut_off_between_tables_changes_nothing() {
    let whole = config(NOWHERE, &[ONE]) + &keys(8);
    let mut gateway = Gateway::start(&whole);
    let (cut, _) = whole.split_once("[[keys]]\nid = \"k2\"").unwrap();
    rewrite(&gateway.file(), cut);
    gateway.process.wait_for("it takes away 6 of 9 keys: k2, k3, k4, k5, k6 and 1 more");
    assert_eq!(ask(&gateway.address, "/v1/models", "bj-7", None).await.status, 200);
    rewrite(&gateway.file(), &whole);
    gateway.process.wait_for(IN_FORCE);
    gateway.end();
}

#[tokio::test]
async fn sigusr1_lets_the_file_shrink_once() {
    let mut gateway = Gateway::start(&config(NOWHERE, &[ONE, TWO, THREE]));
    rewrite(&gateway.file(), &config(NOWHERE, &[ONE]));
    gateway.process.wait_for("it takes away 2 of 3 routes: three, two");
    gateway.process.wait_for(STAY);
    gateway.process.signal("USR1");
    gateway.process.wait_for("as was allowed");
    gateway.process.wait_for(&format!("SIGUSR1: {IN_FORCE}"));
    rewrite(&gateway.file(), "");
    gateway.process.wait_for(STAY);
    assert!(is_known(&gateway.address).await, "the word counted once");
    gateway.end();
}

#[tokio::test]
async fn allow_shrink_lets_the_file_shrink() {
    let mut gateway = Gateway::start(&config(NOWHERE, &[ONE, TWO, THREE]));
    rewrite(&gateway.file(), &format!("allow_shrink = true\n{}", config(NOWHERE, &[ONE])));
    gateway.process.wait_for("allow_shrink lets a running gateway take up a file that is cut off");
    gateway.process.wait_for(IN_FORCE);
    gateway.end();
}

#[tokio::test]
async fn one_key_of_three_may_go() {
    let mut gateway = Gateway::start(&(config(NOWHERE, &[ONE]) + &keys(2)));
    rewrite(&gateway.file(), &(config(NOWHERE, &[ONE]) + &keys(1)));
    gateway.process.wait_for(IN_FORCE);
    assert_eq!(ask(&gateway.address, "/v1/models", "bj-1", None).await.status, 401);
    assert!(is_known(&gateway.address).await);
    gateway.end();
}

#[tokio::test]
async fn a_route_of_a_running_move_may_not_go() {
    let mut gateway = Gateway::start(&config(NOWHERE, &[ONE, TWO, THREE]));
    let text = "id = \"q3\"\ndeadline = \"2099-01-01T00:00\"\n[[routes]]\nroute = \"one\"\nsource = \"openai/gpt-4o\"\n\
                destination = \"zhipu/glm-4.7\"\n[gates.parity]\njson = 0.1\n";
    rewrite(&gateway.folder.path().join("move.toml"), text);
    let (status, said, more) = run(banjia(gateway.folder.path()).args(["move", "new", "move.toml"]));
    assert!(status.success(), "{said}{more}");
    // The gateway looks at moves every two seconds, and a smaller file waits as long.
    rewrite(&gateway.file(), &config(NOWHERE, &[TWO, THREE]));
    gateway.process.wait_for("it takes away the route one, which the move q3 moves");
    let without_source: (&str, &[&str]) = ("one", &["zhipu/glm-4.7"]);
    rewrite(&gateway.file(), &config(NOWHERE, &[without_source, TWO, THREE]));
    gateway.process.wait_for("it takes away the target openai/gpt-4o of the route one, the source of the move q3");
    gateway.end();
}

#[tokio::test]
async fn a_file_with_one_bad_part_changes_nothing() {
    let mut gateway = Gateway::start(&config(NOWHERE, &[ONE]));
    for (bad, wanted) in [
        ("[[webhooks]]\nname = \"ops\"\nurl = \"http://hooks.example.com/\"\nsecret = \"hunter2\"\n", "whsec_"),
        ("[geo]\nmmdb = \"none.mmdb\"\n", "none.mmdb"),
        ("[campaigns]\ntemplates = \"none\"\n", "cannot read the template"),
        ("[capture]\nkey = \"0011\"\n", "64 hexadecimal digits"),
    ] {
        // One more route, which must not be taken up without the rest.
        let text = format!("{}{bad}", config(NOWHERE, &[ONE, TWO]));
        rewrite(&gateway.file(), &text);
        gateway.process.wait_for(wanted);
        gateway.process.wait_for(STAY);
        let models = ask(&gateway.address, "/v1/models", "bj-test", None).await;
        assert!(models.text.contains("\"one\"") && !models.text.contains("\"two\""), "{bad}: {}", models.text);
        let (status, said, _) = run(banjia(gateway.folder.path()).arg("check"));
        assert!(
            !status.success() && said.contains(wanted) && !said.contains("hunter2"),
            "check says the same:\n{said}"
        );
    }
    assert!(!gateway.process.has_said("hunter2"));
    gateway.end();
}

#[tokio::test]
async fn a_file_that_becomes_a_pipe_holds_up_nothing() {
    let mut gateway = Gateway::start(&config(NOWHERE, &[ONE]));
    let file = gateway.file();
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    gateway.process.wait_for("it is a named pipe, and a regular file is needed");
    gateway.process.wait_for(STAY);
    gateway.process.signal("HUP");
    gateway.process.wait_for("SIGHUP, but the new file cannot be used");
    assert!(is_known(&gateway.address).await);
    gateway.end();
}

#[tokio::test]
async fn a_file_that_becomes_endless_holds_up_nothing() {
    let mut gateway = Gateway::start(&config(NOWHERE, &[ONE]));
    let file = gateway.file();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    gateway.process.wait_for("it is a device, and a regular file is needed");
    // A large file without a content is refused by its size alone.
    std::fs::remove_file(&file).unwrap();
    std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    gateway.process.signal("HUP");
    gateway.process.wait_for("it has more than 16777216 bytes");
    assert!(is_known(&gateway.address).await);
    gateway.end();
}

#[test]
fn a_signal_without_a_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = banjia(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("BANJIA_KEY", "bj-mine");
    let mut gateway = Running::start(&mut command);
    gateway.wait_for("listening on");
    for (signal, name) in [("HUP", "SIGHUP"), ("USR1", "SIGUSR1")] {
        gateway.signal(signal);
        gateway.wait_for(&format!("{name}: there is no file to reload"));
    }
    gateway.signal("TERM");
    gateway.wait_for("drained");
}

#[test]
fn a_start_refuses_what_never_ends() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero")).unwrap();
    for text in [
        "[[vendors]]\nname = \"openai\"\ncredential = \"file:zero\"\n",
        "[geo]\nmmdb = \"zero\"\n",
        "[mail]\nhost = \"a.example\"\nfrom = \"a@a.example\"\nroots = \"zero\"\n",
    ] {
        rewrite(&folder.path().join("banjia.toml"), text);
        let (status, _, said) = run(banjia(folder.path()).arg("serve"));
        assert!(!status.success() && said.contains("it is a device"), "{said}");
    }
}

#[test]
fn a_pipe_may_be_given_to_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(NOWHERE, &[ONE]);
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/border/policies/openai-2024.toml");
    rewrite(&folder.path().join("c.toml"), &config);
    for (command, good) in [
        ("check <(cat c.toml)".to_owned(), true),
        (format!("border check <(cat {})", policy.display()), true),
        ("check /dev/stdin < c.toml".to_owned(), true),
        ("border check /dev/zero".to_owned(), false),
        ("move check /dev/zero".to_owned(), false),
        ("vendor check /dev/zero".to_owned(), false),
        ("verify /dev/zero".to_owned(), false),
        ("check /dev/zero".to_owned(), false),
        ("survey --captures /dev/zero".to_owned(), false),
    ] {
        let mut shell = Command::new("bash");
        let line = format!("ulimit -v 8000000; exec {} {command}", env!("CARGO_BIN_EXE_banjia"));
        shell.current_dir(folder.path()).arg("-c").arg(line).env("NO_COLOR", "1");
        let (status, said, more) = run(&mut shell);
        assert_eq!(status.success(), good, "{command}: {said}{more}");
        assert!(good || (said + &more).contains("has more than"), "{command}");
    }
}

#[test]
fn a_check_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "Zq3xW8vK1nR7tY5p";
    for text in [
        format!("[[vendors]]\nname = \"openai\"\ncredental = \"{secret}\"\n"),
        format!("[[vendors]]\nname = \"openai\"\ncredential = \"sk-{secret}\n"),
        format!("[[keys]]\nid = \"k\"\naccount = \"a\"\nhash = \"{secret}\"\n"),
        format!("[[vendors]]\nname = \"openai\"\nbase = \"https://user:{secret}@a.example/v1\"\n"),
        format!("[[vendors]]\nname = \"openai\"\nbase = \"https://a.example/v1?key={secret}\"\n"),
        format!("[[vendors]]\n# credential = \"{secret}\"\nnam = \"openai\"\n"),
        format!("[[webhooks]]\nname = \"{secret}\"\nurl = \"{secret}\"\nsecret = \"{secret}\"\n"),
        format!("[[webhook]]\nsecret = \"{secret}\"\n"),
        "[[vendors]]\nname = \"openai\"\ncredential = 12345678\n".to_owned(),
    ] {
        rewrite(&folder.path().join("banjia.toml"), &text);
        for command in ["check", "serve", "cuts"] {
            let mut banjia = banjia(folder.path());
            banjia.arg(command).args((command == "cuts").then_some("list"));
            let (status, said, more) = run(&mut banjia);
            let said = said + &more;
            // A command that sends nothing does not judge secrets.
            assert!(!status.success() || command == "cuts", "{text}");
            assert!(!said.contains(secret) && !said.contains("12345678"), "{command}: {said}");
        }
    }
}

#[test]
fn a_check_of_other_files_shows_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = "sk-proj-9hQ2mZ7LxV4tB8nRk3Ws-Tq6Yd1Fj5Pc0Ge";
    let text = format!("id = \"{key}\"\ndeadline = \"{key}\"\nzone = \"{key}\"\nversion = \"{key}\"\n\"{key}\" = 1\n");
    rewrite(&folder.path().join("a.toml"), &text);
    for command in [["move", "check"], ["border", "check"], ["vendor", "check"]] {
        let (status, said, more) = run(banjia(folder.path()).args(command).arg("a.toml"));
        assert!(!status.success());
        assert!(!(said + &more).contains("9hQ2mZ7L"), "{command:?}");
    }
    let base = format!("https://user:{key}@127.0.0.1.example/v1");
    let probe = ["probe", "openai", "--base", &base];
    let (_, said, more) = run(banjia(folder.path()).args(probe).env("OPENAI_API_KEY", key));
    assert!(!(said.clone() + &more).contains("9hQ2mZ7L"), "{said}{more}");
}
