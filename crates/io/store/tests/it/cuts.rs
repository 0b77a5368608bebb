//! Cut vendors.

use crate::open;
use banjia_types::{Timestamp, VendorName};
use serde_json::json;

#[tokio::test]
async fn a_cut_survives_a_reopen_and_its_first_evidence_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.db");
    let source = VendorName::from("openai");
    let evidence = json!({"status": 403, "code": "unsupported_country_region_territory"});
    let store = open(&path).await;
    assert_eq!(store.cuts().await.unwrap(), []);
    assert!(store.record_cut(&source, Timestamp(5), &evidence).await.unwrap());
    assert!(!store.record_cut(&source, Timestamp(6), &json!({"status": 451})).await.unwrap());
    store.close().await;

    let store = open(&path).await;
    let cuts = store.cuts().await.unwrap();
    assert_eq!(cuts.len(), 1);
    assert_eq!((&cuts[0].vendor, cuts[0].at, &cuts[0].evidence), (&source, Timestamp(5), &evidence));
}

#[tokio::test]
async fn a_lifted_cut_stays_in_the_history_and_the_vendor_can_be_cut_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("cuts.db")).await;
    let source = VendorName::from("openai");
    assert!(!store.lift_cut(&source, Timestamp(1)).await.unwrap(), "there is nothing to lift");
    store.record_cut(&source, Timestamp(5), &json!({})).await.unwrap();
    assert!(store.lift_cut(&source, Timestamp(7)).await.unwrap());
    assert_eq!(store.cuts().await.unwrap(), []);
    assert!(store.record_cut(&source, Timestamp(9), &json!({})).await.unwrap());
    let history = store.cut_history().await.unwrap();
    assert_eq!(history.iter().map(|c| c.lifted_at).collect::<Vec<_>>(), [Some(Timestamp(7)), None]);
    assert_eq!(store.cuts().await.unwrap().len(), 1);
}
