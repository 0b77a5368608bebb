//! Mails that came back (RFC 3464).
//!
//! Rule: a report is matched by the `Message-ID` of the mail that it encloses, never by an address alone: one address may
//! have got several notices.

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
    /// Whether it is for good (a status that begins with 5).
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

/// Records every report in a folder, or in the `new` and `cur` of a Maildir. Nothing in it is changed, so it may be read
/// again and again.
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

/// Reads a report. None for a mail that is no delivery report, that reports a success, or that does not say which mail it
/// is about.
pub fn read(mail: &[u8]) -> Option<Bounce> {
    let message = MessageParser::default().parse(mail)?;
    let report = message.content_type().filter(|kind| kind.ctype() == "multipart")?;
    if report.subtype() != Some("report") {
        return None;
    }
    let (mut status, mut diagnosis, mut enclosed) = (None, None, None);
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
        if is("delivery-status") {
            status = field(&text, "status").or(status);
            diagnosis = field(&text, "diagnostic-code").or(diagnosis);
        } else if is("rfc822-headers") {
            enclosed = field(&text, "message-id").or(enclosed);
        }
    }
    let status = status.filter(|status| status.starts_with(['4', '5']))?;
    let message_id = enclosed?.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
    let said = diagnosis.map_or_else(|| status.clone(), |said| format!("{status} {said}"));
    Some(Bounce { message_id, is_permanent: status.starts_with('5'), said })
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
        let soft = read(report("4.2.2", WHOLE).as_bytes());
        assert_eq!(
            soft.map(|bounce| (bounce.message_id, bounce.is_permanent)),
            Some(("2.notice@example.com".to_owned(), false))
        );
    }

    #[test]
    fn what_is_no_report_or_of_no_mail_is_nothing() {
        assert_eq!(read(report("2.0.0", HEADERS).as_bytes()), None, "a success");
        assert_eq!(read(report("5.1.1", "Content-Type: text/plain\r\n\r\nno id\r\n").as_bytes()), None);
        for bad in
            ["", "hello", "Subject: hi\r\n\r\nhello", "Content-Type: multipart/report; boundary=\"b\"\r\n\r\n--b"]
        {
            assert_eq!(read(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
