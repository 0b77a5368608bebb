//! One mail over SMTP.
//!
//! Rules: the answer says whether the mail can have been taken. Before its last line was sent it cannot; after that it was
//! taken, refused, or nobody knows. So the conversation is held step by step here and not left to a transport that would
//! fold all of that into one error. What goes into headers comes through typed builders, so no account can add a header.
//! A mail that an account need not get says how to get no more of them, in a header (RFC 2369) and in its text. No
//! `List-Unsubscribe-Post` (RFC 8058) stands beside it: that promises an address which takes a POST, and none is served here.

mod conversation;
mod starttls;

pub use conversation::Conversation;

use crate::templates::Written;
use banjia_files::{Bounds, read_text};
use banjia_types::{AccountId, Secret};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, dkim};
use lettre::transport::smtp::client::Certificate;
use lettre::{Address, Message};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;
use url::form_urlencoded::byte_serialize;

/// The mail server, and who writes. Part of the configuration file as `[mail]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// The mail server's name.
    pub host: String,
    /// Its port. Default: 587 with STARTTLS, 465 with TLS, 25 without.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is secured. Default: `starttls`.
    #[serde(default)]
    pub tls: MailTls,
    /// A PEM file with authorities that may vouch for the mail server, besides those that are built in.
    #[serde(default)]
    pub roots: Option<PathBuf>,
    /// Who logs in, where the server wants it.
    #[serde(default)]
    pub user: Option<String>,
    /// The password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Who writes: `Example AI <notice@example.com>`.
    pub from: String,
    /// Where answers and appeals go. Default: to who writes.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Where those go who want no more mail: a page (`https://...`) or an address. Default: an address, that of answers.
    #[serde(default)]
    pub unsubscribe: Option<String>,
    /// Signs mails (RFC 6376).
    #[serde(default)]
    pub dkim: Option<DkimConfig>,
    /// Mails a minute at most.
    #[serde(default = "sixty")]
    pub per_minute_max: u32,
    /// How long a step of the conversation may take; connecting, securing and logging in are one.
    #[serde(default = "thirty_seconds")]
    pub timeout_ms: u64,
}

/// The largest file of authorities: the usual ones of a system take a quarter of a mebibyte.
const ROOTS_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// It must be read within this time.
const READ_WITHIN: Duration = Duration::from_secs(5);

const fn sixty() -> u32 {
    60
}

const fn thirty_seconds() -> u64 {
    30_000
}

/// How a connection to a mail server is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Begun in the clear and then secured; refused when the server does not offer it.
    #[default]
    Starttls,
    /// Secured from the beginning.
    Tls,
    /// In the clear: for a server on this machine.
    None,
}

/// Headers that every mail has and that are signed (RFC 6376, 5.4.1). `Content-Type` cannot be among them: of a mail in
/// parts the library knows it only after signing, and a receiver would find the signature broken. One that a mail does not have
/// counts as empty (5.4), so nobody can add it on the way either.
const SIGNED: [&str; 8] =
    ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Reply-To", "List-Unsubscribe"];

/// The key that signs mails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimConfig {
    /// The selector under which the public key is published.
    pub selector: String,
    /// The domain.
    pub domain: String,
    /// An RSA key in PKCS#1 PEM.
    pub private_key: Secret,
}

/// Why mails cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The configuration names no usable address or key.
    #[error("mail: {0}")]
    Config(String),
    /// The server does not talk to us.
    #[error("the mail server {host} cannot be used: {said}")]
    Server {
        /// Which.
        host: String,
        /// Why.
        said: String,
    },
    /// A mail cannot be made.
    #[error("the mail to {to} cannot be made: {said}")]
    Message {
        /// Whose.
        to: String,
        /// Why.
        said: String,
    },
}

/// Where those go who want no more mail.
enum WayOut {
    Page(String),
    Address(Address),
}

/// Sends mails as the configuration says.
pub struct Mailer {
    config: SmtpConfig,
    roots: Option<Certificate>,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    way_out: WayOut,
    dkim: Option<dkim::DkimConfig>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("host", &self.config.host).finish_non_exhaustive()
    }
}

macro_rules! text_header {
    ($($(#[$doc:meta])* $type:ident = $name:literal),*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        struct $type(String);

        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    )*};
}

text_header!(
    /// RFC 3834: nobody's out-of-office notice should answer this.
    AutoSubmitted = "Auto-Submitted",
    /// RFC 2369.
    ListUnsubscribe = "List-Unsubscribe"
);

impl Mailer {
    /// Checks the configuration.
    ///
    /// # Errors
    /// An address or a key that cannot be used.
    pub fn new(config: SmtpConfig) -> Result<Self, MailError> {
        let mailbox = |key: &str, text: &str| {
            // The text is not shown: a password may stand in the wrong place.
            text.parse::<Mailbox>().map_err(|error| MailError::Config(format!("{key} is no address: {error}")))
        };
        let from = mailbox("from", &config.from)?;
        let reply_to = config.reply_to.as_deref().map(|text| mailbox("reply_to", text)).transpose()?;
        let way_out = match &config.unsubscribe {
            Some(page) if is_page(page) => WayOut::Page(page.clone()),
            Some(address) => WayOut::Address(mailbox("unsubscribe", address)?.email),
            None => WayOut::Address(reply_to.as_ref().unwrap_or(&from).email.clone()),
        };
        let roots = config.roots.as_deref().map(certificates).transpose()?;
        let dkim = config.dkim.as_ref().map(dkim_config).transpose()?;
        Ok(Self { config, roots, from, reply_to, way_out, dkim })
    }

    /// Mails a minute at most.
    pub const fn per_minute_max(&self) -> u32 {
        self.config.per_minute_max
    }

    /// The domain that mails come from, for their ids.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Where an account says that it wants no more mail: a page, or an address with a subject that names it.
    pub fn unsubscribe(&self, account: &AccountId) -> String {
        let address = match &self.way_out {
            WayOut::Page(page) => return page.clone(),
            WayOut::Address(address) => address.to_string(),
        };
        let escaped = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        format!("mailto:{}?subject=unsubscribe%20{}", escaped(&address).replace("%40", "@"), escaped(account.as_str()))
    }

    /// Makes a mail: the bytes as they go over the wire.
    ///
    /// # Errors
    /// An address or a text that cannot be put into a mail.
    pub fn compose(&self, to: &str, message_id: &str, written: &Written) -> Result<(Address, Vec<u8>), MailError> {
        let wrong = |said: String| MailError::Message { to: to.to_owned(), said };
        let mailbox = Mailbox::new(None, to.parse().map_err(|error| wrong(format!("{error}")))?);
        let address = mailbox.email.clone();
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(mailbox)
            .subject(written.subject.clone())
            .message_id(Some(format!("<{message_id}>")))
            .date_now()
            .header(AutoSubmitted("auto-generated".to_owned()));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        if let Some(unsubscribe) = &written.unsubscribe {
            builder = builder.header(ListUnsubscribe(format!("<{unsubscribe}>")));
        }
        let parts = MultiPart::alternative_plain_html(written.text.clone(), written.html.clone());
        let mut message = builder.multipart(parts).map_err(|error| wrong(error.to_string()))?;
        if let Some(dkim) = &self.dkim {
            message.sign(dkim);
        }
        Ok((address, message.formatted()))
    }
}

/// Headers and body are signed in the relaxed form, since servers on the way fold lines; where answers go is signed as well,
/// so that nobody can turn appeals elsewhere.
fn dkim_config(config: &DkimConfig) -> Result<dkim::DkimConfig, MailError> {
    let key = dkim::DkimSigningKey::new(config.private_key.expose(), dkim::DkimSigningAlgorithm::Rsa)
        .map_err(|error| MailError::Config(format!("dkim.private_key is no RSA key in PKCS#1 PEM: {error}")))?;
    let headers = SIGNED.into_iter().map(HeaderName::new_from_ascii_str).collect();
    let relaxed = dkim::DkimCanonicalizationType::Relaxed;
    let form = dkim::DkimCanonicalization { header: relaxed, body: relaxed };
    Ok(dkim::DkimConfig::new(config.selector.clone(), config.domain.clone(), key, headers, form))
}

/// Whether a way to unsubscribe is a page; else it is an address.
fn is_page(text: &str) -> bool {
    let is_uri = text.bytes().all(|byte| (0x21..0x7f).contains(&byte) && !b"<>\"".contains(&byte));
    is_uri && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

/// Reads authorities.
fn certificates(path: &Path) -> Result<Certificate, MailError> {
    let wrong = |said: &dyn std::fmt::Display| MailError::Config(format!("roots {}: {said}", path.display()));
    let text = read_text(path, Bounds::regular(ROOTS_BYTES_MAX, READ_WITHIN)).map_err(|error| wrong(&error))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(wrong(&"there is no certificate in it; a PEM file is needed"));
    }
    Certificate::from_pem(text.as_bytes()).map_err(|error| wrong(&conversation::chain(&error)))
}
