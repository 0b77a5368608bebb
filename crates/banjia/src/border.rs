//! The border's rules as a running gateway uses them: from the database and the operator's table.
//!
//! Rules: a policy in force that cannot be read stops the start, loudly, since without it everybody would be served; a bad
//! new table or policy changes nothing but the log, and the last good one stays; what else has
//! changed is taken up.

use crate::background;
use crate::reminder::Reminder;
use anyhow::Context;
use banjia_border::mmdb::Mmdb;
use banjia_control::policies::parse;
use banjia_files::{Bounds, FileError, Version, read, version};
use banjia_gateway::{ActivePolicies, ActivePolicy};
use banjia_store::{PolicyState, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Everything that judges at this moment.
pub(crate) async fn rules(store: &Store, mmdb: Option<Arc<Mmdb>>) -> anyhow::Result<ActivePolicies> {
    let rows = store.policies_in_force().await?;
    let policies = rows
        .iter()
        .map(|row| Ok(ActivePolicy { policy: Arc::new(parse(row)?), is_paused: row.state == PolicyState::Paused }))
        .collect::<anyhow::Result<_>>()?;
    Ok(ActivePolicies { policies, exemptions: store.exemptions().await?, mmdb })
}

/// The same while the gateway runs. A policy that cannot be read keeps the version that was in
/// force last, if there was one, and holds up no other policy and no exemption; what is wrong with
/// it is returned beside the rules.
///
/// # Errors
/// The database.
pub(crate) async fn rules_after(
    last: &[ActivePolicy],
    store: &Store,
    mmdb: Option<Arc<Mmdb>>,
) -> anyhow::Result<(ActivePolicies, Vec<anyhow::Error>)> {
    let (mut policies, mut unread) = (Vec::new(), Vec::new());
    for row in store.policies_in_force().await? {
        match parse(&row) {
            Ok(policy) => {
                policies.push(ActivePolicy { policy: Arc::new(policy), is_paused: row.state == PolicyState::Paused });
            }
            Err(error) => {
                policies.extend(last.iter().find(|before| before.policy.id() == row.id).cloned());
                unread.push(error.into());
            }
        }
    }
    Ok((ActivePolicies { policies, exemptions: store.exemptions().await?, mmdb }, unread))
}

/// The largest table of addresses. Tables of countries have about ten million bytes, the largest
/// tables of cities ten times as many.
const TABLE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Time limit for reading a table.
const TABLE_WITHIN: Duration = Duration::from_mins(1);
/// Time limit for reading the size and time of a table's file.
const VERSION_WITHIN: Duration = Duration::from_secs(5);
/// Interval for logging that a table's file still does not answer.
const REMIND_EVERY: Duration = Duration::from_mins(1);

/// The operator's table, and the version of its file.
///
/// The file is polled on a background thread: it may be on a disk that hangs, and checking a whole
/// table takes time.
#[derive(Debug)]
pub(crate) struct Table {
    path: Option<PathBuf>,
    version: Option<Version>,
    /// A poll of the file that has not finished.
    poll: Option<oneshot::Receiver<PollResult>>,
    no_answer: Reminder,
    pub(crate) mmdb: Option<Arc<Mmdb>>,
}

/// Result of a poll: the version and the table if the file changed.
type PollResult = Result<Option<(Version, anyhow::Result<Arc<Mmdb>>)>, FileError>;

impl Table {
    /// Reads the file if one is named. Blocks until the file is read or the time limit has passed.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let mut table = Self {
            path: path.map(Path::to_owned),
            version: None,
            poll: None,
            no_answer: Reminder::every(REMIND_EVERY),
            mmdb: None,
        };
        if let Some(path) = path {
            let said = || format!("cannot read the table of addresses {}", path.display());
            table.version = Some(version(path, VERSION_WITHIN).with_context(said)?);
            table.mmdb = Some(read_table(path)?);
        }
        Ok(table)
    }

    /// The file, if one is named.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Starts to poll the file, unless a poll is running.
    pub(crate) fn start_poll(&mut self) {
        let (Some(path), None) = (self.path.clone(), &self.poll) else { return };
        let known = self.version;
        self.poll = Some(background::run(move || {
            let now = version(&path, VERSION_WITHIN)?;
            if Some(now) == known {
                return Ok(None);
            }
            let table = read_table(&path);
            // A file that changed while it was read is read again at the next poll.
            let is_whole = version(&path, VERSION_WITHIN)? == now;
            Ok(is_whole.then_some((now, table)))
        }));
    }

    /// Waits for the running poll, or forever if none is running. Returns true if there is a new
    /// table. Safe to cancel.
    pub(crate) async fn finish_poll(&mut self) -> bool {
        let Some(poll) = &mut self.poll else { return std::future::pending().await };
        let polled = poll.await;
        self.poll = None;
        let path = self.path.as_deref().unwrap_or(Path::new("")).display();
        match polled {
            Ok(Ok(Some((version, Ok(mmdb))))) => {
                self.version = Some(version);
                tracing::info!(%path, built = %mmdb.built(), "the table of addresses was taken up");
                self.mmdb = Some(mmdb);
                return true;
            }
            Ok(Ok(Some((version, Err(error))))) => {
                self.version = Some(version);
                tracing::error!("{error:#}: the last good table stays");
            }
            Ok(Err(error)) if error.is_no_answer() => {
                if self.no_answer.is_due() {
                    tracing::error!(%path, "the table of addresses cannot be looked at: {error}; the last good one stays");
                }
                return false;
            }
            // A file that is being replaced is missing for a moment.
            Ok(Err(error)) => tracing::debug!(%path, %error, "the table of addresses is not there"),
            Ok(Ok(None)) => {}
            Err(_) => tracing::error!(%path, "the table of addresses was not read to its end; the last good one stays"),
        }
        self.no_answer.reset();
        false
    }
}

fn read_table(path: &Path) -> anyhow::Result<Arc<Mmdb>> {
    let bytes = read(path, Bounds::regular(TABLE_BYTES_MAX, TABLE_WITHIN))
        .with_context(|| format!("cannot read the table of addresses {}", path.display()))?;
    let name = path.file_name().map_or_else(|| "mmdb".to_owned(), |name| name.to_string_lossy().into_owned());
    let mmdb = Mmdb::from_bytes(&name, bytes).with_context(|| format!("{} cannot be used", path.display()))?;
    Ok(Arc::new(mmdb))
}

#[cfg(test)]
#[path = "../../core/border/src/mmdb/written.rs"]
mod written;

#[cfg(test)]
mod tests {
    use super::written::{Value, table};
    use super::*;
    use banjia_store::PolicyRow;
    use std::time::SystemTime;

    /// Polls the file once.
    async fn refresh(table: &mut Table) -> bool {
        table.start_poll();
        table.finish_poll().await
    }

    fn file(built: u64, code: &str) -> Vec<u8> {
        table(built, &[("47.75.0.0/16", Value::Map(vec![("country_code", Value::Text(code))]))])
    }

    fn place(table: &Table) -> String {
        let known = table.mmdb.as_ref().unwrap().look_up("47.75.0.1".parse().unwrap());
        known.unwrap().place.unwrap().to_string()
    }

    /// As an operator does it: a new file moved over the old one. Its time is set, since two writes may fall together.
    fn replace(path: &Path, bytes: &[u8], second: u64) {
        let new = path.with_extension("new");
        std::fs::write(&new, bytes).unwrap();
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_720_483_200 + second);
        std::fs::File::options().write(true).open(&new).unwrap().set_modified(at).unwrap();
        std::fs::rename(&new, path).unwrap();
    }

    #[tokio::test]
    async fn a_table_is_swapped_while_it_is_used_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.mmdb");
        replace(&path, &file(1, "HK"), 1);
        let mut table = Table::open(Some(&path)).unwrap();
        let in_use = table.mmdb.clone().unwrap();
        assert_eq!(place(&table), "HK");
        assert!(!refresh(&mut table).await, "nothing changed");
        replace(&path, &file(2, "SG"), 2);
        assert!(refresh(&mut table).await);
        assert_eq!(place(&table), "SG");
        assert_eq!(in_use.built().0, 1000, "a request that began before keeps what it began with");
        replace(&path, b"no table", 3);
        assert!(!refresh(&mut table).await);
        std::fs::remove_file(&path).unwrap();
        assert!(!refresh(&mut table).await);
        assert_eq!(place(&table), "SG", "the last good one stays");
        replace(&path, &file(3, "JP"), 4);
        assert!(refresh(&mut table).await);
        assert_eq!(place(&table), "JP");
    }

    #[tokio::test]
    async fn a_policy_that_cannot_be_read_holds_up_no_other() {
        let store = Store::open(&banjia_store::Location::Temporary).await.unwrap();
        let row = |id: &str, version, text: &str| PolicyRow {
            id: id.to_owned(),
            version,
            hash: format!("{id}{version}"),
            rule_set: "policy".to_owned(),
            text: text.to_owned(),
            state: PolicyState::Active,
            changed_at: banjia_types::Timestamp(1),
        };
        let by = banjia_store::Actor { actor: "kim", at: banjia_types::Timestamp(1) };
        let text = include_str!("../../core/border/policies/openai-2024.toml");
        let one = parse(&row("x", 1, text)).unwrap();
        let id = one.id().to_owned();
        store.activate_policy(&row(&id, 1, text), by).await.unwrap();
        let before = rules(&store, None).await.unwrap().policies;
        store.activate_policy(&row(&id, 2, "no policy"), by).await.unwrap();
        store.activate_policy(&row("other", 1, "no policy"), by).await.unwrap();
        let (after, unread) = rules_after(&before, &store, None).await.unwrap();
        let labels: Vec<_> = after.policies.iter().map(|rule| rule.policy.label().to_string()).collect();
        assert_eq!((labels, unread.len()), (vec![before[0].policy.label().to_string()], 2), "the last good one stays");
        assert!(rules(&store, None).await.is_err(), "a start is refused");
    }

    #[test]
    fn a_table_that_is_a_device_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.mmdb");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        let error = format!("{:#}", Table::open(Some(&path)).unwrap_err());
        assert!(error.contains("own.mmdb") && error.contains("it is a device"), "{error}");
    }

    #[tokio::test]
    async fn a_table_replaced_by_a_pipe_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.mmdb");
        replace(&path, &file(1, "HK"), 1);
        let mut table = Table::open(Some(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(!refresh(&mut table).await);
        assert_eq!(place(&table), "HK");
    }
}
