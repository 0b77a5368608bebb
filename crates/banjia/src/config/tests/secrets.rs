//! No message shows a secret, at any place of a file that is broken in any way.

use super::{WHOLE, whole_folder};
use crate::config::report::Findings;
use crate::config::{Options, build};
use proptest::prelude::*;
use std::ops::Range;

/// All messages about a text: plain, in colours, and as log lines.
fn said(text: &str) -> String {
    let findings: Findings = match build::build("banjia.toml", text, &whole_folder(), Options::default()) {
        Ok(built) => built.loaded.findings,
        Err(findings) => findings,
    };
    [findings.render(false, 100), findings.render(true, 40), findings.lines().join("\n")].join("\n")
}

/// The contents of all strings of the whole file.
fn strings() -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    for (line, end) in WHOLE.split_inclusive('\n').map(|line| (line, line.len())) {
        let mut quotes = line.match_indices('"').map(|(at, _)| from + at);
        while let (false, Some(open), Some(close)) = (line.starts_with('#'), quotes.next(), quotes.next()) {
            found.push(open + 1..close);
        }
        from += end;
    }
    found
}

/// Breaks a text somewhere: takes something out, puts something in, or doubles a line.
fn broken(text: &str, (how, at, many): (u8, usize, usize)) -> String {
    let at = text.floor_char_boundary(at % text.len());
    let end = text.floor_char_boundary((at + many).min(text.len()));
    let (before, rest) = text.split_at(at);
    let after = text.get(end..).unwrap_or_default();
    let signs = ["\"", "'", "=", "[", "]", "{", "}", ",", "\n", "#", "\"\"\"", "x", "\\", " 5 ", "\u{e9}"];
    match how {
        0 => text.to_owned(),
        1 => [before, after].concat(),
        2 => before.to_owned(),
        3..=4 => [before, signs[many % signs.len()], rest].concat(),
        5 => [before, "\n", rest].concat(),
        _ => {
            let line = rest.lines().next().unwrap_or_default();
            [before, line, "\n", rest].concat()
        }
    }
}

/// A key of a known form, or one that a machine made.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "sk-[A-Za-z0-9]{32}",
        "sk-proj-[A-Za-z0-9_]{40}",
        "[0-9a-f]{32}",
        "[A-Za-z0-9]{24}",
        "[A-Za-z0-9+/]{43}=",
        "[0-9a-f]{32}\\.[A-Za-z0-9]{16}",
        "whsec_[A-Za-z0-9+/]{43}=",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_at_any_string_is_never_shown(
        secret in secret(),
        place in any::<prop::sample::Index>(),
        name in prop_oneof![Just(None), "(credental|api_key|token|pasword)".prop_map(Some)],
        faults in prop::collection::vec((0_u8..7, any::<usize>(), 1_usize..40), 0..3),
    ) {
        let mut text = WHOLE.to_owned();
        let places = strings();
        text.replace_range(places[place.index(places.len())].clone(), &secret);
        if let Some(name) = name {
            text = text.replacen("credential", &name, 1);
        }
        for fault in faults {
            text = broken(&text, fault);
        }
        let said = said(&text);
        prop_assert!(!said.contains(&secret), "{} is shown:\n{}", secret, said);
        // A fault may have cut the secret in two.
        let halves = secret.split_at(secret.len() / 2);
        for half in [halves.0, halves.1].into_iter().filter(|half| half.len() >= 16) {
            let is_made_of_words = !half.bytes().all(|byte| byte.is_ascii_alphanumeric());
            prop_assert!(is_made_of_words || !said.contains(half), "{} is shown:\n{}", half, said);
        }
    }

    #[test]
    fn a_password_of_words_is_never_shown(
        word in "[a-z]{6,12}",
        start in prop_oneof![
            Just("credential = "), Just("pepper = "), Just("password = "), Just("secret = "), Just("key = "),
            Just("url = "), Just("hash = "),
        ],
        faults in prop::collection::vec((0_u8..7, any::<usize>(), 1_usize..40), 0..2),
        form in 0_usize..7,
    ) {
        let secret = format!("zq{word}jx");
        let value = match form {
            0 => format!("\"{secret}\""),
            1 => format!("'{secret}'"),
            2 => format!("'''\n{secret}\n'''"),
            3 => format!("[\"{secret}\"]"),
            4 => format!("{{ x = \"{secret}\" }}"),
            5 => format!("5 # \"{secret}\""),
            _ => secret.clone(),
        };
        let lines = WHOLE.lines().map(|line| match line.strip_prefix(start) {
            Some(_) => format!("{start}{value}\n"),
            None => format!("{line}\n"),
        });
        let mut text: String = lines.collect();
        for fault in faults {
            // Only the rest of the file is broken: elsewhere such a word would be a name.
            let at = text.find(start).unwrap_or_default();
            let (before, after) = text.split_at(at);
            text = [&broken(before, fault), after].concat();
        }
        let said = said(&text);
        prop_assert!(!said.contains(&secret), "{}", said);
    }
}

#[test]
fn the_file_has_strings_to_replace() {
    assert!(strings().len() > 40);
}

#[test]
fn a_value_of_a_wrong_type_is_not_shown() {
    for (from, to, hidden) in [
        ("credential = \"a credential for tests\"", "credential = 12345678", "12345678"),
        ("credential = \"a credential for tests\"", "credential = 1979-05-27", "1979-05-27"),
        ("bind = \"127.0.0.1:0\"", "bind = \"hunter two, expected x\"", "hunter two"),
        ("body_bytes_max = 1000000", "body_bytes_max = \"zq-wrong`one`zqsecret\"", "zqsecret"),
        ("worst = \"dropped\"", "worst = \"a`b`zq!secret\"", "zq!secret"),
        ("[store]", "store = \"Zq3xW8vK1nR7tY5p\"\n[stor]", "Zq3xW8vK1nR7tY5p"),
    ] {
        let text = WHOLE.replacen(from, to, 1);
        assert_ne!(text, WHOLE);
        let lines = super::built(&text);
        assert!(!lines.is_empty());
        // Sentences repeat no value, also where a quoted line may show it.
        assert!(!lines.join("\n").contains(hidden), "{lines:?}");
    }
}

#[test]
fn a_file_of_a_secret_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "a secret of somebody\n").unwrap();
    let path = folder.path().join("secret");
    let text = WHOLE.replacen("a credential for tests", &format!("file:{}", path.display()), 1);
    let text = text.replacen("name = \"openai\"", "name = \"a secret of somebody\"", 1);
    assert!(!said(&text).contains("of somebody"), "{}", said(&text));
}
