//! The border's rules as a running gateway uses them: from the database and the operator's table.
//!
//! Rules: a policy in force that cannot be read stops the start, loudly, since without it everybody would be served; a bad
//! new table or policy changes nothing but the log, and the last good one stays.

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
    pub(crate) fn refresh(&mut self) -> bool {
        let Some(path) = &self.path else { return false };
        let now = match written(path) {
            Ok(now) if Some(now) != self.written => now,
            _ => return false,
        };
        self.written = Some(now);
        match read(path) {
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
