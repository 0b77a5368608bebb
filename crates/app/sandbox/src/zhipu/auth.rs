//! Zhipu's keys: `id.secret` as it is, or a JWT that its secret has signed (HS256; times in milliseconds).

use super::Bad;
use crate::answer::{Call, now_ms};
use crate::server::key_of;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

pub(super) fn check(call: &Call<'_>) -> Result<(), Bad> {
    let Some(token) = call.bearer() else {
        return Err(Bad(401, "1001", "Header中未收到Authentication参数，无法进行身份验证。".into()));
    };
    let key = key_of("zhipu").unwrap_or_default();
    if token == key {
        return Ok(());
    }
    let parts: Vec<&str> = token.split('.').collect();
    match parts.as_slice() {
        [header, payload, signature] => jwt(key, header, payload, signature),
        [_, _] => Err(Bad(401, "1000", "身份验证失败。".into())),
        _ => Err(Bad(401, "1002", "Authorization Token非法，请确认Authorization Token正确传递。".into())),
    }
}

fn jwt(key: &str, header: &str, payload: &str, signature: &str) -> Result<(), Bad> {
    let illegal = || Bad(401, "1002", "Authorization Token非法，请确认Authorization Token正确传递。".into());
    let (id, secret) = key.split_once('.').ok_or_else(illegal)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{header}.{payload}").as_bytes());
    let given = URL_SAFE_NO_PAD.decode(signature).map_err(|_| illegal())?;
    mac.verify_slice(&given).map_err(|_| Bad(401, "1000", "身份验证失败。".into()))?;
    let read =
        |part: &str| URL_SAFE_NO_PAD.decode(part).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (header, payload) = (read(header).ok_or_else(illegal)?, read(payload).ok_or_else(illegal)?);
    if header.get("alg").and_then(Value::as_str) != Some("HS256")
        || header.get("sign_type").and_then(Value::as_str) != Some("SIGN")
    {
        return Err(illegal());
    }
    if payload.get("api_key").and_then(Value::as_str) != Some(id) {
        return Err(Bad(401, "1000", "身份验证失败。".into()));
    }
    // A time in seconds lies far in the past when it is read as milliseconds, so that slip is told as "expired" too.
    match payload.get("exp").and_then(Value::as_u64) {
        Some(exp) if exp > now_ms() => Ok(()),
        Some(_) => Err(Bad(401, "1003", "Authentication Token已过期，请重新生成/获取。".into())),
        None => Err(illegal()),
    }
}
