use super::*;
use serde_json::json;

fn redactor() -> Redactor {
    Redactor::compile(&RedactConfig::default()).unwrap()
}

/// The text as it is kept, and how many places were taken out.
#[track_caller]
fn check(text: &str, kept: &str, count: u32) {
    let mut value = json!({ "messages": [{ "role": "user", "content": text }] });
    assert_eq!(redactor().redact(&mut value), count, "{text}");
    assert_eq!(value["messages"][0]["content"], kept);
}

#[test]
fn keys_and_particulars_become_words() {
    check("my key is sk-proj-abcdefghij0123456789 ok", "my key is [key] ok", 1);
    check("bj-0123456789abcdef0123，AKIAIOSFODNN7EXAMPLE", "[key]，[key]", 2);
    check("Authorization: Bearer abc.def-ghi_jkl", "Authorization: Bearer [key]", 1);
    check("0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp", "[key]", 1);
    check("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN", "[key]", 1);
    check("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- rest", "[key] rest", 1);
    check("请联系 ada.l+x@mail.example.com，谢谢", "请联系 [email]，谢谢", 1);
    check("电话13812345678或+86 138-1234-5678", "电话[phone]或[phone]", 2);
    check("call +44 20 7946 0958 or +1 (415) 555-2671.", "call [phone] or [phone].", 2);
    check("身份证11010519491231002X号", "身份证[id]号", 1);
    check("card 4111 1111 1111 1111, 6222021234567890129", "card [card], 6222021234567890129", 1);
}

#[test]
fn what_only_looks_like_it_is_left_alone() {
    for text in [
        "order 110105194912310021",   // wrong check character
        "id 20240709123456789012345", // too long for anything
        "4111 1111 1111 1112",        // wrong check digit
        "0000000000000000",
        "at 1719273600000 ms, seed 1719273600",
        "version 1.2.3.4, 3.14159265358979",
        "x138123456789",
        "sk-short, Bearer of news",
        "a@b, @name, user@localhost",
        "0.5454545454545454",
        "[-0.4111111111111111, 3.13812345678, 13812345678.5]",
        "+100 000 000",
        "+1 000 000 000",
        "+250 000 000 CNY",
        "+12 345 678",
        "+15.000.000.000",
    ] {
        check(text, text, 0);
    }
}

#[test]
fn numbers_that_are_what_they_seem_still_go() {
    check("No.4111111111111111. Tel.13812345678.", "No.[card]. Tel.[phone].", 2);
    check("4111111111111111,13812345678", "[card],[phone]", 2);
    check("+1 202 555 0143, +34 912 345 678, +852 2123 4567", "[phone], [phone], [phone]", 3);
    check("+86 10 6552 9988, +39 06 698 12345, +7 495 123-45-67", "[phone], [phone], [phone]", 3);
}

/// Takes an image out of one part of a message in this form.
#[track_caller]
fn is_taken_out(part: &Value) {
    let mut value = json!({ "messages": [{ "role": "user", "content": [part] }] });
    assert_eq!(redactor().redact(&mut value), 1, "{part}");
    let text = value.to_string();
    assert!(text.contains("[data ") && !text.contains("iVBORw0KGgo") && lacks_data(&value), "{text}");
}

#[test]
fn images_in_every_form_are_taken_out() {
    let bare = format!("iVBORw0KGgo{}==", "AAAANSUhEUgAA".repeat(8));
    let url = format!("data:image/png;base64,{bare}");
    for part in [
        json!({ "type": "image_url", "image_url": { "url": url } }),
        json!({ "type": "image_url", "image_url": { "url": url.replace("data:image", "DATA:IMAGE") } }),
        json!({ "type": "image_url", "image_url": url }),
        json!({ "type": "image_url", "image_url": { "url": bare } }),
        json!({ "type": "input_image", "image_url": url }),
        json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": bare } }),
        json!({ "type": "image", "image": url }),
        json!({ "type": "video", "video": [url] }),
        json!({ "type": "file", "file": { "filename": "a.png", "file_data": url } }),
        json!({ "type": "text", "text": format!("what is ![this]({url})?") }),
        json!({ "type": "text", "text": format!("<img src='{url}'> and") }),
        json!({ "type": "text", "text": format!("the file is {bare} in base64") }),
        json!({ "type": "tool_result", "content": json!({ "screenshot": bare }).to_string() }),
    ] {
        is_taken_out(&part);
    }
}

#[test]
fn data_without_a_known_beginning_is_taken_out() {
    let sound = "QUJD".repeat(30);
    for part in [
        json!({ "type": "input_audio", "input_audio": { "data": sound, "format": "pcm16" } }),
        json!({ "b64_json": sound }),
        json!({ "text": format!("it is {} so", "QUJD".repeat(2_000)) }),
        json!({ "url": "data:image/svg+xml,%3Csvg%20xmlns='x'" }),
    ] {
        let mut value = json!({ "content": [part] });
        assert_eq!(redactor().redact(&mut value), 1, "{part}");
        assert!(lacks_data(&value));
    }
}

#[test]
fn words_and_addresses_are_no_data() {
    for text in [
        "https://files.example.com/images/2026/a/very/long/path/to/some/picture/that/is/public.png",
        "the data: it is here, and data:image is a word",
        "R0lGODlh",
    ] {
        let mut value = json!({ "content": [{ "image_url": { "url": text } }, { "text": text }] });
        assert_eq!(redactor().redact(&mut value), 0, "{text}");
    }
}

#[test]
fn a_request_tells_whether_its_data_was_taken_out() {
    let url = format!("data:image/png;base64,{}", "A".repeat(100));
    let mut request = json!({ "messages": [{ "content": [{ "image_url": { "url": url } }] }] });
    assert!(!lacks_data(&request));
    assert_eq!(redactor().redact(&mut request), 1);
    assert!(lacks_data(&request));
    assert!(!lacks_data(&json!({ "content": "what does [data x sha256:00] mean" })));
}

#[test]
fn a_text_that_is_json_stays_json() {
    let arguments = json!({ "to": "ada@example.com", "phone": 13_812_345_678_u64, "n": 3 }).to_string();
    let call =
        json!({ "id": "call_13812345678", "type": "function", "function": { "name": "mail", "arguments": arguments } });
    let mut value = json!({ "messages": [{ "role": "assistant", "tool_calls": [call] }], "seed": 13_812_345_678_u64 });
    assert_eq!(redactor().redact(&mut value), 2);
    let call = &value["messages"][0]["tool_calls"][0];
    let inner: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(inner, json!({ "to": "[email]", "phone": "[phone]", "n": 3 }));
    assert_eq!((&call["id"], &value["seed"]), (&json!("call_13812345678"), &json!(13_812_345_678_u64)));
    // Untouched JSON keeps its spelling.
    check("{ \"a\" :  1 }", "{ \"a\" :  1 }", 0);
    let deep = format!("{}13812345678{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(redactor().redact(&mut json!({ "content": deep })), 1);
}

#[test]
fn images_that_are_not_kept_have_a_digest() {
    let url = format!("data:image/png;base64,{}", "iVBORw0KGgo".repeat(500));
    let part = json!([{ "type": "image_url", "image_url": { "url": url } }, { "type": "text", "text": "what is it?" }]);
    let mut value = json!({ "content": part });
    assert_eq!(redactor().redact(&mut value), 1);
    let kept = value["content"][0]["image_url"]["url"].as_str().unwrap().to_owned();
    assert!(kept.starts_with("[data image/png 5522 bytes sha256:") && kept.len() < 70, "{kept}");
    let mut sound = json!({ "data": "QUJD".repeat(2_000) });
    assert_eq!(redactor().redact(&mut sound), 1);
    let all = Redactor::compile(&RedactConfig { keep_data: true, ..RedactConfig::default() }).unwrap();
    let mut value = json!({ "content": part });
    assert_eq!(all.redact(&mut value), 0);
    assert_eq!(value["content"], part);
}

#[test]
fn own_patterns_are_checked() {
    let own = |name: &str, pattern: &str| PatternConfig { name: name.to_owned(), pattern: pattern.to_owned() };
    let config = RedactConfig { emails: false, patterns: vec![own("case", r"CASE-\d{6}")], ..RedactConfig::default() };
    let mut value = json!("CASE-123456 of ada@example.com");
    assert_eq!(Redactor::compile(&config).unwrap().redact(&mut value), 1);
    assert_eq!(value, "[case] of ada@example.com");
    let bad = [
        own("a", "("),
        own("b", "x*"),
        own("bad name", "x"),
        own("d", r"(?=x)y"),
        own("e", "\\w{1000}{1000}"),
        own("f", &"x".repeat(2_000)),
    ];
    let problems = Redactor::compile(&RedactConfig { patterns: bad.to_vec(), ..RedactConfig::default() }).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    let place = |i: usize, key: &str| format!("capture.redact.patterns[{i}].{key}");
    assert_eq!(
        paths,
        [
            place(0, "pattern"),
            place(1, "pattern"),
            place(2, "name"),
            place(3, "pattern"),
            place(4, "pattern"),
            place(5, "pattern")
        ]
    );
}
