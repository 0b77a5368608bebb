//! Measures good answers a second at more and more connections, all of which ask again as soon as
//! they have an answer.
//!
//!     cargo run --release --manifest-path bench/Cargo.toml --bin overload
//!
//! The gateway, the vendor and the clients share the cores, so that more load leaves the gateway
//! less. The figures that are compared are good answers a second for each core that other programs
//! left. It ends with an error if the last number of connections has less than a part of the best of
//! the others.

use anyhow::{Context as _, ensure};
use banjia_bench::cases::{self, Case};
use banjia_bench::load;
use banjia_bench::rig::{self, CLIENT_KEY, Proxy};
use banjia_bench::{machine, mock};
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
    /// The least part of the best that the last number of connections must have.
    #[arg(long, default_value_t = 0.9)]
    at_least: f64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(
        options.connections.len() > 1 && options.rounds > 0,
        "give two numbers of connections and one round or more"
    );
    let program = match &options.gateway {
        Some(path) => std::path::absolute(path)?,
        None => rig::build()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, measure(&options, &program))
}

async fn measure(options: &Options, program: &Path) -> anyhow::Result<()> {
    machine::pin_to(&options.cores)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = listener.local_addr()?.to_string();
    tokio::task::spawn_local(mock::serve(listener));
    let chat = cases::all().into_iter().find(|case| case.name == "chat").context("the case chat")?;
    let mut gateway = Proxy::gateway("banjia", program, &upstream, (&options.cores, &options.cores))?;
    gateway.ready(std::slice::from_ref(&chat)).await?;

    let (warm, window) = (Duration::from_secs_f64(options.warm), Duration::from_secs_f64(options.seconds));
    let mut rates = vec![Vec::new(); options.connections.len()];
    for round in 1..=options.rounds {
        for (connections, rates) in options.connections.iter().zip(&mut rates) {
            let case = Case { connections: *connections, ..chat.clone() };
            let seen = load::run(&case, &gateway.address, CLIENT_KEY, gateway.pid(), warm, window).await?;
            println!(
                "round {round}, {connections} connections: {:.0} good answers/s, {:.1} us CPU each, {} others ({}), median {:.1} ms, 99th {:.1} ms, \
                 others used {:.2} cores",
                seen.per_second,
                seen.cpu_micros,
                seen.errors,
                seen.first_error.as_deref().unwrap_or("none"),
                seen.latency[0].as_secs_f64() * 1e3,
                seen.latency[1].as_secs_f64() * 1e3,
                seen.others,
            );
            rates.push(seen.per_second / (options.cores.len() as f64 - seen.others).max(0.1));
        }
    }
    let medians: Vec<f64> = rates.into_iter().map(median).collect();
    let (last, others) = medians.split_last().context("two numbers of connections")?;
    let best = others.iter().copied().fold(0.0, f64::max);
    println!(
        "medians, for each core that others left: {}",
        medians.iter().map(|rate| format!("{rate:.0}/s")).collect::<Vec<_>>().join(", ")
    );
    println!("the last against the best of the others: {:.2}", last / best);
    ensure!(last / best >= options.at_least, "less than {} of the best", options.at_least);
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
