//! The border's rules as a running gateway uses them: from the database and the operator's table.
//!
//! Rules: a policy in force that cannot be read stops the start, loudly, since without it everybody would be served; a bad
//! new table or policy changes nothing but the log, and the last good one stays; what else has
//! changed is taken up.

use anyhow::{Context, anyhow};
use banjia_border::mmdb::Mmdb;
use banjia_border::policy::Policy;
use banjia_border::registry::embedded;
use banjia_gateway::{InForce, Rules};
use banjia_store::{PolicyRow, PolicyState, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Reads a stored policy.
pub(crate) fn policy(row: &PolicyRow) -> anyhow::Result<Policy> {
    Policy::parse(&row.text, embedded()).map_err(|problems| {
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the policy {}@{} cannot be read: {}", row.id, row.version, said.join("; "))
    })
}

/// Everything that judges at this moment.
pub(crate) async fn rules(store: &Store, mmdb: Option<Arc<Mmdb>>) -> anyhow::Result<Rules> {
    let rows = store.policies_in_force().await?;
    let policies = rows
        .iter()
        .map(|row| Ok(InForce { policy: Arc::new(policy(row)?), is_paused: row.state == PolicyState::Paused }))
        .collect::<anyhow::Result<_>>()?;
    Ok(Rules { policies, exemptions: store.exemptions().await?, mmdb })
}

/// The same while the gateway runs. A policy that cannot be read keeps the version that was in
/// force last, if there was one, and holds up no other policy and no exemption; what is wrong with
/// it is returned beside the rules.
///
/// # Errors
/// The database.
pub(crate) async fn rules_after(
    last: &[InForce],
    store: &Store,
    mmdb: Option<Arc<Mmdb>>,
) -> anyhow::Result<(Rules, Vec<anyhow::Error>)> {
    let (mut policies, mut unread) = (Vec::new(), Vec::new());
    for row in store.policies_in_force().await? {
        match policy(&row) {
            Ok(policy) => {
                policies.push(InForce { policy: Arc::new(policy), is_paused: row.state == PolicyState::Paused })
            }
            Err(error) => {
                policies.extend(last.iter().find(|before| before.policy.id() == row.id).cloned());
                unread.push(error);
            }
        }
    }
    Ok((Rules { policies, exemptions: store.exemptions().await?, mmdb }, unread))
}

/// The operator's table, and when its file was last written.
#[derive(Debug)]
pub(crate) struct Table {
    path: Option<PathBuf>,
    written: Option<SystemTime>,
    pub(crate) mmdb: Option<Arc<Mmdb>>,
}

impl Table {
    /// Takes up the file, if one is named.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let mut table = Self { path: path.map(Path::to_owned), written: None, mmdb: None };
        if let Some(path) = path {
            table.written = Some(written(path)?);
            table.mmdb = Some(read(path)?);
        }
        Ok(table)
    }

    /// Takes up a changed file. True when there is a new table.
    pub(crate) async fn refresh(&mut self) -> bool {
        let Some(path) = self.path.clone() else { return false };
        let now = match written(&path) {
            Ok(now) if Some(now) != self.written => now,
            _ => return false,
        };
        self.written = Some(now);
        // A table may be large and all of it is checked: on a thread of its own, since requests may have no other than this one.
        let taken = path.clone();
        let taken = tokio::task::spawn_blocking(move || read(&taken)).await;
        match taken.context("the table of addresses was not read to its end").flatten() {
            Ok(mmdb) => {
                tracing::info!(path = %path.display(), built = %mmdb.built(), "the table of addresses was taken up");
                self.mmdb = Some(mmdb);
                true
            }
            Err(error) => {
                tracing::error!("{error:#}: the last good table stays");
                false
            }
        }
    }
}

fn written(path: &Path) -> anyhow::Result<SystemTime> {
    let said = || format!("cannot read the table of addresses {}", path.display());
    std::fs::metadata(path).and_then(|meta| meta.modified()).with_context(said)
}

fn read(path: &Path) -> anyhow::Result<Arc<Mmdb>> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the table of addresses {}", path.display()))?;
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
        assert!(!table.refresh().await, "nothing changed");
        replace(&path, &file(2, "SG"), 2);
        assert!(table.refresh().await);
        assert_eq!(place(&table), "SG");
        assert_eq!(in_use.built().0, 1000, "a request that began before keeps what it began with");
        replace(&path, b"no table", 3);
        assert!(!table.refresh().await);
        std::fs::remove_file(&path).unwrap();
        assert!(!table.refresh().await);
        assert_eq!(place(&table), "SG", "the last good one stays");
        replace(&path, &file(3, "JP"), 4);
        assert!(table.refresh().await);
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
        let by = banjia_store::By { actor: "kim", at: banjia_types::Timestamp(1) };
        let text = include_str!("../../core/border/policies/openai-2024.toml");
        let one = policy(&row("x", 1, text)).unwrap();
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
}
