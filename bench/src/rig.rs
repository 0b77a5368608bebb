//! The programs of a run: the floor and the gateway on one core, the mock vendor and the
//! clients on another.

use crate::cases::{Case, MODEL, PACED_MODEL, STRUCTURED_MODEL};
use crate::mock::UPSTREAM_KEY;
use crate::{load, machine};
use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The key that clients use.
pub const CLIENT_KEY: &str = "bj-bench-0123456789abcdef0123456789abcdef";
/// How long a proxy may take to give its first answer.
const START_WITHIN: Duration = Duration::from_secs(20);

/// A proxy that is running. It is ended when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// How the table calls it.
    pub name: &'static str,
    /// Where it listens.
    pub address: String,
    child: Child,
    /// Its configuration, database and log; removed after the process.
    folder: TempDir,
}

impl Proxy {
    /// Starts the floor: this program again, in another role.
    pub fn bare(upstream: &str, cores: (&[usize], &[usize])) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--as-bare", &address, "--upstream", upstream]);
        Self::start("bare", address, command, cores, TempDir::new()?)
    }

    /// Starts the gateway at `program` with everything on: key check, limits, ledger. `cores` names
    /// those of the proxy, then those of the load.
    pub fn gateway(
        name: &'static str,
        program: &Path,
        upstream: &str,
        cores: (&[usize], &[usize]),
    ) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let address = free_address()?;
        let config = folder.path().join("banjia.toml");
        std::fs::write(&config, gateway_config(&address, upstream, folder.path())?)?;
        let mut command = Command::new(program);
        command.args(["serve", "--config"]).arg(&config).current_dir(folder.path());
        Self::start(name, address, command, cores, folder)
    }

    fn start(
        name: &'static str,
        address: String,
        mut command: Command,
        (cores, load_cores): (&[usize], &[usize]),
        folder: TempDir,
    ) -> anyhow::Result<Self> {
        let log = File::create(folder.path().join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A child inherits the cores of the thread that starts it, so it never runs anywhere else,
        // not even at first.
        machine::pin_to(cores)?;
        let child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()));
        machine::pin_to(load_cores)?;
        Ok(Self { name, address, child: child?, folder })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers every case rightly.
    pub async fn ready(&mut self, cases: &[Case]) -> anyhow::Result<()> {
        let start = Instant::now();
        while tokio::net::TcpStream::connect(&self.address).await.is_err() {
            let log = self.folder.path().join(format!("{}.log", self.name));
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            ensure!(self.child.try_wait()?.is_none(), "{} ended at once:\n{}", self.name, log());
            ensure!(start.elapsed() < START_WITHIN, "{} does not listen on {}:\n{}", self.name, self.address, log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for case in cases {
            let answer = load::once(case, &self.address, CLIENT_KEY).await;
            answer.with_context(|| format!("{} does not answer the case {:?}", self.name, case.name))?;
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            eprintln!("{} could not be ended", self.name);
        }
    }
}

/// Builds the gateway as it is distributed.
pub fn build() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the checkout")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["build", "--profile", "dist", "--package", "banjia", "--bin", "banjia"]);
    ensure!(command.status().context("cannot start cargo")?.success(), "the gateway does not build");
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    Ok(folder.join("dist/banjia"))
}

/// A port that is free now. Another program may take it first; then the proxy says so and the run
/// ends.
fn free_address() -> anyhow::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Limits are set, and so high that they never refuse: the work of checking them is part of what is
/// measured.
fn gateway_config(address: &str, upstream: &str, folder: &Path) -> anyhow::Result<String> {
    let mut hash = String::from("sha256:");
    for byte in Sha256::digest(CLIENT_KEY.as_bytes()) {
        write!(hash, "{byte:02x}")?;
    }
    let limits =
        "limits = { requests_per_minute = 4000000000, tokens_per_minute = 4000000000, concurrency_max = 100000 }";
    let mut text = format!(
        "[serve]\nbind = {address:?}\n\n[store]\npath = {:?}\n\n\
         [[vendors]]\nname = \"mock\"\nprofile = \"openai-compatible\"\nbase = \"http://{upstream}/v1\"\ncredential = {UPSTREAM_KEY:?}\n\n\
         [[vendors]]\nname = \"plain\"\nprofile = \"deepseek\"\nbase = \"http://{upstream}/v1\"\ncredential = {UPSTREAM_KEY:?}\n\n\
         [[accounts]]\nid = \"bench\"\n{limits}\n\n[[keys]]\nid = \"bench-key\"\naccount = \"bench\"\nhash = {hash:?}\n{limits}\n",
        folder.join("banjia.db").display().to_string(),
    );
    for model in [MODEL, PACED_MODEL] {
        write!(text, "\n[[routes]]\nname = {model:?}\ntargets = [\"mock/{model}\"]\n")?;
    }
    write!(text, "\n[[routes]]\nname = {STRUCTURED_MODEL:?}\ntargets = [\"plain/{STRUCTURED_MODEL}\"]\n")?;
    Ok(text)
}
