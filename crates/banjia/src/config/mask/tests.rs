use super::*;

const KEY: &str = "Zq3xW8vK1nR7tY5p";

/// The line that is quoted for the first place of `part`.
fn line_of(text: &str, part: &str) -> String {
    let start = text.find(part).unwrap();
    let quoted = Mask::new(text).quote(&(start..start + part.len()));
    assert_eq!(quoted.len(), text.len(), "places move");
    let row = text.get(..start).unwrap_or_default().matches('\n').count();
    quoted.lines().nth(row).unwrap().to_owned()
}

#[test]
fn the_value_of_a_finding_is_shown() {
    let text = "[[vendors]]\nname = \"zhipuu\"\nbase = \"https://a.example/v1\"\n";
    assert_eq!(line_of(text, "\"zhipuu\""), "name = \"zhipuu\"");
    assert_eq!(line_of(text, "[[vendors]]"), "[[vendors]]");
    assert_eq!(line_of(text, "\"https://a.example/v1\""), "base = \"https://a.example/v1\"");
    let other = Mask::new(text).quote(&(0..11));
    assert!(!other.contains("zhipuu") && other.contains("name = \"******\""), "{other}");
}

#[test]
fn a_secret_is_starred_wherever_it_stands() {
    for text in [
        format!("[[vendors]]\ncredential = \"{KEY}\"\n"),
        format!("[[vendors]]\ncredental = \"{KEY}\"\n"),
        format!("[[vendors]]\ncredential = '''\n{KEY}\n'''\n"),
        format!("[[vendors]]\n\"credential\" = \"{KEY}\"\n"),
        format!("vendors = [{{ name = \"a\", credential = \"{KEY}\" }}]\n"),
        format!("vendors = [{{ name = \"a\", credentials = [\"{KEY}\"] }}]\n"),
        format!("[vendor]\nname = \"{KEY}\"\n"),
        format!("[capture]\nkey.value = \"{KEY}\"\n"),
        format!("[[keys]]\nhash = \"{KEY}\"\n"),
        format!("[[vendors]]\nname = \"{KEY}\"\n"),
        format!("[[vendors]]\nbase = \"https://u:{KEY}@a.example\"\n"),
        format!("[[webhooks]]\nurl = \"https://a.example/{KEY}\"\n"),
        format!("[[vendors]]\n# credential = \"{KEY}\"\nname = \"a\"\n"),
        format!("[[vendors]]\ncredential = \"${{NAME:-{KEY}}}\"\n"),
        format!("[[vendors]]\ncredential = {KEY}\n"),
        format!("[[vendors]]\ncredential = \"{KEY}\n"),
        format!("{KEY} = 1\n"),
        format!("[{KEY}]\n"),
    ] {
        let mask = Mask::new(&text);
        assert!(!mask.quote(&(0..text.len())).contains(KEY), "{text}");
        let said = mask.sentence(&format!("there is no {KEY:?} here: `{KEY}`, x/{KEY}"));
        assert!(!said.contains(KEY), "{text}: {said}");
    }
}

#[test]
fn a_plain_word_is_hidden_under_a_secret_key() {
    for text in [
        "[[vendors]]\ncredential = \"hunter two\"\n",
        "[[vendors]]\ncredental = \"hunter two\"\n",
        "[mail]\npasword = \"hunter two\"\n",
        "[nonsense]\nname = \"hunter two\"\n",
    ] {
        let mask = Mask::new(text);
        assert!(!mask.quote(&(0..text.len())).contains("hunter"), "{text}");
        assert_eq!(mask.sentence("found \"hunter two\""), "found \"***\"");
    }
}

#[test]
fn a_number_is_hidden_under_a_secret_key() {
    let mask = Mask::new("[[vendors]]\ncredential = 12345678\nname = 5\n");
    assert!(!mask.quote(&(0..40)).contains("12345678"));
    assert_eq!(mask.sentence("found 12345678"), "found ***");
}

#[test]
fn a_reference_is_shown() {
    for value in ["\"${ZHIPU_API_KEY}\"", "\"file:keys/zhipu\""] {
        let text = format!("[[vendors]]\ncredential = {value}\n");
        assert_eq!(line_of(&text, value), format!("credential = {value}"));
    }
}

#[test]
fn a_value_from_the_environment_is_hidden() {
    let mut mask = Mask::new("[serve]\nbind = \"${BIND}\"\n");
    mask.hide("from \"outside\"");
    assert_eq!(mask.sentence("found from \"outside\""), "found ***");
    assert_eq!(mask.sentence(&format!("found {:?}", "from \"outside\"")), "found \"***\"");
}

#[test]
fn a_text_that_does_not_parse_shows_words_only() {
    let text = "[serve]\nbind = 127.0.0.1:8080\n[[vendors]]\nname = \"hunter\n";
    let quoted = Mask::new(text).quote(&(0..text.len()));
    assert_eq!(quoted, "[serve]\nbind = ***.*.*.******\n[[vendors]]\nname = \"******\n");
}

#[test]
fn a_url_loses_what_may_be_secret() {
    assert_eq!(url("https://a.example/v1"), "https://a.example/v1");
    assert_eq!(url("https://u:hunter2@a.example/v1?key=x#y"), "https://a.example/v1");
    assert_eq!(url(&format!("https://a.example/{KEY}/v1")), "a.example");
    assert_eq!(url("hunter2"), "***");
}
