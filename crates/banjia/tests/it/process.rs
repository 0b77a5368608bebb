//! Starts the binary, reads what it says, talks to it; ends it when a test is over.

use banjia_types::Secret;
use banjia_upstream::{AuthForm, Call, Config, Credential, Endpoint, Origin, Upstream};
use bytes::Bytes;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Nothing in these tests takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The binary, without settings of the machine that runs the test.
pub(crate) fn banjia(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_banjia"));
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("NO_COLOR", "1").env("COLUMNS", "120");
    command
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> (ExitStatus, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A running process and the lines that it says, on both of its streams.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if tell.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    /// The next line that holds `part`.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("nobody said {part:?}; said was:\n{}", self.said.join("\n"));
            };
            self.said.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Whether any line so far, up to the one that was last waited for, holds `part`.
    pub(crate) fn has_said(&self, part: &str) -> bool {
        self.said.iter().any(|line| line.contains(part))
    }

    /// The address after `http://` in the next line that has one after `part`.
    pub(crate) fn wait_for_address(&mut self, part: &str) -> String {
        let line = self.wait_for(part);
        let (_, address) = line.split_once("http://").unwrap();
        address.split_whitespace().next().unwrap().trim_end_matches('.').to_owned()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the process does not end; said was:\n{}", self.said.join("\n"));
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already in most tests, and a test that failed has more to say than that this failed too.
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap_or_default();
        }
    }
}

/// A sandbox with every vendor; returns its address.
pub(crate) fn sandbox(folder: &Path, more: &[&str]) -> (Running, String) {
    let mut sandbox = Running::start(banjia(folder).args(["sandbox", "--listen", "127.0.0.1:0"]).args(more));
    let address = sandbox.wait_for_address("Sandbox vendors listen on");
    (sandbox, address)
}

/// What a client got.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) target: Option<String>,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }
}

/// Sends one request to `http://ADDRESS/PATH`: a POST when there is a body, else a GET.
pub(crate) async fn ask(address: &str, path: &str, key: &str, body: Option<Value>) -> Got {
    let base = format!("http://{address}");
    let credential = Credential::new(&Secret::new(key), &AuthForm::Bearer, [Origin::parse(&base).unwrap()]).unwrap();
    let endpoint = Endpoint::new(&base, path).unwrap();
    let call = match body {
        Some(body) => Call::post(&endpoint, Bytes::from(body.to_string())),
        None => Call::get(&endpoint),
    };
    let upstream = Upstream::new(&Config::default()).unwrap();
    let reply = upstream.send(Call { credential: Some(&credential), ..call }).await.unwrap();
    let target = reply.headers.get("x-banjia-target").map(|value| value.to_str().unwrap().to_owned());
    let text = reply.body.collect(ANSWER_BYTES_MAX).await.unwrap();
    Got { status: reply.status, target, text: String::from_utf8(text.to_vec()).unwrap() }
}

/// A short chat request.
pub(crate) fn chat(model: &str) -> Value {
    serde_json::json!({ "model": model, "messages": [{ "role": "user", "content": "Say hello." }] })
}
