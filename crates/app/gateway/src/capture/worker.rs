//! The one task that writes captures.
//!
//! Rules:
//! - Captures are made on a blocking thread, away from the threads that serve, and are written in
//!   one transaction.
//! - If the database cannot be written, the batch is tried until it can. Meanwhile the queue fills
//!   up to its bounds.
//! - If the database refuses a batch because of its contents, it is tried a few times, then given
//!   up and counted.
//! - Captures older than `capture.keep_days` are deleted here too.

use super::{Counters, Job, Recorded, add, seal_key};
use crate::capture_rules::CaptureRules;
use crate::clock::Clock;
use banjia_store::{Capture, EncryptionKey, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// Captures of one transaction.
const BATCH_LEN_MAX: usize = 64;
/// Tries to write a batch that the database refuses because of its contents.
const TRIES_MAX: u32 = 4;
/// The pause after the first failed try; it doubles up to the last.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_LAST: Duration = Duration::from_secs(5);
/// Interval between log lines about captures that cannot be written yet.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// Interval between deletions of old captures.
const FORGET_EVERY: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) struct Worker {
    store: Store,
    rules: Arc<CaptureRules>,
    counters: Arc<Counters>,
    clock: Clock,
    /// Read with the first batch.
    key: Option<EncryptionKey>,
    forget_at: Instant,
}

impl Worker {
    pub(super) fn new(store: Store, rules: Arc<CaptureRules>, counters: Arc<Counters>, clock: Clock) -> Self {
        Self { store, rules, counters, clock, key: None, forget_at: Instant::now() }
    }

    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::with_capacity(BATCH_LEN_MAX);
        loop {
            if timeout(FORGET_EVERY, jobs.recv_many(&mut waiting, BATCH_LEN_MAX)).await == Ok(0) {
                return;
            }
            let (mut batch, mut flushes) = (Vec::new(), Vec::<oneshot::Sender<()>>::new());
            for job in waiting.drain(..) {
                match job {
                    Job::Record(recorded) => batch.push(*recorded),
                    Job::Flush(done) => flushes.push(done),
                }
            }
            if !batch.is_empty() {
                self.take(batch).await;
            }
            for done in flushes {
                // The receiver may have stopped waiting.
                done.send(()).unwrap_or_default();
            }
            self.forget().await;
        }
    }

    async fn take(&mut self, batch: Vec<Recorded>) {
        let bytes: usize = batch.iter().map(Recorded::bytes).sum();
        let count = batch.len() as u64;
        let rules = self.rules.clone();
        let making = tokio::task::spawn_blocking(move || -> Vec<Capture> {
            batch.into_iter().filter_map(|recorded| recorded.capture(&rules.redactor)).collect()
        });
        let written = match making.await {
            Ok(captures) => self.write(&captures).await,
            Err(error) => Err(error.to_string()),
        };
        self.counters.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        match written {
            Ok(()) => add(&self.counters.written, count),
            Err(error) => {
                add(&self.counters.lost, count);
                tracing::error!(error, captures = count, "captures were not written");
            }
        }
    }

    async fn write(&mut self, captures: &[Capture]) -> Result<(), String> {
        let (mut pause, mut refused, mut log_at) = (PAUSE, 0, Instant::now());
        loop {
            let error = match self.try_write(captures).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.may_pass() {
                if Instant::now() >= log_at {
                    log_at = Instant::now() + LOG_EVERY;
                    tracing::error!(%error, captures = captures.len(), "captures cannot be written; they wait");
                }
            } else {
                refused += 1;
                if refused == TRIES_MAX || matches!(error, StoreError::WrongKey { .. } | StoreError::BadKey { .. }) {
                    return Err(error.to_string());
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LAST);
        }
    }

    async fn try_write(&mut self, captures: &[Capture]) -> Result<(), StoreError> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => self.key.insert(seal_key(&self.rules.config, self.store.path())?).clone(),
        };
        self.store.write_captures(captures, &key).await.map(drop)
    }

    async fn forget(&mut self) {
        let keep_days = self.rules.config.keep_days;
        if keep_days == 0 || Instant::now() < self.forget_at {
            return;
        }
        self.forget_at = Instant::now() + FORGET_EVERY;
        match self.store.delete_captures_before(self.clock.now() - DAY * keep_days).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, keep_days, "old captures were forgotten"),
            Err(error) => tracing::error!(%error, "old captures were not forgotten"),
        }
    }
}
