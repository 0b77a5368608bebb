//! A mail server that keeps what it is given: for rehearsals, demonstrations and tests.
//!
//! It speaks enough of SMTP (RFC 5321) for a real client, on a free port of this machine, and can be told to refuse or to
//! break off, since those are the cases that a campaign must survive.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The longest mail that is kept.
const MAIL_BYTES_MAX: usize = 1 << 20;

/// How the server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It takes everything.
    #[default]
    Willing,
    /// It refuses receivers for now (451).
    Later,
    /// It refuses receivers for good (550).
    Never,
    /// It takes no mail of this sender (530).
    NoSender,
    /// It takes the mail and breaks off before it says so.
    Lost,
    /// It refuses the whole mail for now, after its last line (452).
    LaterAfterData,
}

/// One mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The receiver.
    pub to: String,
    /// The mail as it came.
    pub text: String,
}

impl Taken {
    /// A header of the mail, as it stands there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)))
            .map(|(_, v)| v)
    }
}

#[derive(Debug, Default)]
struct SinkState {
    mood: Mood,
    taken: Vec<Taken>,
}

/// A running sink. It ends when it is dropped.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub addr: SocketAddr,
    kept: Arc<Mutex<SinkState>>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// No free port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let kept: Arc<Mutex<SinkState>> = Arc::default();
        let shared = kept.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let kept = shared.clone();
                tokio::spawn(async move {
                    if let Err(error) = talk(socket, &kept).await {
                        tracing::debug!(%error, "a conversation with the sink ended early");
                    }
                });
            }
        });
        Ok(Self { addr, kept, task })
    }

    /// From now on it answers so.
    pub fn set(&self, mood: Mood) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).mood = mood;
    }

    /// Everything that was taken so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).taken.clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn talk(socket: TcpStream, kept: &Mutex<SinkState>) -> std::io::Result<()> {
    let mood = || kept.lock().unwrap_or_else(PoisonError::into_inner).mood;
    let mut socket = BufReader::new(socket);
    socket.write_all(b"220 sink ESMTP\r\n").await?;
    let (mut line, mut to) = (String::new(), String::new());
    loop {
        line.clear();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word = line.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME\r\n",
            "MAIL" if mood() == Mood::NoSender => "530 5.7.0 authentication required\r\n",
            "RCPT" if mood() == Mood::Later => "451 come back later\r\n",
            "RCPT" if mood() == Mood::Never => "550 nobody of that name\r\n",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                "250 ok\r\n"
            }
            "DATA" => {
                socket.write_all(b"354 go on\r\n").await?;
                let text = mail(&mut socket).await?;
                if mood() == Mood::LaterAfterData {
                    "452 no room now\r\n"
                } else {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).taken.push(Taken { to: to.clone(), text });
                    if mood() == Mood::Lost {
                        return Ok(());
                    }
                    "250 taken\r\n"
                }
            }
            "QUIT" => {
                socket.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "HELO" | "MAIL" | "RSET" | "NOOP" => "250 ok\r\n",
            _ => "502 not here\r\n",
        };
        socket.write_all(answer.as_bytes()).await?;
    }
}

/// Reads to the line with a single dot.
async fn mail(socket: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let (mut text, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if socket.read_line(&mut line).await? == 0 || text.len() > MAIL_BYTES_MAX {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
