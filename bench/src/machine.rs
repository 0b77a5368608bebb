//! Processor time and memory, as Linux tells them under `/proc`.

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;
use std::time::Duration;

/// Lets the calling thread, and what it starts from now on, run on this core only.
pub fn pin(core: usize) -> anyhow::Result<()> {
    pin_to(&[core])
}

/// Lets the calling thread, and what it starts from now on, run on these cores only.
pub fn pin_to(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).with_context(|| format!("cores {cores:?} cannot be used; name others"))
}

/// Processor time that a process and its threads have used, in user and system mode.
///
/// The sum over the threads is exact to the nanosecond but forgets those that have ended; the
/// process's own figure forgets nothing but comes in steps of 10 ms. The larger is nearer the
/// truth.
pub fn used(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("{path}: has the process ended?"))?;
    // The second field is the program's name in brackets and may hold anything; what follows it is
    // plain.
    let (_, fields) = text.rsplit_once(')').context("an odd stat line")?;
    let ticks = |place: usize| fields.split_ascii_whitespace().nth(place)?.parse::<u64>().ok();
    let sum = ticks(11).zip(ticks(12)).map(|(user, system)| user + system).context("an odd stat line")?;
    let whole = Duration::from_micros(sum * 1_000_000 / rustix::param::clock_ticks_per_second());
    Ok(whole.max(used_by_threads(pid)?))
}

fn used_by_threads(pid: u32) -> anyhow::Result<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        sum += text.split_ascii_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

/// Processor time that everything on this machine has used.
pub fn used_by_all() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("an empty /proc/stat")?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, then irq and softirq after idle and iowait.
    let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|&place| ticks.get(place)).sum();
    Ok(Duration::from_micros(busy * 1_000_000 / rustix::param::clock_ticks_per_second()))
}

/// Memory of a process that is in RAM, in bytes.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context("an odd VmRSS")?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_time_and_memory() {
        let pid = std::process::id();
        let before = used(pid).unwrap();
        assert!(before <= used(pid).unwrap() && before > Duration::ZERO);
        assert!(used_by_all().unwrap() > Duration::ZERO);
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(used(u32::MAX).is_err());
    }
}
