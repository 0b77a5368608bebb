//! Mails over secured connections: begun in the clear and then secured, secured from the beginning, and not secured though
//! they must be. In front of the sink stands a server that ends TLS and keeps every byte that came in the clear.

use crate::{TWO, config, day, policy};
use banjia_control::mail::{MailTls, SmtpConfig};
use banjia_control::runner::RunError;
use banjia_control::sink::{Mood, Sink};
use banjia_control::{Mailer, Runner, Templates};
use banjia_store::{Actor, Location, Store};
use banjia_types::{Secret, Timestamp};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What a server offers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// TLS from the beginning.
    Tls,
    /// STARTTLS.
    Starttls,
    /// STARTTLS, and in the same breath, from somebody on the way, what the server would answer to a mail that it takes.
    Forged,
    /// Nothing but the clear, whatever is asked for.
    Clear,
    /// Nothing at all: it takes connections and is silent.
    Silence,
}

/// A mail server for `localhost`.
struct Front {
    port: u16,
    roots: PathBuf,
    in_the_clear: Arc<Mutex<String>>,
    sink: Sink,
    _folder: tempfile::TempDir,
}

impl Front {
    async fn new(offer: Offer) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, cert.pem()).unwrap();
        let (sink, in_the_clear) = (Sink::start().await.unwrap(), Arc::<Mutex<String>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, behind, heard) = (TlsAcceptor::from(Arc::new(tls)), sink.addr, in_the_clear.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, heard) = (acceptor.clone(), heard.clone());
                // A conversation that the client breaks off is what some of these tests are about.
                tokio::spawn(async move { talk(socket, offer, &acceptor, behind, &heard).await.ok() });
            }
        });
        Self { port, roots, in_the_clear, sink, _folder: folder }
    }

    fn config(&self, tls: MailTls) -> SmtpConfig {
        SmtpConfig {
            host: "localhost".to_owned(),
            port: Some(self.port),
            tls,
            roots: Some(self.roots.clone()),
            ..config(&self.sink)
        }
    }

    /// Sends the two mails of a campaign that are due, or does not.
    async fn campaign(&self, config: SmtpConfig) -> (Result<u64, RunError>, usize) {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let by = Actor { actor: "kim", at: Timestamp(1) };
        store.create_campaign("july", "openai-2024", None, &crate::recipients(&TWO), by).await.unwrap();
        let templates = Templates::new("Example AI", None).unwrap();
        let mut runner = Runner::start(store.clone(), Mailer::new(config).unwrap(), templates, "one".to_owned(), by.at)
            .await
            .unwrap();
        let campaign = store.campaigns().await.unwrap().remove(0);
        let done = runner.tick(&campaign, &policy(), day("2024-06-25T10:00")).await;
        (done.map(|done| done.sent), store.notices("july").await.unwrap().len())
    }

    fn in_the_clear(&self) -> String {
        self.in_the_clear.lock().unwrap().clone()
    }
}

async fn talk(
    socket: TcpStream,
    offer: Offer,
    acceptor: &TlsAcceptor,
    behind: SocketAddr,
    heard: &Mutex<String>,
) -> std::io::Result<()> {
    if offer == Offer::Silence {
        let mut all = Vec::new();
        return BufReader::new(socket).read_to_end(&mut all).await.map(|_| ());
    }
    let mut behind = BufReader::new(TcpStream::connect(behind).await?);
    if offer == Offer::Tls {
        let mut secure = acceptor.accept(socket).await?;
        return tokio::io::copy_bidirectional(&mut secure, &mut behind).await.map(|_| ());
    }
    let mut socket = BufReader::new(socket);
    behind.read_line(&mut String::new()).await?;
    socket.write_all(b"220 front ESMTP\r\n").await?;
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        heard.lock().unwrap().push_str(&line);
        let answer: &[u8] = match (line.split_ascii_whitespace().next(), offer) {
            (Some("EHLO"), Offer::Starttls | Offer::Forged) => b"250-front\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
            (Some("EHLO"), _) => b"250-front\r\n250 AUTH PLAIN\r\n",
            (Some("STARTTLS"), Offer::Starttls | Offer::Forged) => {
                let forged = "250 hello\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n";
                let forged = if offer == Offer::Forged { forged } else { "" };
                socket.write_all(format!("220 go on\r\n{forged}").as_bytes()).await?;
                let mut secure = acceptor.accept(socket.into_inner()).await?;
                return tokio::io::copy_bidirectional(&mut secure, &mut behind).await.map(|_| ());
            }
            _ => b"250 ok\r\n",
        };
        socket.write_all(answer).await?;
    }
}

#[tokio::test]
async fn mails_are_sent_only_over_tls() {
    for (offer, tls) in [(Offer::Starttls, MailTls::Starttls), (Offer::Tls, MailTls::Tls)] {
        let front = Front::new(offer).await;
        let (done, notices) = front.campaign(front.config(tls)).await;
        assert_eq!((done.unwrap(), notices, front.sink.taken().len()), (2, 2, 2));
        let clear = front.in_the_clear();
        assert!(clear.lines().all(|line| ["EHLO example.com", "STARTTLS"].contains(&line)), "{clear}");
    }
}

#[tokio::test]
async fn an_unknown_certificate_ends_the_connection() {
    for (offer, tls) in [(Offer::Starttls, MailTls::Starttls), (Offer::Tls, MailTls::Tls)] {
        let front = Front::new(offer).await;
        for wrong in [
            SmtpConfig { roots: None, ..front.config(tls) },
            SmtpConfig { host: "127.0.0.1".to_owned(), ..front.config(tls) },
        ] {
            let login = SmtpConfig { user: Some("u".to_owned()), password: Some(Secret::new("p4ss")), ..wrong };
            let (done, notices) = front.campaign(login).await;
            let said = done.unwrap_err().to_string();
            assert!(said.contains("certificate") && said.contains("No mail was sent"), "{said}");
            assert_eq!((notices, front.sink.taken().len()), (0, 0), "the mails are still to be sent");
        }
        let clear = front.in_the_clear();
        assert!(clear.lines().all(|line| ["EHLO example.com", "STARTTLS"].contains(&line)), "{clear}");
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_no_mail() {
    for tls in [MailTls::Starttls, MailTls::Tls] {
        let front = Front::new(Offer::Clear).await;
        let login = SmtpConfig { user: Some("u".to_owned()), password: Some(Secret::new("p4ss")), ..front.config(tls) };
        let (done, notices) = front.campaign(login).await;
        let said = done.unwrap_err().to_string();
        assert!(said.starts_with("the mail server localhost cannot be used: "), "{said}");
        assert_eq!((notices, front.sink.taken().len()), (0, 0));
        if tls == MailTls::Starttls {
            assert!(said.contains("STARTTLS"), "{said}");
            assert_eq!(front.in_the_clear(), "EHLO example.com\r\n", "neither AUTH nor MAIL");
        }
    }
}

#[tokio::test]
async fn answers_injected_before_tls_are_ignored() {
    let front = Front::new(Offer::Forged).await;
    front.sink.set(Mood::Never);
    let (done, notices) = front.campaign(front.config(MailTls::Starttls)).await;
    let said = done.unwrap_err().to_string();
    assert!(said.contains("more in the clear than the answer to STARTTLS"), "{said}");
    assert_eq!((notices, front.sink.taken().len()), (0, 0), "nothing is called sent");
}

#[tokio::test]
async fn a_silent_server_is_waited_for_only_so_long() {
    for tls in [MailTls::Starttls, MailTls::Tls, MailTls::None] {
        let front = Front::new(Offer::Silence).await;
        let (done, notices) = front.campaign(SmtpConfig { timeout_ms: 50, ..front.config(tls) }).await;
        assert!(done.unwrap_err().to_string().contains("not ready within 50ms"));
        assert_eq!(notices, 0);
    }
}

#[test]
fn an_empty_file_of_authorities_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    let made = || {
        let config = SmtpConfig {
            roots: Some(file.clone()),
            ..serde_json::from_str(r#"{"host":"h","from":"a@b.example"}"#).unwrap()
        };
        Mailer::new(config).unwrap_err().to_string()
    };
    assert!(made().contains("roots.pem"), "no such file");
    std::fs::write(&file, "hello").unwrap();
    assert!(made().contains("there is no certificate in it"), "{}", made());
}
