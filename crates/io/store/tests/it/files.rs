//! Who may read the files of a database.

use super::open;
use banjia_store::{EncryptionKey, WriterConfig};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Modes of the files in a folder, by name.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mode = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
    };
    std::fs::read_dir(folder).unwrap().map(|entry| mode(entry.unwrap())).collect()
}

#[tokio::test]
async fn all_files_of_a_new_database_are_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let store = open(&path).await;
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let locks = (store.runner_lock().unwrap(), store.webhook_lock().unwrap());
    EncryptionKey::beside(&path).unwrap();
    let modes = modes(folder.path());
    for ending in ["", "-wal", "-shm", ".lock", ".key"] {
        assert!(modes.contains_key(&format!("banjia.db{ending}")), "{ending}: {modes:?}");
    }
    assert!(modes.len() >= 7 && modes.values().all(|mode| *mode == 0o600), "{modes:?}");
    drop(locks);
    ledger.close().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn an_old_database_loses_other_readers_when_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let key = EncryptionKey::beside(&path).unwrap();
    let store = open(&path).await;
    store.check_seal(&key).await.unwrap();
    store.close().await;
    for name in ["banjia.db", "banjia.db.key"] {
        std::fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o646)).unwrap();
    }
    let store = open(&path).await;
    store.check_seal(&key).await.unwrap();
    let modes = modes(folder.path());
    assert!(modes.values().all(|mode| mode % 8 == 0), "{modes:?}");
    assert_eq!(modes["banjia.db"], 0o640, "the group keeps its access");
    store.close().await;
}
