//! Places for connections: their number, the part of one client, and when they become scarce.
//!
//! Rules:
//! - A connection has a place before it is accepted.
//! - One client address has a part of the places only. Trusted proxies are exempt: many clients
//!   stand behind them. IPv6 clients are counted by their /64, which is the smallest network that a
//!   provider gives to one customer.
//! - While most places are taken, a head has less time to come, also on connections that were open
//!   before.

use crate::client_network::client_network;
use crate::config::ServeConfig;
use crate::lock::lock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Under pressure a head has this part of its usual time, but at least [`HEADER_READ_MIN`].
const PRESSURE_DIVISOR: u32 = 10;
const HEADER_READ_MIN: Duration = Duration::from_secs(1);
/// A longer time is as good as none, and cannot be added to a moment.
const HEADER_READ_MAX: Duration = Duration::from_hours(24 * 365);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    places_max: usize,
    per_address_max: usize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    is_scarce: AtomicBool,
    header_read: Duration,
    header_read_scarce: Duration,
}

/// A place of one connection. Given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    /// The address that it is counted under; `None` if it is exempt.
    client: Option<IpAddr>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Connections {
    pub(super) fn new(serve: &ServeConfig) -> Arc<Self> {
        let places_max = serve.connections_max.min(Semaphore::MAX_PERMITS);
        let header_read = Duration::from_millis(serve.header_read_ms.max(1)).min(HEADER_READ_MAX);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places_max)),
            places_max,
            per_address_max: serve.connections_per_address_max(),
            by_address: Mutex::default(),
            is_scarce: AtomicBool::new(false),
            header_read,
            header_read_scarce: (header_read / PRESSURE_DIVISOR).max(HEADER_READ_MIN).min(header_read),
        })
    }

    /// Waits for a free place.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        let permit = self.places.clone().acquire_owned().await.expect("the semaphore is never closed");
        Place { connections: self.clone(), client: None, permit: Some(permit) }
    }

    /// The longest wait for a head at present.
    pub(super) fn header_read(&self) -> Duration {
        if self.is_scarce() { self.header_read_scarce } else { self.header_read }
    }

    /// True while most places are taken.
    pub(super) fn is_scarce(&self) -> bool {
        self.is_scarce.load(Ordering::Relaxed)
    }

    /// Looks how many places are taken. Returns whether they have become scarce by that.
    pub(super) fn observe(&self) -> bool {
        let taken = self.places_max - self.places.available_permits().min(self.places_max);
        if taken * 4 > self.places_max * 3 {
            return !self.is_scarce.swap(true, Ordering::Relaxed);
        }
        // Not at the same number, so that one connection that comes and goes does not change it
        // each time.
        if taken * 2 < self.places_max && self.is_scarce() {
            self.is_scarce.store(false, Ordering::Relaxed);
        }
        false
    }
}

impl Place {
    /// Counts the connection under its client's address. Returns whether the client may have one
    /// more.
    pub(super) fn claim(&mut self, client: IpAddr) -> bool {
        let client = client_network(client);
        let mut by_address = lock(&self.connections.by_address);
        let count = by_address.entry(client).or_default();
        if *count >= self.connections.per_address_max {
            return false;
        }
        *count += 1;
        drop(by_address);
        self.client = Some(client);
        true
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(client) = self.client {
            let mut by_address = lock(&self.connections.by_address);
            if let Some(count) = by_address.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&client);
                }
            }
        }
        self.permit = None;
        self.connections.observe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(places: usize, per_address: usize) -> Arc<Connections> {
        Connections::new(&ServeConfig {
            connections_max: places,
            connections_per_address_max: Some(per_address),
            ..ServeConfig::default()
        })
    }

    #[tokio::test]
    async fn an_address_has_no_more_than_its_part() {
        let all = connections(10, 2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let (mut first, mut second, mut third) = (all.place().await, all.place().await, all.place().await);
        assert!(first.claim(one) && second.claim(one) && !third.claim(one));
        assert!(third.claim(other));
        drop(first);
        assert!(all.place().await.claim(one));
        drop((second, third));
        assert!(lock(&all.by_address).is_empty(), "nothing is kept of addresses without connections");
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_are_one_client() {
        let all = connections(10, 1);
        let (mut first, mut second) = (all.place().await, all.place().await);
        assert!(first.claim("2001:db8::1".parse().unwrap()));
        assert!(!second.claim("2001:db8::ffff:2".parse().unwrap()));
        assert!(second.claim("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(client_network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }

    #[tokio::test]
    async fn heads_have_less_time_while_places_are_scarce() {
        let all = connections(8, 8);
        let mut places = Vec::new();
        for _ in 0..6 {
            places.push(all.place().await);
            assert!(!all.observe());
        }
        assert_eq!(all.header_read(), Duration::from_secs(30));
        places.push(all.place().await);
        assert!(all.observe() && !all.observe(), "it is told once");
        assert_eq!(all.header_read(), Duration::from_secs(3));
        places.truncate(4);
        assert!(all.is_scarce());
        places.truncate(3);
        assert!(!all.is_scarce());
    }
}
