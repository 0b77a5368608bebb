//! From those whom a policy affects to those who are told.

use banjia_border::affected::{Affected, Thresholds, is_evidence};
use banjia_border::country::{Lang, name};
use banjia_gateway::config::AccountConfig;
use banjia_store::Recipient;
use serde_json::{Value, json};

/// Who is told, and which affected accounts have no address.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) without_address: Vec<String>,
}

/// Picks those with enough evidence, and writes it down as they will read it.
pub(crate) fn audience(found: &[Affected], thresholds: &Thresholds, accounts: &[AccountConfig]) -> Audience {
    let mut audience = Audience::default();
    for entry in found.iter().filter(|entry| is_evidence(entry, thresholds)) {
        let Some(id) = &entry.account else { continue };
        let contact = accounts.iter().find(|account| account.id == *id).and_then(|account| account.contact.as_ref());
        let Some(contact) = contact else {
            audience.without_address.push(id.to_string());
            continue;
        };
        let language = if contact.language == Lang::Zh { "zh" } else { "en" }.to_owned();
        let evidence = evidence(entry, contact.language);
        audience.recipients.push(Recipient { account: id.clone(), email: contact.email.clone(), language, evidence });
    }
    audience
}

fn evidence(entry: &Affected, lang: Lang) -> Value {
    let unknown = if lang == Lang::Zh { "未知地点" } else { "an unknown place" };
    entry
        .evidence
        .iter()
        .map(|line| {
            let place = line.network.map_or_else(|| unknown.to_owned(), |place| name(place, lang).into_owned());
            json!({
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
