//! Signed mails, checked by a reading of RFC 6376 that shares nothing with the library that signs.

use banjia_control::Mailer;
use banjia_control::mail::{DkimConfig, MailTls, SmtpConfig};
use banjia_control::templates::Written;
use banjia_types::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest as _, Sha256};
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};

fn config(key: &RsaPrivateKey) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: None,
        tls: MailTls::None,
        roots: None,
        user: None,
        password: None,
        from: "Example AI <notice@example.com>".to_owned(),
        reply_to: Some("appeals@example.com".to_owned()),
        unsubscribe: None,
        dkim: Some(DkimConfig {
            selector: "july".to_owned(),
            domain: "example.com".to_owned(),
            private_key: Secret::new(key.to_pkcs1_pem(rsa::pkcs1::LineEnding::LF).unwrap().as_str()),
        }),
        per_minute_max: 60,
        timeout_ms: 1_000,
    }
}

/// Runs of blanks become one, and none is left at an end.
fn words(text: &str) -> String {
    text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Name and value of each header, unfolded.
fn headers(head: &str) -> Vec<(String, String)> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded
        .split("\r\n")
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), words(value)))
        .collect()
}

/// RFC 6376, sections 3.4.2, 3.4.4 and 3.7.
fn is_signed(mail: &str, key: &RsaPublicKey) -> bool {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    let headers = headers(head);
    let value = |name: &str| headers.iter().rfind(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let signature = value("dkim-signature").unwrap();
    let tag = |name: &str| {
        let mut tags = signature.split(';').filter_map(|tag| tag.trim().split_once('='));
        tags.find(|(found, _)| found.trim() == name).unwrap().1.replace(' ', "")
    };
    assert_eq!((tag("v").as_str(), tag("a").as_str(), tag("c").as_str()), ("1", "rsa-sha256", "relaxed/relaxed"));
    assert_eq!((tag("s").as_str(), tag("d").as_str()), ("july", "example.com"));
    let lines: Vec<_> = body
        .split("\r\n")
        .map(|line| {
            let blank_first = line.starts_with([' ', '\t']) && !line.trim().is_empty();
            format!("{}{}", if blank_first { " " } else { "" }, words(line))
        })
        .collect();
    let body = format!("{}\r\n", lines.join("\r\n").trim_end_matches("\r\n"));
    if STANDARD.encode(Sha256::digest(body)) != tag("bh") {
        return false;
    }
    let mut signed = String::new();
    for name in tag("h").split(':') {
        // A header that is not there counts as empty (5.4.2).
        if let Some(value) = value(name) {
            signed.extend([name, ":", value, "\r\n"]);
        }
    }
    let unsigned = signature.split(';').map(|tag| if tag.trim_start().starts_with("b=") { " b=" } else { tag });
    signed.push_str("dkim-signature:");
    signed.push_str(&unsigned.collect::<Vec<_>>().join(";"));
    let bytes = STANDARD.decode(tag("b")).unwrap();
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed), &bytes).is_ok()
}

#[test]
fn a_changed_mail_fails_its_signature() {
    let key = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
    let mailer = Mailer::new(config(&key)).unwrap();
    let written = Written {
        subject: "Notice: 服务变更 of your access".to_owned(),
        text: "From  July on\n  we serve fewer places. \n\n\n".to_owned(),
        html: "<p>From July on we serve fewer places.</p>\n".to_owned(),
        unsubscribe: Some("https://example.com/unsubscribe".to_owned()),
    };
    let (_, bytes) = mailer.compose("ops@acme.example", "1.notice@example.com", &written).unwrap();
    let mail = String::from_utf8(bytes).unwrap();
    let public = key.to_public_key();
    assert!(is_signed(&mail, &public), "{mail}");
    // A server on the way may fold a header and change blanks; the signature still holds.
    let folded = mail.replacen("From: \"Example AI\" ", "From:  \"Example AI\"\r\n  ", 1);
    assert!(folded != mail && is_signed(&folded, &public), "{folded}");
    for (from, to) in [
        ("appeals@example.com", "appeals@elsewhere.example"),
        ("example.com/unsubscribe", "elsewhere.example/x"),
        ("fewer places", "all places"),
        ("Message-ID: <1.", "Message-ID: <2."),
    ] {
        let changed = mail.replacen(from, to, 1);
        assert_ne!(changed, mail, "{from}");
        assert!(!is_signed(&changed, &public), "{from} was changed unseen");
    }
    // Where nothing changes for who unsubscribes the header is not there, and nobody can put one in.
    let without = Written { unsubscribe: None, ..written };
    let (_, bytes) = mailer.compose("ops@acme.example", "1.notice@example.com", &without).unwrap();
    let mail = String::from_utf8(bytes).unwrap();
    assert!(is_signed(&mail, &public) && !mail.contains("List-Unsubscribe:"), "{mail}");
    let added = format!("List-Unsubscribe: <https://elsewhere.example/x>\r\n{mail}");
    assert!(!is_signed(&added, &public), "a way out was added unseen");
    let other = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
    assert!(!is_signed(&mail, &other.to_public_key()));
    let bad = DkimConfig { private_key: Secret::new("no key"), ..config(&key).dkim.unwrap() };
    let said = Mailer::new(SmtpConfig { dkim: Some(bad), ..config(&key) }).unwrap_err().to_string();
    assert!(said.contains("dkim.private_key") && !said.contains("no key"), "{said}");
}
