//! Measures good answers a second at more and more connections, all of which ask again as soon as
//! they have an answer.
//!
//!     cargo run --release --manifest-path bench/Cargo.toml --bin overload
//!
//! The proxy, the vendor and the clients share the cores, and each of them pays more for a
//! connection when there are more of them. So the bare proxy takes turns with the gateway under the
//! same load: what it keeps of its own best is what this machine allows. The figures that are
//! compared are good answers a second for each core that other programs left. The program ends with
//! an error if the gateway keeps less than `--at-least` of what the bare proxy keeps.

use anyhow::{Context as _, ensure};
use banjia_bench::cases::{self, Case};
use banjia_bench::load;
use banjia_bench::rig::{self, CLIENT_KEY, Proxy};
use banjia_bench::{bare, machine, mock};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;

/// Good answers a second under overload. Needs Linux.
#[derive(Debug, Parser)]
struct Options {
    /// The gateway's program. Without it this checkout is built with the profile `dist` and taken.
    #[arg(long, value_name = "PATH")]
    gateway: Option<PathBuf>,
    /// Numbers of connections; the last is compared with the best of the others.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 512, 2000])]
    connections: Vec<usize>,
    /// Rounds; in each all numbers take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that each measurement takes.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// Seconds of load before each measurement: long enough for queues to fill.
    #[arg(long, default_value_t = 4.0)]
    warm: f64,
    /// The cores of everything.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1])]
    cores: Vec<usize>,
    /// The least that the gateway must keep of its best with the last number of connections, as a
    /// part of what the bare proxy keeps of its own.
    #[arg(long, default_value_t = 0.9)]
    at_least: f64,
    /// Runs as the bare proxy at this address; for the program itself.
    #[arg(long, hide = true)]
    as_bare: Option<String>,
    /// Where the bare proxy sends requests.
    #[arg(long, hide = true)]
    upstream: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(
        options.connections.len() > 1 && options.rounds > 0,
        "give two numbers of connections and one round or more"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    if let (Some(address), Some(upstream)) = (&options.as_bare, &options.upstream) {
        return local
            .block_on(&runtime, async { bare::serve(TcpListener::bind(address).await?, upstream, CLIENT_KEY).await });
    }
    let program = match &options.gateway {
        Some(path) => std::path::absolute(path)?,
        None => rig::build()?,
    };
    local.block_on(&runtime, measure(&options, &program))
}

async fn measure(options: &Options, program: &Path) -> anyhow::Result<()> {
    machine::pin_to(&options.cores)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = listener.local_addr()?.to_string();
    tokio::task::spawn_local(mock::serve(listener));
    let chat = cases::all().into_iter().find(|case| case.name == "chat").context("the case chat")?;
    let gateway = Proxy::gateway("banjia", program, &upstream, (&options.cores, &options.cores))?;
    let mut proxies = [gateway, Proxy::bare(&upstream, (&options.cores, &options.cores))?];
    for proxy in &mut proxies {
        proxy.ready(std::slice::from_ref(&chat)).await?;
    }
    let mut rates = [(); 2].map(|()| vec![Vec::new(); options.connections.len()]);
    for round in 1..=options.rounds {
        for (at, &connections) in options.connections.iter().enumerate() {
            for (proxy, rates) in proxies.iter().zip(&mut rates) {
                let case = Case { connections, ..chat.clone() };
                rates[at].push(one(options, proxy, &case, round).await?);
            }
        }
    }
    let [gateway, bare] =
        proxies.each_ref().map(|proxy| proxy.name).into_iter().zip(&rates).map(kept).collect::<Vec<_>>()[..]
    else {
        anyhow::bail!("two proxies were measured");
    };
    println!("the gateway keeps {:.2} of what the bare proxy keeps", gateway / bare);
    ensure!(gateway / bare >= options.at_least, "less than {}", options.at_least);
    Ok(())
}

/// Measures once and prints it. Returns good answers a second for each core that other programs
/// left.
async fn one(options: &Options, proxy: &Proxy, case: &Case, round: usize) -> anyhow::Result<f64> {
    let (warm, window) = (Duration::from_secs_f64(options.warm), Duration::from_secs_f64(options.seconds));
    let seen = load::run(case, &proxy.address, CLIENT_KEY, proxy.pid(), warm, window).await?;
    println!(
        "round {round}, {}, {} connections: {:.0} good answers/s, {:.1} us CPU each, {} others ({}), median {:.1} ms, \
         99th {:.1} ms, others used {:.2} cores",
        proxy.name,
        case.connections,
        seen.per_second,
        seen.cpu_micros,
        seen.errors,
        seen.first_error.as_deref().unwrap_or("none"),
        seen.latency[0].as_secs_f64() * 1e3,
        seen.latency[1].as_secs_f64() * 1e3,
        seen.others,
    );
    Ok(seen.per_second / (options.cores.len() as f64 - seen.others).max(0.1))
}

/// Prints the medians of one proxy. Returns the last one as a part of the best.
fn kept((name, rates): (&str, &Vec<Vec<f64>>)) -> f64 {
    let medians: Vec<f64> = rates.iter().cloned().map(median).collect();
    let best = medians.iter().copied().fold(0.0, f64::max);
    let kept = medians.last().copied().unwrap_or_default() / best;
    let shown: Vec<String> = medians.iter().map(|rate| format!("{rate:.0}/s")).collect();
    println!(
        "{name}: medians for each core that others left: {}; the last keeps {kept:.2} of the best",
        shown.join(", ")
    );
    kept
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
