use super::*;

#[test]
fn keys_never_come_back_in_a_message() {
    for (said, shown) in [
        ("Incorrect API key provided: sk-abcd1234****wxyz. See docs.", "Incorrect API key provided: [key] See docs."),
        ("token bce-v3/ALTAK-abc/def0123456 is wrong", "token [key] is wrong"),
        ("Authorization: Bearer abcdefgh12345678 refused", "Authorization: Bearer [key] refused"),
        ("id 0123456789abcdef0123456789abcdef.ABCDEFGHIJKLMNOP!", "id [key]!"),
        ("ask-them, task-1 of 3", "ask-them, task-1 of 3"),
        ("请求\r\n过多\u{0}", "请求  过多"),
    ] {
        assert_eq!(clean(said), shown);
    }
    assert_eq!(clean(&"长".repeat(10_000)).chars().count(), 501);
}

#[test]
fn retry_after_is_read_within_bounds() {
    assert_eq!(parse_retry_after("12"), Some(Duration::from_secs(12)));
    assert_eq!(parse_retry_after(" 1.5 "), Some(Duration::from_millis(1500)));
    assert_eq!(parse_retry_after("250ms"), Some(Duration::from_millis(250)));
    assert_eq!(parse_retry_after("1e300"), None);
    assert_eq!(parse_retry_after("99999999"), Some(RETRY_AFTER_MAX));
    for bad in ["", "-1", "NaN", "inf", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        assert_eq!(parse_retry_after(bad), None, "{bad}");
    }
}

#[test]
fn a_region_block_needs_a_code_and_a_fitting_status() {
    let message = "[unsupported_country_region_territory] Country, region, or territory not supported";
    assert_eq!(by_status(403, Some(REGION_CODE), ""), ErrorClass::Region);
    assert_eq!(by_status(403, None, message), ErrorClass::Region);
    assert_eq!(by_status(400, None, message), ErrorClass::BadRequest);
    let quoted = "your prompt said unsupported_country_region_territory";
    assert_eq!(by_status(403, None, quoted), ErrorClass::Auth);
}

#[test]
fn every_envelope_is_read() {
    for (body, code, message) in [
        (r#"{"error":{"code":"1113","message":"no money"}}"#, Some("1113"), "no money"),
        (r#"{"error":"slow down","code":429}"#, Some("429"), "slow down"),
        (r#"{"code":"Throttling","message":"m","request_id":"r"}"#, Some("Throttling"), "m"),
        (r#"{"code":20015,"message":"m","data":null}"#, Some("20015"), "m"),
        (r#"{"error_code":336501,"error_msg":"m"}"#, Some("336501"), "m"),
        (r#"{"base_resp":{"status_code":1008,"status_msg":"m"}}"#, Some("1008"), "m"),
        (r#"{"detail":"m"}"#, None, "m"),
    ] {
        let value = serde_json::from_str(body).unwrap();
        let said = Said::of(&value).unwrap();
        assert_eq!((said.code.as_deref(), &*said.message), (code, message), "{body}");
    }
    for body in
        ["[]", "{}", r#"{"error":null,"choices":[]}"#, r#"{"code":0,"message":"ok"}"#, r#"{"data":[],"object":"list"}"#]
    {
        let value = serde_json::from_str(body).unwrap();
        assert!(Said::of(&value).is_none(), "{body}");
    }
}
