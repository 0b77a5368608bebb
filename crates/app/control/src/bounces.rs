//! Mails that came back (RFC 3464).
//!
//! - A report is matched by the `Message-ID` of the mail that it encloses, never by an address
//!   alone: one address may have got several notices.
//! - The action of a recipient decides (RFC 3464, 2.3.3): `failed` is final with any status,
//!   `delayed` is not. A status counts only where a report has no action.
//! - Of several recipients one that failed decides, then one that is delayed.

use banjia_files::{Bounds, FileError, is_folder, list, read_start};
use banjia_store::{Store, StoreError};
use banjia_types::Timestamp;
use mail_parser::{MessageParser, MimeHeaders as _, PartType};
use std::path::Path;
use std::time::Duration;

/// A report is read up to here: what it says of the mail stands before the mail itself.
pub const REPORT_BYTES_MAX: u64 = 1024 * 1024;
/// A mail must be read within this time.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A report on a mail that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    /// The `Message-ID` of the mail, without angle brackets.
    pub message_id: String,
    /// True if nobody tries it again.
    pub is_permanent: bool,
    /// What the report says: the status, and the diagnosis where there is one.
    pub said: String,
}

/// What a folder of mails held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Reports that were recorded.
    pub recorded: u32,
    /// Reports that were recorded before, or that are about no notice of ours.
    pub known: u32,
    /// Reports of a delay only.
    pub delays: u32,
    /// Mails that are no reports.
    pub others: u32,
}

/// Why a folder was not read to its end. What was recorded until then stays.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder, or a mail in it.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why it was not read.
        source: FileError,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Records every report in a folder, or in the `new` and `cur` of a Maildir. Nothing in it is
/// changed, so it may be read again and again.
///
/// # Errors
/// A folder or a mail that cannot be read, or the database.
pub async fn record_folder(store: &Store, folder: &Path, now: Timestamp) -> Result<Found, FolderError> {
    let mut found = Found::default();
    let inside = ["new", "cur"].map(|name| folder.join(name));
    let mut is_maildir = true;
    for inner in &inside {
        is_maildir &= is_folder(inner, READ_WITHIN).map_err(|source| failed(inner, source))?;
    }
    let folders = if is_maildir { inside.into() } else { vec![folder.to_owned()] };
    for folder in folders {
        for path in list(&folder, READ_WITHIN).map_err(|source| failed(&folder, source))? {
            let bounds = Bounds::regular(REPORT_BYTES_MAX, READ_WITHIN);
            let mail = match read_start(&path, bounds) {
                Ok(mail) => mail,
                // A folder or a pipe among the mails is none of them.
                Err(FileError::NotRegular(_)) => continue,
                // Mail programs move mails away while the folder is read.
                Err(error) if error.is_missing() => continue,
                Err(source) => return Err(failed(&path, source)),
            };
            match self::read(&mail) {
                None => found.others += 1,
                Some(bounce) if !bounce.is_permanent => found.delays += 1,
                Some(bounce) if store.bounce(&bounce.message_id, &bounce.said, now).await? => found.recorded += 1,
                Some(_) => found.known += 1,
            }
        }
    }
    Ok(found)
}

fn failed(path: &Path, source: FileError) -> FolderError {
    FolderError::Read { path: path.display().to_string(), source }
}

/// Reads a report. None for a mail that is no delivery report, that reports a success, or that does
/// not say which mail it is about.
pub fn read(mail: &[u8]) -> Option<Bounce> {
    let message = MessageParser::default().parse(mail)?;
    let report = message.content_type().filter(|kind| kind.ctype() == "multipart")?;
    if report.subtype() != Some("report") {
        return None;
    }
    let (mut worst, mut enclosed): (Option<Recipient>, Option<String>) = (None, None);
    for part in &message.parts {
        let kind =
            part.content_type().map(|kind| (kind.ctype().to_owned(), kind.subtype().unwrap_or_default().to_owned()));
        let text = match &part.body {
            PartType::Text(text) => text.to_string(),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            PartType::Message(inner) => {
                enclosed = inner.message_id().map(str::to_owned).or(enclosed);
                continue;
            }
            _ => continue,
        };
        let is = |subtype: &str| kind.as_ref().is_some_and(|(_, found)| found.eq_ignore_ascii_case(subtype));
        if is("delivery-status") || is("global-delivery-status") {
            worst = worst.into_iter().chain(recipients(&text)).reduce(Recipient::worse);
        } else if is("rfc822-headers") || is("global-headers") {
            enclosed = field(&text, "message-id").or(enclosed);
        }
    }
    let Recipient { is_permanent, said } = worst?;
    let message_id = enclosed?.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
    Some(Bounce { message_id, is_permanent, said })
}

/// One recipient of a report, who did not get the mail, or not yet.
struct Recipient {
    is_permanent: bool,
    said: String,
}

impl Recipient {
    /// The one of two that decides: the first that is final.
    fn worse(self, other: Self) -> Self {
        if other.is_permanent && !self.is_permanent { other } else { self }
    }
}

/// The recipients of a delivery status who did not get the mail. Blocks of fields are parted by
/// empty lines, and the first is about the message (RFC 3464, 2.1).
fn recipients(text: &str) -> impl Iterator<Item = Recipient> + use<> {
    let text = text.replace("\r\n", "\n");
    let blocks: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    blocks.into_iter().filter_map(|block| {
        let first = |name| {
            field(&block, name).and_then(|value| value.trim().split([' ', ';', '(']).next().map(str::to_lowercase))
        };
        let status = first("status").filter(|status| !status.is_empty());
        let action = first("action").filter(|action| !action.is_empty());
        let is_permanent = match (action.as_deref(), status.as_deref()) {
            (Some("failed"), _) => true,
            (Some("delayed"), _) => false,
            (Some("delivered" | "relayed" | "expanded"), _) | (None, None) => return None,
            // An action that the standard does not have: the status is all that there is.
            (_, Some(status)) if status.starts_with(['4', '5']) => status.starts_with('5'),
            _ => return None,
        };
        let status = status.or(action).unwrap_or_default();
        let said = field(&block, "diagnostic-code").map_or_else(|| status.clone(), |said| format!("{status} {said}"));
        Some(Recipient { is_permanent, said })
    })
}

/// A field of a block of headers, unfolded.
fn field(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((found, value)) = line.split_once(':') else { continue };
        if !found.trim().eq_ignore_ascii_case(name) {
            continue;
        }
        let mut value = value.trim().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(more.trim());
        }
        return Some(value);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(status: &str, third: &str) -> String {
        format!(
            "From: postmaster@mail.example\r\nTo: notice@example.com\r\nSubject: undelivered\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example\r\n\r\n\
             Final-Recipient: rfc822; ops@acme.example\r\nAction: failed\r\nStatus: {status}\r\n\
             Diagnostic-Code: smtp; 550 no such\r\n  user here\r\n\r\n--b\r\n{third}\r\n--b--\r\n"
        )
    }

    const HEADERS: &str =
        "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\nMessage-ID: <1.notice@example.com>\r\n";
    const WHOLE: &str =
        "Content-Type: message/rfc822\r\n\r\nMessage-ID: <2.notice@example.com>\r\nSubject: x\r\n\r\ntext\r\n";

    #[test]
    fn a_report_is_matched_by_the_mail_that_it_encloses() {
        let bounce = read(report("5.1.1", HEADERS).as_bytes());
        let said = "5.1.1 smtp; 550 no such user here".to_owned();
        assert_eq!(bounce, Some(Bounce { message_id: "1.notice@example.com".to_owned(), is_permanent: true, said }));
        let soft = read(report("4.2.2", WHOLE).replace("Action: failed", "Action: delayed").as_bytes());
        assert_eq!(
            soft.map(|bounce| (bounce.message_id, bounce.is_permanent)),
            Some(("2.notice@example.com".to_owned(), false))
        );
    }

    /// A report with these blocks, each about one recipient.
    fn report_on(blocks: &[&str]) -> String {
        let before = "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such\r\n  user here\r\n\r\n";
        let text = report("5.1.1", HEADERS);
        assert!(text.contains(before));
        let more = blocks.join("\r\nFinal-Recipient: rfc822; other@acme.example\r\n");
        text.replace(before, &format!("{more}\r\n"))
    }

    fn is_final(blocks: &[&str]) -> Option<bool> {
        read(report_on(blocks).as_bytes()).map(|bounce| bounce.is_permanent)
    }

    #[test]
    fn the_action_decides_whatever_the_status() {
        for (block, wanted) in [
            ("Action: failed\r\nStatus: 4.4.7\r\n", Some(true)),
            ("Action: FAILED (expired)\r\nStatus: 4.4.7 (expired)\r\n", Some(true)),
            ("Status: 4.2.2\r\nAction:\r\n failed\r\n", Some(true)),
            ("Action: failed\r\n", Some(true)),
            ("Action: delayed\r\nStatus: 4.4.1\r\n", Some(false)),
            ("Action: delayed\r\nStatus: 5.4.1\r\n", Some(false)),
            ("Action: delivered\r\nStatus: 5.0.0\r\n", None),
            ("Action: relayed\r\nStatus: 2.0.0\r\n", None),
            ("Action: expanded\r\nStatus: 4.0.0\r\n", None),
            ("Status: 5.1.1\r\n", Some(true)),
            ("Status: 4.2.2\r\n", Some(false)),
        ] {
            assert_eq!(is_final(&[block]), wanted, "{block:?}");
        }
    }

    #[test]
    fn of_several_recipients_one_that_failed_decides() {
        let failed = "Action: failed\r\nStatus: 4.4.7\r\nDiagnostic-Code: smtp; expired\r\n";
        let delayed = "Action: delayed\r\nStatus: 4.4.1\r\n";
        let delivered = "Action: delivered\r\nStatus: 2.0.0\r\n";
        for blocks in [[delivered, failed], [failed, delivered], [delayed, failed], [failed, delayed]] {
            let bounce = read(report_on(&blocks).as_bytes()).unwrap();
            assert_eq!((bounce.is_permanent, bounce.said.as_str()), (true, "4.4.7 smtp; expired"), "{blocks:?}");
        }
        assert_eq!(is_final(&[delivered, delayed]), Some(false));
        assert_eq!(is_final(&[delivered, delivered]), None);
    }

    #[test]
    fn a_report_in_unicode_is_read() {
        let text = report("5.1.1", HEADERS).replace("message/delivery-status", "message/global-delivery-status");
        assert!(read(text.as_bytes()).is_some_and(|bounce| bounce.is_permanent));
    }

    #[test]
    fn what_is_no_report_or_of_no_mail_is_nothing() {
        assert_eq!(is_final(&["Action: delivered\r\nStatus: 2.0.0\r\n"]), None, "a success");
        assert_eq!(read(report("5.1.1", "Content-Type: text/plain\r\n\r\nno id\r\n").as_bytes()), None);
        for bad in
            ["", "hello", "Subject: hi\r\n\r\nhello", "Content-Type: multipart/report; boundary=\"b\"\r\n\r\n--b"]
        {
            assert_eq!(read(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
