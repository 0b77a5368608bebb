//! Who is in the story.

use banjia_border::country::Lang;
use banjia_control::SmtpConfig;
use banjia_control::mail::MailTls;

/// An account of the story.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: &'static str,
    /// Where its requests come from: an address of that place.
    pub(super) address: &'static str,
    pub(super) from: &'static str,
    /// Where it says that it resides.
    pub(super) residence: &'static str,
    pub(super) email: &'static str,
    pub(super) language: Lang,
    /// Whether it is told.
    pub(super) is_affected: bool,
    /// Whether its requests from `address` are refused on the day.
    pub(super) is_refused: bool,
}

impl Account {
    /// Where its `n`th request comes from. One account was once abroad for a single request.
    pub(super) fn address_of(&self, n: usize) -> &'static str {
        if self.id == "berlin-shop" && n == 7 { "223.5.5.5" } else { self.address }
    }
}

const fn account(
    id: &'static str,
    (address, from): (&'static str, &'static str),
    residence: &'static str,
    email: &'static str,
    is_hit: bool,
) -> Account {
    let language = if matches!(residence.as_bytes(), b"CN" | b"HK" | b"MO" | b"TW") { Lang::Zh } else { Lang::En };
    Account { id, address, from, residence, email, language, is_affected: is_hit, is_refused: is_hit }
}

/// All of them. The first is the one whose forged address is tried.
pub(super) const ACCOUNTS: [Account; 10] = [
    account("harbour-pay", ("47.75.0.1", "Hong Kong"), "HK", "ops@harbour-pay.example", true),
    account("lingua", ("101.132.0.1", "Shanghai"), "CN", "ops@lingua.example", true),
    account("ferry-tours", ("202.175.3.3", "Macao"), "MO", "ops@ferry-tours.example", true),
    account("minsk-studio", ("178.124.0.1", "Minsk"), "BY", "ops@minsk-studio.example", true),
    // Its servers stand in Singapore and its record in a place that is not served.
    account("pearl-trade", ("13.228.0.1", "Singapore"), "CN", "ops@pearl-trade.example", true),
    // Its edge runs in Hong Kong over IPv6, though it sits in Germany.
    account("edge-berlin", ("2406:da1e::1", "Hong Kong"), "DE", "ops@edge-berlin.example", true),
    account("taipei-apps", ("168.95.1.1", "Taipei"), "TW", "ops@taipei-apps.example", false),
    account("berlin-shop", ("3.64.0.1", "Frankfurt"), "DE", "ops@berlin-shop.example", false),
    account("cairo-desk", ("41.32.0.1", "Cairo"), "EG", "ops@cairo-desk.example", false),
    account("tokyo-lab", ("2406:da14::1", "Tokyo"), "JP", "ops@tokyo-lab.example", false),
];

/// The mail server on this machine.
pub(super) fn mail(port: u16) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        tls: MailTls::None,
        roots: None,
        user: None,
        password: None,
        from: "Example AI <notice@example.com>".to_owned(),
        reply_to: Some("appeals@example.com".to_owned()),
        unsubscribe: None,
        dkim: None,
        per_minute_max: 60_000,
        timeout_ms: 10_000,
    }
}
