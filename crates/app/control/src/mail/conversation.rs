//! What is said to a mail server, step by step.
//!
//! Rules: where the configuration wants a secured connection nothing but the greeting and the wish for it is said before it
//! is secured, neither a password nor an address nor a mail; a certificate that does not fit is an end and no reason to go
//! on in the clear. Each step has its time: the library waits for ever.

use super::{MailError, MailTls, Mailer, starttls};
use banjia_border::campaign::Delivery;
use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use std::time::Duration;
use tokio::time::timeout;

/// A conversation with a mail server, ready for mails.
pub struct Conversation {
    connection: AsyncSmtpConnection,
    host: String,
    from: Address,
    limit: Duration,
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Opens a conversation: connected, secured, logged in. Nothing was sent when this fails.
    ///
    /// # Errors
    /// A server that does not talk to us, or not as securely as it must.
    pub async fn connect(&self) -> Result<Conversation, MailError> {
        let limit = Duration::from_millis(self.config.timeout_ms.max(1));
        let refused = |said: String| MailError::Server { host: self.config.host.clone(), said };
        let connection = match timeout(limit, self.open(limit)).await {
            Ok(opened) => opened.map_err(|said| refused(explained(said)))?,
            Err(_) => return Err(refused(format!("it was not ready within {limit:?}"))),
        };
        Ok(Conversation { connection, host: self.config.host.clone(), from: self.from.email.clone(), limit })
    }

    async fn open(&self, limit: Duration) -> Result<AsyncSmtpConnection, String> {
        let config = &self.config;
        let wrong = |error: SmtpError| chain(&error);
        let port = config.port.unwrap_or(match config.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        });
        let hello = ClientId::Domain(self.domain().to_owned());
        let mut connection = if config.tls == MailTls::Starttls {
            let secured = starttls::connect(&config.host, port, self.domain(), config.roots.as_deref()).await;
            let secured = secured.map_err(|error| chain(&error))?;
            AsyncSmtpConnection::connect_with_transport(Box::new(secured), &hello).await.map_err(wrong)?
        } else {
            let at_once = if config.tls == MailTls::Tls { Some(self.tls().map_err(wrong)?) } else { None };
            let server = (config.host.as_str(), port);
            AsyncSmtpConnection::connect_tokio1(server, Some(limit), &hello, at_once, None).await.map_err(wrong)?
        };
        if let (Some(user), Some(password)) = (&config.user, &config.password) {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(wrong)?;
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, SmtpError> {
        let mut parameters = TlsParameters::builder(self.config.host.clone());
        if let Some(roots) = &self.roots {
            parameters = parameters.add_root_certificate(roots.clone());
        }
        parameters.build()
    }
}

impl Conversation {
    /// Says who writes. None: a mail may follow. Else why this mail comes later, and the conversation is over.
    ///
    /// # Errors
    /// The server takes no mail of ours. It does not know the receiver yet, so this says nothing about one.
    pub async fn begin(&mut self) -> Result<Option<Delivery>, MailError> {
        match self.say(Mail::new(Some(self.from.clone()), vec![]).to_string()).await {
            Ok(()) => Ok(None),
            Err(Delivery::Never(said)) => {
                let said = format!(
                    "it takes no mail from {}: {said}. See mail.from, mail.user and mail.password; what is due stays due",
                    self.from
                );
                Err(MailError::Server { host: self.host.clone(), said })
            }
            Err(later) => Ok(Some(later)),
        }
    }

    /// Hands over one mail, after [`Self::begin`]. After anything but [`Delivery::Taken`] the conversation is over.
    pub async fn send(&mut self, to: &Address, bytes: &[u8]) -> Delivery {
        for command in [Rcpt::new(to.clone(), vec![]).to_string(), Data.to_string()] {
            if let Err(said) = self.say(command).await {
                return said;
            }
        }
        let said = match timeout(self.limit, self.connection.message(bytes)).await {
            Ok(Ok(_)) => return Delivery::Taken,
            Ok(Err(error)) if error.is_permanent() => Delivery::Never(chain(&error)),
            Ok(Err(error)) if error.is_transient() => Delivery::Later(chain(&error)),
            Ok(Err(error)) => Delivery::Lost(chain(&error)),
            Err(_) => Delivery::Lost(self.no_answer()),
        };
        self.give_up().await;
        said
    }

    /// Says a command before the mail's text was sent: whatever happens, the mail was not taken.
    async fn say(&mut self, command: String) -> Result<(), Delivery> {
        let said = match timeout(self.limit, self.connection.command(command)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.is_permanent() => Delivery::Never(chain(&error)),
            Ok(Err(error)) => Delivery::Later(chain(&error)),
            Err(_) => Delivery::Later(self.no_answer()),
        };
        self.give_up().await;
        Err(said)
    }

    /// Ends the conversation; a server that is silent is not waited for here either.
    async fn give_up(&mut self) {
        if timeout(self.limit, self.connection.abort()).await.is_err() {
            tracing::debug!("the mail server did not answer the goodbye either");
        }
    }

    fn no_answer(&self) -> String {
        format!("the mail server did not answer within {:?}", self.limit)
    }

    /// Says goodbye. What the server answers to that changes nothing.
    pub async fn close(mut self) {
        match timeout(self.limit, self.connection.quit()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the mail server did not say goodbye"),
            Err(_) => tracing::debug!("the mail server did not say goodbye in time"),
        }
    }
}

/// What to do belongs to an error that a person meets on the first day.
fn explained(said: String) -> String {
    if said.contains("certificate") {
        format!("{said}. No mail was sent. If an authority of your own vouches for it, name its PEM file in mail.roots")
    } else if said.contains("STARTTLS") {
        format!("{said}. No mail was sent. Say mail.tls = \"tls\" if it is secured from the beginning (port 465)")
    } else {
        said
    }
}

/// An error with everything below it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
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
