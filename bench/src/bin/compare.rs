//! Measures the gateway beside the bare proxy and prints processor time per request and the ratio.
//!
//!     cargo run --release --manifest-path bench/Cargo.toml --bin compare

use anyhow::ensure;
use banjia_bench::cases::{self, Case};
use banjia_bench::load::{self, Measured};
use banjia_bench::report::{self, Round};
use banjia_bench::rig::{self, CLIENT_KEY, Proxy};
use banjia_bench::{bare, machine, mock};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;

/// The cost of the gateway, as a ratio to the least that any LLM proxy must do. Needs Linux and two
/// cores.
#[derive(Debug, Parser)]
struct Options {
    /// The gateway's program. Without it this checkout is built with the profile `dist` and taken.
    #[arg(long, value_name = "PATH")]
    gateway: Option<PathBuf>,
    /// Another build of the gateway, for example an older one: it takes the bare proxy's turns, and
    /// the ratio is to it.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Cases to run, separated by commas. Default: all.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    cases: Vec<String>,
    /// Rounds; in each the floor and the gateway take turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each measurement takes.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds of load before each measurement.
    #[arg(long, default_value_t = 1.0)]
    warm: f64,
    /// The highest median ratio of each case, for example `chat=1.5,stream=1.1`. A higher one is a
    /// failure.
    #[arg(long, value_delimiter = ',', value_parser = bar, value_name = "CASE=RATIO")]
    ratio_max: Vec<(String, f64)>,
    /// The most idle memory of the gateway, in MiB. More is a failure.
    #[arg(long, value_name = "MIB")]
    idle_memory_max: Option<f64>,
    /// The core of the proxy.
    #[arg(long, default_value_t = 0)]
    gateway_core: usize,
    /// The core of the vendor and the clients.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// The vendor and the clients never sleep, so that no proxy pays for waking them on the other
    /// core. A proxy that leaves them idle for longer pays more often, on this machine only:
    /// between hosts nobody wakes a peer.
    #[arg(long)]
    awake: bool,
    /// Only load the gateway and print its process id, for a profiler.
    #[arg(long)]
    only_gateway: bool,
    /// Print JSON, one line a case.
    #[arg(long)]
    json: bool,
    #[arg(long, hide = true, value_name = "ADDRESS", requires = "upstream")]
    as_bare: Option<String>,
    #[arg(long, hide = true, value_name = "ADDRESS")]
    upstream: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    if let (Some(address), Some(upstream)) = (&options.as_bare, &options.upstream) {
        return local
            .block_on(&runtime, async { bare::serve(TcpListener::bind(address).await?, upstream, CLIENT_KEY).await });
    }
    let chosen = chosen(&options)?;
    let program = match &options.gateway {
        Some(path) => std::path::absolute(path)?,
        None => rig::build()?,
    };
    local.block_on(&runtime, compare(&options, &chosen, &program))
}

/// Reads `CASE=RATIO`.
fn bar(text: &str) -> Result<(String, f64), String> {
    let (case, ratio) = text.split_once('=').ok_or("write CASE=RATIO, for example chat=1.5")?;
    let ratio = ratio.parse().map_err(|_| format!("{ratio:?} is not a number"))?;
    if !cases::all().iter().any(|known| known.name == case) {
        return Err(format!("there is no case {case:?}"));
    }
    Ok((case.to_owned(), ratio))
}

fn chosen(options: &Options) -> anyhow::Result<Vec<Case>> {
    let all = cases::all();
    let names: Vec<&str> = all.iter().map(|case| case.name).collect();
    for name in &options.cases {
        ensure!(names.contains(&name.as_str()), "there is no case {name:?}; the cases are {}", names.join(", "));
    }
    ensure!(
        options.rounds > 0 && options.seconds > 0.0 && options.warm >= 0.0,
        "rounds and seconds must be more than 0"
    );
    let wanted = |case: &Case| options.cases.is_empty() || options.cases.iter().any(|name| name == case.name);
    Ok(all.into_iter().filter(wanted).collect())
}

async fn compare(options: &Options, chosen: &[Case], program: &Path) -> anyhow::Result<()> {
    let (core, load_core) = (options.gateway_core, options.load_core);
    machine::pin(load_core)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = listener.local_addr()?.to_string();
    tokio::task::spawn_local(mock::serve(listener));
    if options.awake {
        // A task that is always ready: between two turns the sockets are asked and never waited
        // for.
        tokio::task::spawn_local(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
    }

    let (gateway, idle) = start_gateway("banjia", program, &upstream, (options, chosen)).await?;
    if options.only_gateway {
        return only_gateway(options, chosen, &gateway).await;
    }
    let mut floor_idle = None;
    let floor = if let Some(path) = &options.against {
        let path = std::path::absolute(path)?;
        let (older, idle) = start_gateway("against", &path, &upstream, (options, chosen)).await?;
        floor_idle = Some(idle);
        older
    } else {
        let mut bare = Proxy::bare(&upstream, (&[core], &[load_core]))?;
        bare.ready(chosen).await?;
        bare
    };

    let mut missed = Vec::new();
    for case in chosen {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            let floor = measure(options, case, &floor).await?;
            let gateway = measure(options, case, &gateway).await?;
            rounds.push(Round { floor, gateway });
        }
        if options.json {
            println!("{}", report::case_json(case, floor.name, &rounds));
        } else {
            println!("{}", report::case(case, floor.name, &rounds));
        }
        let [ratio, ..] = report::spread(rounds.iter().map(Round::ratio));
        for (_, most) in options.ratio_max.iter().filter(|(name, most)| name == case.name && ratio > *most) {
            missed.push(format!("{}: the ratio is {ratio:.2}; at most {most:.2}", case.name));
        }
    }
    print_memory(options, &gateway, idle)?;
    if let Some(idle) = floor_idle {
        print_memory(options, &floor, idle)?;
    }
    let idle_mebibytes = idle as f64 / 1024.0 / 1024.0;
    if let Some(most) = options.idle_memory_max.filter(|most| idle_mebibytes > *most) {
        missed.push(format!("idle memory is {idle_mebibytes:.1} MiB; at most {most:.1} MiB"));
    }
    ensure!(missed.is_empty(), "the bars are missed: {}", missed.join("; "));
    Ok(())
}

/// Starts a gateway and waits until it answers every case. Returns it with its idle memory in
/// bytes.
async fn start_gateway(
    name: &'static str,
    program: &Path,
    upstream: &str,
    (options, chosen): (&Options, &[Case]),
) -> anyhow::Result<(Proxy, u64)> {
    let mut gateway = Proxy::gateway(name, program, upstream, (&[options.gateway_core], &[options.load_core]))?;
    gateway.ready(&[]).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = machine::resident_bytes(gateway.pid())?;
    gateway.ready(chosen).await?;
    Ok((gateway, idle))
}

fn print_memory(options: &Options, proxy: &Proxy, idle: u64) -> anyhow::Result<()> {
    let mebibytes = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let loaded = machine::resident_bytes(proxy.pid())?;
    if options.json {
        println!("{}", serde_json::json!({"name": proxy.name, "idle_bytes": idle, "after_load_bytes": loaded}));
    } else {
        println!(
            "memory of {}: {:.1} MiB idle, {:.1} MiB after the load (aim: idle below 25)",
            proxy.name,
            mebibytes(idle),
            mebibytes(loaded)
        );
    }
    Ok(())
}

async fn measure(options: &Options, case: &Case, proxy: &Proxy) -> anyhow::Result<Measured> {
    let (warm, window) = (Duration::from_secs_f64(options.warm), Duration::from_secs_f64(options.seconds));
    let measured = load::run(case, &proxy.address, CLIENT_KEY, proxy.pid(), warm, window).await?;
    ensure!(
        measured.errors == 0,
        "{} failed {} of {} requests in the case {:?}: {}",
        proxy.name,
        measured.errors,
        measured.requests + measured.errors,
        case.name,
        measured.first_error.as_deref().unwrap_or("unknown"),
    );
    Ok(measured)
}

async fn only_gateway(options: &Options, chosen: &[Case], gateway: &Proxy) -> anyhow::Result<()> {
    println!("banjia runs as process {}", gateway.pid());
    for case in chosen {
        for _ in 0..options.rounds {
            let seen = measure(options, case, gateway).await?;
            println!("{}: {:.1} us CPU/request, {:.0}/s", case.name, seen.cpu_micros, seen.per_second);
        }
    }
    Ok(())
}
