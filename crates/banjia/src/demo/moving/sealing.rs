//! The end of the move: the source's key goes, the books are closed, and a report is signed that anybody can check.

use super::days::Days;
use super::stage::{Borders, Stage};
use super::{A_STEP, MOVE, PERSON};
use anyhow::{Context as _, bail};
use banjia_control::moves::Loaded;
use banjia_control::moves::seal::{Asked, Sealing, SourceKeys, public_key, seal};
use banjia_control::report::plan::Lang;
use banjia_control::report::seal::html;
use banjia_movement::seal::{Verified, verify};
use banjia_movement::stage::Order;
use banjia_store::{ReportKey, Store, write_private_file};
use banjia_types::Timestamp;
use std::path::PathBuf;

const REASON: &str = "the source's date has passed, and everybody is where they belong";

/// What a configuration says of the source's key.
pub(super) type Keys = (SourceKeys, Borders);

/// A sealed move.
pub(super) struct Sealed {
    /// The report, read again from its file.
    pub(super) verified: Verified,
    /// The public half of the key beside the database.
    pub(super) key: String,
    /// What is said of the same report with one request more in its books; nothing would mean that nobody noticed.
    pub(super) forged: Option<String>,
    /// The report, and a page for people.
    pub(super) files: [PathBuf; 2],
}

/// Takes the source's key out of the configuration, and has that recorded.
pub(super) async fn remove_key(stage: &mut Stage, loaded: &Loaded, at: Timestamp) -> anyhow::Result<Keys> {
    let keys = stage.remove_credential(loaded.of.spec())?;
    let store = &stage.running().store;
    // It cannot be sealed in the same minute: the books must reach to that minute's end.
    match ask(store, &keys, at).await? {
        Sealing::Open(_) => stage.hand_over().await?,
        Sealing::Sealed { .. } => bail!("the move was sealed before its books were closed"),
    }
    Ok(keys)
}

async fn ask(store: &Store, (keys, borders): &Keys, at: Timestamp) -> anyhow::Result<Sealing> {
    let order = Order { by: PERSON, reason: REASON, at };
    Ok(seal(store, MOVE, &Asked { order, keys, borders }, &ReportKey::beside(store.path())?).await?)
}

/// Seals the move of a gateway that has closed its ledger, writes the report and reads it again.
pub(super) async fn end(days: &Days, store: &Store, at: Timestamp) -> anyhow::Result<Sealed> {
    let keys = days.keys.as_ref().context("the source's key was not taken out")?;
    let report = match ask(store, keys, at).await? {
        Sealing::Sealed { report, .. } => report,
        Sealing::Open(obstacles) => {
            let obstacles: Vec<_> = obstacles.iter().map(ToString::to_string).collect();
            bail!("the move is not sealed: {}", obstacles.join("; "));
        }
    };
    let files = ["report.json", "report.html"].map(|name| days.stage.dir.join(name));
    let [file, page] = &files;
    let said = || format!("writing {}", file.display());
    write_private_file(file, format!("{}\n", report.text)).with_context(said)?;
    let verified = verify(&std::fs::read_to_string(file).with_context(said)?).context("the report does not verify")?;
    write_private_file(page, html(&verified, Lang::En)).with_context(|| format!("writing {}", page.display()))?;
    let key = public_key(&ReportKey::beside(store.path())?);
    let count = format!("\"accepted\":{A_STEP},");
    let forged = report.text.replacen(&count, &format!("\"accepted\":{},", A_STEP + 1), 1);
    let forged = verify(&forged).err().map(|error| error.to_string());
    Ok(Sealed { verified, key, forged, files })
}
