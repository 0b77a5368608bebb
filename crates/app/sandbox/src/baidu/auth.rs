//! Baidu's keys and tokens: the long-lived bearer, the bce-auth-v1 signature, and both token exchanges.
//!
//! The signature, after the vendor's signing rules: the prefix `bce-auth-v1/{key}/{UTC time}/{seconds}` is hashed with the
//! secret; its hexadecimal text is the key for the canonical request: method, path, sorted query and sorted signed headers,
//! one per line. The path is the one at the vendor's host, so the sandbox's mount point may be left out of it.

use crate::answer::{Answer, Call, decode, now_s};
use crate::server::{BAIDU_ACCESS_KEY, BAIDU_SECRET_KEY, key_of};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::fmt::Write as _;

/// How the tokens of the old exchange begin.
const TOKEN_PREFIX: &str = "24.sandbox-";
/// How far a signature's time may be from ours, beside its own validity.
const SKEW_S: i64 = 600;

pub(super) fn serve(call: &Call<'_>) -> Answer {
    match (call.method, call.segments().as_slice()) {
        ("GET" | "POST", ["oauth", "2.0", "token"]) => oauth(call),
        ("GET", ["v1", "BCE-BEARER", "token"]) => {
            if !signed(call) {
                return Answer::json(
                    401,
                    json!({"requestId": call.ids.uuid(), "code": "SignatureDoesNotMatch", "message": "The request signature we calculated does not match the signature you provided."}),
                );
            }
            let expires = call.query_value("expireInSeconds").and_then(|s| s.parse().ok()).unwrap_or(86_400_u64);
            let token = format!("bce-v3/ALTAK-sandbox-{}/{}", call.ids.hex(8), call.ids.hex(32));
            Answer::json(
                200,
                json!({"userId": "sandbox", "token": token, "status": "enable", "createTime": utc(now_s()), "expireTime": utc(now_s() + expires)}),
            )
        }
        // The SDK asks which services exist before it calls an old address; an empty list makes it use its own table.
        ("POST", ["wenxinworkshop", "service", "list"]) => {
            Answer::json(200, json!({"log_id": "1", "result": {"common": [], "custom": []}}))
        }
        _ => Answer::json(
            404,
            json!({"requestId": call.ids.uuid(), "code": "NotFound", "message": format!("no such path: {}", call.path)}),
        ),
    }
}

fn oauth(call: &Call<'_>) -> Answer {
    let known = call.query_value("client_id").as_deref() == Some(BAIDU_ACCESS_KEY);
    let right = call.query_value("client_secret").as_deref() == Some(BAIDU_SECRET_KEY);
    if !known {
        return Answer::json(401, json!({"error": "invalid_client", "error_description": "unknown client id"}));
    }
    if !right {
        return Answer::json(
            401,
            json!({"error": "invalid_client", "error_description": "Client authentication failed"}),
        );
    }
    let token = format!("{TOKEN_PREFIX}{}", call.ids.hex(16));
    Answer::json(
        200,
        json!({
            "refresh_token": "25.sandbox", "expires_in": 2_592_000, "session_key": "", "access_token": token, "scope": "public", "session_secret": ""
        }),
    )
}

/// Whether V2 lets the caller in: the long-lived key, or a bearer that this sandbox has minted.
pub(super) fn bearer_accepted(call: &Call<'_>) -> bool {
    call.bearer().is_some_and(|key| Some(key) == key_of("baidu") || key.starts_with("bce-v3/ALTAK-sandbox-"))
}

/// Whether V1 lets the caller in: a token in the query, or a signature.
pub(super) fn v1_accepted(call: &Call<'_>) -> bool {
    match call.query_value("access_token") {
        Some(token) => token.starts_with(TOKEN_PREFIX),
        None => signed(call),
    }
}

/// Checks a bce-auth-v1 signature.
pub(super) fn signed(call: &Call<'_>) -> bool {
    let Some(authorization) = call.header("authorization") else { return false };
    let parts: Vec<&str> = authorization.split('/').collect();
    let [scheme, key, time, validity, names, signature] = parts.as_slice() else { return false };
    if *scheme != "bce-auth-v1" || *key != BAIDU_ACCESS_KEY || !in_time(time, validity) {
        return false;
    }
    let prefix = format!("{scheme}/{key}/{time}/{validity}");
    let signing_key = hex_hmac(BAIDU_SECRET_KEY.as_bytes(), &prefix);
    let short = call.full_path.strip_prefix("/baidu").unwrap_or(call.full_path);
    [short, call.full_path]
        .iter()
        .any(|path| hex_hmac(signing_key.as_bytes(), &canonical(call, path, names)) == *signature)
}

fn canonical(call: &Call<'_>, path: &str, names: &str) -> String {
    let mut query: Vec<String> = call
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            format!("{}={}", encode(&decode(name)), encode(&decode(value)))
        })
        .collect();
    query.sort();
    let mut headers: Vec<String> = names
        .split(';')
        .filter_map(|name| {
            let value = call.header(name)?.trim();
            (!value.is_empty()).then(|| format!("{}:{}", encode(&name.to_lowercase()), encode(value)))
        })
        .collect();
    headers.sort();
    format!("{}\n{path}\n{}\n{}", call.method, query.join("&"), headers.join("\n"))
}

fn hex_hmac(key: &[u8], text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        write!(hex, "{byte:02x}").expect("a String takes any text");
        hex
    })
}

/// Percent-encoding after RFC 3986, slashes too.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes any text");
        }
        out
    })
}

fn in_time(time: &str, validity: &str) -> bool {
    let (Some(signed_at), Ok(validity)) = (seconds(time), validity.parse::<i64>()) else { return false };
    let now = i64::try_from(now_s()).unwrap_or(i64::MAX);
    signed_at <= now + SKEW_S && now <= signed_at.saturating_add(validity).saturating_add(SKEW_S)
}

/// `2026-11-24T01:43:55Z` as seconds since 1970.
fn seconds(time: &str) -> Option<i64> {
    let fields: Vec<i64> = time
        .split(['-', 'T', ':', 'Z'])
        .filter(|piece| !piece.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [year, month, day, hour, minute, second] = fields.as_slice() else { return None };
    let plausible = (1970..10_000).contains(year) && (1..=12).contains(month) && (1..=31).contains(day);
    plausible.then(|| days(*year, *month, *day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days since 1970 in the Gregorian calendar, counted from March so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + day - 1 - 719_468
}

/// Seconds since 1970 in the form of the token answers.
fn utc(seconds: u64) -> String {
    let (mut day, rest) = (i64::try_from(seconds / 86_400).unwrap_or(0), seconds % 86_400);
    let mut year = 1970;
    while day >= days(year + 1, 1, 1) - days(year, 1, 1) {
        day -= days(year + 1, 1, 1) - days(year, 1, 1);
        year += 1;
    }
    let first = days(year, 1, 1);
    let month = (1..=12).rev().find(|month| days(year, *month, 1) - first <= day).unwrap_or(1);
    let day = day - (days(year, month, 1) - first) + 1;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.000Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        for (text, number) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-24T01:43:55Z", 1_795_484_635),
            ("2024-02-29T23:59:59Z", 1_709_251_199),
        ] {
            assert_eq!(seconds(text), Some(number));
            assert_eq!(utc(number as u64), text.replace('Z', ".000Z"));
        }
        assert_eq!(seconds("yesterday"), None);
    }
}
