//! Wrong keys: counted, said in the log each minute, and answered more slowly the more of them a
//! client address sends.
//!
//! Rules:
//! - Neither a key nor a part of one is kept or logged.
//! - A right key is never delayed, also from an address that sent wrong ones before.
//! - A delay holds a connection and nothing else, so it is left out where connections are scarce or
//!   where many are delayed already. The table of addresses has a bound; addresses beyond it share
//!   one entry.
//! - Trusted proxies are exempt: the client that they name is counted.

use crate::border;
use crate::client_network::client_network;
use crate::config::BorderConfig;
use crate::error::Failure;
use crate::lock::lock;
use http::HeaderMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 16_384;
/// An address that sent no wrong key for this long is forgotten.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);
/// Wrong keys of an address that are answered at once: a person who mistypes is not an attack.
const FREE: u32 = 3;
const DELAY_FIRST: Duration = Duration::from_millis(100);
const DELAY_LAST: Duration = Duration::from_secs(5);
/// Answers that are delayed at once.
const DELAYED_MAX: usize = 512;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct WrongKeys {
    table: Mutex<Table>,
    delayed: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    /// `None` stands for all addresses beyond the bound.
    addresses: HashMap<Option<IpAddr>, Failures>,
    /// Since the last report.
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// Set if one came since the last report.
    is_new: bool,
}

/// A delayed answer's place among those that are delayed. Given back on drop.
struct Delayed<'a>(&'a AtomicUsize);

impl Drop for Delayed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WrongKeys {
    /// Counts the failure if a wrong key caused it, and delays its answer if its client sent many.
    pub(crate) fn observe(
        &self,
        failure: Failure,
        config: &BorderConfig,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Failure {
        if !failure.is_wrong_key() {
            return failure;
        }
        let client = border::client(config, peer, headers).ok().map(|client| client.address);
        failure.delayed(self.count(client.filter(|address| !config.peer.trusts(*address))))
    }

    /// Counts a wrong key. Returns how long its answer is to be delayed.
    pub(crate) fn count(&self, address: Option<IpAddr>) -> Duration {
        let now = Instant::now();
        let mut table = lock(&self.table);
        table.count += 1;
        // Without an address it is a trusted proxy, or nobody knows who it is.
        let Some(address) = address.map(client_network) else { return Duration::ZERO };
        let is_known = table.addresses.contains_key(&Some(address));
        if !is_known && table.addresses.len() >= ADDRESSES_MAX {
            table.forget(now);
        }
        let slot = if is_known || table.addresses.len() < ADDRESSES_MAX { Some(address) } else { None };
        let failures = table.addresses.entry(slot).or_insert(Failures { count: 0, last: now, is_new: true });
        if now - failures.last > REMEMBERED_FOR {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        (failures.last, failures.is_new) = (now, true);
        delay(failures.count)
    }

    /// Waits, unless too many answers wait already. Returns whether it did.
    pub(crate) async fn wait(&self, delay: Duration) -> bool {
        let delayed = Delayed(&self.delayed);
        if delayed.0.fetch_add(1, Ordering::Relaxed) >= DELAYED_MAX {
            return false;
        }
        tokio::time::sleep(delay).await;
        true
    }

    /// Once a minute: logs how many wrong keys came and from how many addresses, and forgets old
    /// addresses.
    pub(crate) fn report(&self) {
        let (keys, addresses) = lock(&self.table).take();
        if keys > 0 {
            tracing::warn!(keys, addresses, "requests with unknown API keys in the last minute");
        }
    }
}

impl Table {
    fn forget(&mut self, now: Instant) {
        self.addresses.retain(|_, failures| now - failures.last <= REMEMBERED_FOR);
    }

    /// The wrong keys since the last report, and the addresses that they came from.
    fn take(&mut self) -> (u64, usize) {
        let addresses =
            self.addresses.values_mut().filter_map(|failures| std::mem::take(&mut failures.is_new).then_some(()));
        let seen = (std::mem::take(&mut self.count), addresses.count());
        self.forget(Instant::now());
        seen
    }
}

fn delay(count: u32) -> Duration {
    let Some(beyond) = count.checked_sub(FREE + 1) else { return Duration::ZERO };
    DELAY_FIRST.saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX)).min(DELAY_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_grows_to_its_bound_and_is_forgotten() {
        let keys = WrongKeys::default();
        let seen: Vec<_> = (0..12).map(|_| keys.count(Some(address(1))).as_millis()).collect();
        assert_eq!(seen, [0, 0, 0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        assert_eq!(keys.count(Some(address(2))), Duration::ZERO, "another address is another client");
        tokio::time::advance(REMEMBERED_FOR + Duration::from_secs(1)).await;
        assert_eq!(keys.count(Some(address(1))), Duration::ZERO);
        assert_eq!((delay(u32::MAX), keys.count(None)), (DELAY_LAST, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_counts_keys_and_addresses() {
        let keys = WrongKeys::default();
        for number in [1, 1, 2] {
            keys.count(Some(address(number)));
        }
        assert_eq!(lock(&keys.table).take(), (3, 2));
        keys.count(Some(address(2)));
        assert_eq!(lock(&keys.table).take(), (1, 1));
        assert_eq!(lock(&keys.table).take(), (0, 0));
        tokio::time::advance(REMEMBERED_FOR * 2).await;
        keys.report();
        assert!(lock(&keys.table).addresses.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_beyond_the_bound_share_one_entry() {
        let keys = WrongKeys::default();
        for number in 0..ADDRESSES_MAX as u32 + 100 {
            keys.count(Some(address(number)));
        }
        assert_eq!(lock(&keys.table).addresses.len(), ADDRESSES_MAX + 1);
        assert!(keys.count(Some(address(u32::MAX))) > Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_left_out_when_many_wait() {
        let keys = WrongKeys::default();
        keys.delayed.store(DELAYED_MAX, Ordering::Relaxed);
        let begun = Instant::now();
        assert!(!keys.wait(DELAY_LAST).await);
        assert_eq!((begun.elapsed(), keys.delayed.load(Ordering::Relaxed)), (Duration::ZERO, DELAYED_MAX));
        keys.delayed.store(0, Ordering::Relaxed);
        assert!(keys.wait(DELAY_LAST).await);
        assert_eq!((begun.elapsed(), keys.delayed.load(Ordering::Relaxed)), (DELAY_LAST, 0));
    }
}
