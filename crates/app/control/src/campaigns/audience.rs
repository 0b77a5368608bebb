//! From the accounts that a policy affects to the recipients of a campaign.

use banjia_border::affected::{Affected, Thresholds, is_evidence};
use banjia_border::country::{Lang, name};
use banjia_border::facts::AccountFacts;
use banjia_store::Recipient;
use banjia_types::AccountId;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// Where an account's mails go.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The mail address.
    pub email: String,
    /// The language of its mails.
    pub language: Lang,
}

/// The accounts of the configuration, as functions. `None` if the configuration does not know the
/// account or has no such part of it.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    /// Finds what the border knows of an account.
    pub record: &'a dyn Fn(&AccountId) -> Option<Arc<AccountFacts>>,
    /// Finds where an account's mails go.
    pub contact: &'a dyn Fn(&AccountId) -> Option<Contact>,
}

impl fmt::Debug for Directory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// The recipients of a campaign, and the affected accounts that have no address.
#[derive(Debug, Default)]
pub struct Audience {
    /// The accounts that get mails.
    pub recipients: Vec<Recipient>,
    /// Affected accounts without an address.
    pub without_address: Vec<AccountId>,
}

/// Picks the accounts with enough evidence, and writes the evidence in the words of their mails.
pub fn audience(
    affected: &[Affected],
    thresholds: &Thresholds,
    contact: &dyn Fn(&AccountId) -> Option<Contact>,
) -> Audience {
    let mut audience = Audience::default();
    for entry in affected.iter().filter(|entry| is_evidence(entry, thresholds)) {
        let Some(account) = entry.account.clone() else { continue };
        let Some(Contact { email, language }) = contact(&account) else {
            audience.without_address.push(account);
            continue;
        };
        let evidence = evidence(entry, language);
        let language = if language == Lang::Zh { "zh" } else { "en" }.to_owned();
        audience.recipients.push(Recipient { account, email, language, evidence });
    }
    audience
}

fn evidence(entry: &Affected, lang: Lang) -> Value {
    let unknown = if lang == Lang::Zh { "未知地点" } else { "an unknown place" };
    entry
        .evidence
        .iter()
        .map(|line| {
            let of_record = line.record.and_then(|(_, place)| place);
            let place =
                of_record.or(line.network).map_or_else(|| unknown.to_owned(), |place| name(place, lang).into_owned());
            json!({
                "record": line.record.map(|(kind, _)| kind.as_str()),
                "key": line.key.as_ref().map(banjia_types::KeyId::as_str),
                "place": place,
                "requests": line.requests,
                "first": line.first.date().to_string(),
                "last": line.last.date().to_string(),
                "sample": line.sample,
            })
        })
        .collect()
}
