//! One mail over SMTP.
//!
//! Rules: the answer says whether the mail can have been taken. Before its last line was sent it cannot; after that it was
//! taken, refused, or nobody knows. So the conversation is held step by step here and not left to a transport that would
//! fold all of that into one error. What goes into headers comes through typed builders, so no account can add a header.

use crate::templates::Written;
use banjia_border::campaign::Delivery;
use banjia_types::Secret;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, dkim};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use serde::Deserialize;
use std::time::Duration;

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
    /// A page or an address for those who want no more mail, where that is lawful for such notices.
    #[serde(default)]
    pub unsubscribe: Option<String>,
    /// Signs mails (RFC 6376).
    #[serde(default)]
    pub dkim: Option<DkimConfig>,
    /// Mails a minute at most.
    #[serde(default = "sixty")]
    pub per_minute_max: u32,
    /// How long a step of the conversation may take.
    #[serde(default = "thirty_seconds")]
    pub timeout_ms: u64,
}

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
/// parts the library knows it only after signing, and a receiver would find the signature broken.
const SIGNED: [&str; 6] = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version"];

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

/// Sends mails as the configuration says.
pub struct Mailer {
    config: SmtpConfig,
    from: Mailbox,
    reply_to: Option<Mailbox>,
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
            text.parse::<Mailbox>().map_err(|error| MailError::Config(format!("{key} {text:?} is no address: {error}")))
        };
        let from = mailbox("from", &config.from)?;
        let reply_to = config.reply_to.as_deref().map(|text| mailbox("reply_to", text)).transpose()?;
        let unsubscribe = config.unsubscribe.as_deref().unwrap_or_default();
        if unsubscribe.bytes().any(|byte| !(0x21..0x7f).contains(&byte) || byte == b'>') {
            return Err(MailError::Config("unsubscribe must be an address without spaces".to_owned()));
        }
        let dkim = config.dkim.as_ref().map(|dkim| dkim_config(dkim, &config)).transpose()?;
        Ok(Self { config, from, reply_to, dkim })
    }

    /// Mails a minute at most.
    pub const fn per_minute_max(&self) -> u32 {
        self.config.per_minute_max
    }

    /// The domain that mails come from, for their ids.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
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
        if let Some(unsubscribe) = &self.config.unsubscribe {
            builder = builder.header(ListUnsubscribe(format!("<{unsubscribe}>")));
        }
        let parts = MultiPart::alternative_plain_html(written.text.clone(), written.html.clone());
        let mut message = builder.multipart(parts).map_err(|error| wrong(error.to_string()))?;
        if let Some(dkim) = &self.dkim {
            message.sign(dkim);
        }
        Ok((address, message.formatted()))
    }

    /// Opens a conversation: connected, secured, logged in. Nothing was sent when this fails.
    ///
    /// # Errors
    /// A server that does not talk to us.
    pub async fn connect(&self) -> Result<Conversation, MailError> {
        let config = &self.config;
        let wrong = |error: lettre::transport::smtp::Error| MailError::Server {
            host: config.host.clone(),
            said: chain(&error),
        };
        let tls = || TlsParameters::new(config.host.clone()).map_err(wrong);
        let port = config.port.unwrap_or(match config.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        });
        let at_once = if config.tls == MailTls::Tls { Some(tls()?) } else { None };
        let hello = ClientId::Domain(self.domain().to_owned());
        let timeout = Some(Duration::from_millis(config.timeout_ms.max(1)));
        let server = (config.host.as_str(), port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, timeout, &hello, at_once, None).await.map_err(wrong)?;
        if config.tls == MailTls::Starttls {
            connection.starttls(tls()?, &hello).await.map_err(wrong)?;
        }
        if let (Some(user), Some(password)) = (&config.user, &config.password) {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(wrong)?;
        }
        Ok(Conversation { connection, from: self.from.email.clone() })
    }
}

/// Headers and body are signed in the relaxed form, since servers on the way fold lines; where answers go is signed as well,
/// so that nobody can turn appeals elsewhere.
fn dkim_config(config: &DkimConfig, mail: &SmtpConfig) -> Result<dkim::DkimConfig, MailError> {
    let key = dkim::DkimSigningKey::new(config.private_key.expose(), dkim::DkimSigningAlgorithm::Rsa)
        .map_err(|error| MailError::Config(format!("dkim.private_key is no RSA key in PKCS#1 PEM: {error}")))?;
    let further = [("Reply-To", mail.reply_to.is_some()), ("List-Unsubscribe", mail.unsubscribe.is_some())];
    let further = further.into_iter().filter_map(|(name, is_there)| is_there.then_some(name));
    let headers = SIGNED.into_iter().chain(further).map(HeaderName::new_from_ascii_str).collect();
    let relaxed = dkim::DkimCanonicalizationType::Relaxed;
    let form = dkim::DkimCanonicalization { header: relaxed, body: relaxed };
    Ok(dkim::DkimConfig::new(config.selector.clone(), config.domain.clone(), key, headers, form))
}

/// A conversation with a mail server, ready for mails.
pub struct Conversation {
    connection: AsyncSmtpConnection,
    from: Address,
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Conversation {
    /// Hands over one mail. After anything but [`Delivery::Taken`] the conversation is over.
    pub async fn send(&mut self, to: &Address, bytes: &[u8]) -> Delivery {
        for command in [
            Mail::new(Some(self.from.clone()), vec![]).to_string(),
            Rcpt::new(to.clone(), vec![]).to_string(),
            Data.to_string(),
        ] {
            if let Err(error) = self.connection.command(command).await {
                self.connection.abort().await;
                // The mail's text was not sent, so whatever happened, it was not taken.
                let said = chain(&error);
                return if error.is_permanent() { Delivery::Never(said) } else { Delivery::Later(said) };
            }
        }
        match self.connection.message(bytes).await {
            Ok(_) => Delivery::Taken,
            Err(error) => {
                self.connection.abort().await;
                let said = chain(&error);
                if error.is_permanent() {
                    Delivery::Never(said)
                } else if error.is_transient() {
                    Delivery::Later(said)
                } else {
                    Delivery::Lost(said)
                }
            }
        }
    }

    /// Says goodbye. What the server answers to that changes nothing.
    pub async fn close(mut self) {
        if let Err(error) = self.connection.quit().await {
            tracing::debug!(%error, "the mail server did not say goodbye");
        }
    }
}

/// An error with everything below it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        below = error.source();
    }
    text
}
