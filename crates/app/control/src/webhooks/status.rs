//! Use cases of people who look after webhooks.

use banjia_store::{Delivery, DeliveryState, Listener, Store, StoreError};
use banjia_types::Timestamp;

/// Why a use case of a webhook was not carried out. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No webhook has that name.
    #[error("there is no webhook {name:?} ({})", known_names(.known))]
    Missing {
        /// The name that was asked for.
        name: String,
        /// The names of all webhooks.
        known: Vec<String>,
    },
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() { "nobody listens".to_owned() } else { format!("there are: {}", known.join(", ")) }
}

/// Where a webhook stands.
#[derive(Debug)]
pub struct WebhookStatus {
    /// The webhook as the database knows it.
    pub listener: Listener,
    /// Events that its receiver accepted.
    pub delivered: u64,
    /// Events that will be sent.
    pub waiting: u64,
    /// Events that are not sent any more.
    pub given_up: u64,
    /// The event that was sent last.
    pub last: Option<Delivery>,
}

/// Where every webhook stands.
///
/// # Errors
/// The database cannot be read or written.
pub async fn status(store: &Store) -> Result<Vec<WebhookStatus>, StoreError> {
    let mut found = Vec::new();
    for listener in store.webhooks().await? {
        let count = async |state| store.count_deliveries(&listener.name, state).await;
        let last = store.deliveries(&listener.name, 1).await?.into_iter().next();
        let (delivered, waiting) = (count(DeliveryState::Delivered).await?, count(DeliveryState::Waiting).await?);
        let given_up = count(DeliveryState::GivenUp).await?;
        found.push(WebhookStatus { listener, delivered, waiting, given_up, last });
    }
    Ok(found)
}

/// The newest events of a webhook, at most `count`.
///
/// # Errors
/// The database, or [`WebhookError::Missing`].
pub async fn events(store: &Store, name: &str, count: u32) -> Result<Vec<Delivery>, WebhookError> {
    let known = names(store).await?;
    if !known.iter().any(|known| known == name) {
        return Err(WebhookError::Missing { name: name.to_owned(), known });
    }
    Ok(store.deliveries(name, count).await?)
}

/// Makes every event of a webhook due that waits or was given up, also if its receiver said that it
/// is gone. Returns how many.
///
/// # Errors
/// The database, or [`WebhookError::Missing`].
pub async fn retry(store: &Store, name: &str, now: Timestamp) -> Result<u64, WebhookError> {
    match store.retry_webhook(name, now).await? {
        Some(count) => Ok(count),
        None => Err(WebhookError::Missing { name: name.to_owned(), known: names(store).await? }),
    }
}

async fn names(store: &Store) -> Result<Vec<String>, StoreError> {
    Ok(store.webhooks().await?.into_iter().map(|listener| listener.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_store::Location;

    #[tokio::test]
    async fn retry_of_unknown_webhook_names_the_others() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        store.know_webhooks(&["ops"], Timestamp(1)).await.unwrap();
        let error = retry(&store, "opps", Timestamp(2)).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no webhook \"opps\" (there are: ops)");
    }

    #[tokio::test]
    async fn status_of_new_webhook_counts_nothing() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        store.know_webhooks(&["ops"], Timestamp(1)).await.unwrap();
        let found = status(&store).await.unwrap();
        assert_eq!((found[0].delivered, found[0].waiting, found[0].given_up), (0, 0, 0));
    }
}
