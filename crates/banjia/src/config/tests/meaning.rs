//! Files that could be read and could not be meant, and what is said of values of the wrong kind.

use super::*;

fn lines_of(name: &str, text: &str) -> Vec<String> {
    match read(name, text, Path::new(""), Options::default()) {
        Ok(loaded) => loaded.findings.lines(),
        Err(findings) => findings.lines(),
    }
}

/// Asserts that a problem with these words is found, and that the file is refused.
fn refuses(text: &str, wanted: &[&str]) {
    let read = read("a.toml", text, Path::new(""), Options::default());
    let lines = read.expect_err("the file is refused").lines();
    let fits = |line: &&String| wanted.iter().all(|part| line.contains(part));
    assert!(lines.iter().any(|line| fits(&line)), "{wanted:?} is not in {lines:#?}");
}

const VENDOR: &str = "[[vendors]]\nname = \"openai\"\ncredential = \"${NONE:-k}\"\n";

#[test]
fn a_base_with_the_path_of_an_endpoint_is_refused() {
    for end in ["/chat/completions", "/chat/completions/", "/embeddings", "/completions", "/responses", "/messages"] {
        let text = format!("[[vendors]]\nname = \"openai\"\nbase = \"https://models.example.com/v1{end}\"\n");
        refuses(&text, &["a.toml:3:8: the base ends in", "write base = \"https://models.example.com/v1\""]);
    }
    let text = "[[vendors]]\nname = \"openai\"\nbase = \"https://models.example.com/v1\"\n";
    assert!(read("a.toml", text, Path::new(""), Options::default()).is_ok());
}

#[test]
fn a_misspelt_parameter_is_refused() {
    for (wrong, right) in [
        ("presense_penalty", "presence_penalty"),
        ("logit_biass", "logit_bias"),
        ("parallel_toolcalls", "parallel_tool_calls"),
    ] {
        let text = format!(
            "{VENDOR}[[routes]]\nname = \"a\"\ntargets = [\"openai/gpt-4o\"]\nlosses = {{ may_drop = [\"seed\", \"{wrong}\"] }}\n"
        );
        refuses(&text, &[&format!("no vendor has a parameter \"{wrong}\""), &format!("did you mean {right}?")]);
    }
}

#[test]
fn a_parameter_of_a_vendor_alone_may_be_dropped() {
    let text = format!(
        "{VENDOR}[[routes]]\nname = \"a\"\ntargets = [\"openai/gpt-4o\"]\n\
         losses = {{ may_drop = [\"enable_thinking\", \"messages.content.image_url\", \"logprobs\"] }}\n"
    );
    assert!(!lines_of("a.toml", &text).iter().any(|line| line.contains("has a parameter")));
}

#[test]
fn a_misspelt_model_gets_the_nearest_name() {
    let text = format!("{VENDOR}[[routes]]\nname = \"a\"\ntargets = [\"openai/gpt-4oo\"]\n");
    let lines = lines_of("a.toml", &text);
    assert!(lines.iter().any(|line| line.contains("its price is unknown (did you mean gpt-4o?)")), "{lines:?}");
}

#[test]
fn characters_of_chinese_typing_are_named() {
    refuses("[[vendors]]\nname = “openai”\n", &["a.toml:2:8: “ is a Chinese quotation mark", "straight quotes"]);
    refuses("[[vendors]]\nname = 「openai」\n", &["「 is a Chinese quotation mark"]);
    refuses("[serve]\nbind ＝ \"127.0.0.1:80\"\n", &["＝ is a full-width equals sign", "write ="]);
    refuses("[[routes]]\ntargets = [\"a/b\"， \"c/d\"]\n", &["， is a Chinese comma"]);
    refuses("［serve］\n", &["［ is a full-width bracket"]);
}

#[test]
fn a_wrong_address_says_how_to_write_it() {
    refuses("[serve]\nbind = \"localhost:18080\"\n", &["an address and a port belong here", "\"127.0.0.1:18080\""]);
    refuses(
        "[serve]\nbind = 18080\n",
        &["an address and a port belong here", "\"0.0.0.0:18080\" for all its networks"],
    );
    refuses("[serve]\nbind = \":18080\"\n", &["\"0.0.0.0:18080\" for all networks"]);
    refuses("[serve]\nbind = \"gateway.example:18080\"\n", &["a name is not looked up here"]);
    refuses("[serve]\nbind = \"127.0.0.1\"\n", &["write both"]);
}

#[test]
fn a_wrong_number_says_how_to_write_it() {
    refuses("[capture]\nshare = \"10%\"\n", &["a number belongs here, and no text", "write 0.1 without quotes"]);
    refuses("[capture]\nshare = 10%\n", &["a tenth is 0.1"]);
    refuses("[serve]\ndrain_ms = \"30s\"\n", &["a whole number belongs here", "its unit is in the name"]);
    refuses("[serve]\nconnections_max = \"100\"\n", &["write 100 without quotes"]);
    refuses("[border]\nproxy_protocol = \"yes\"\n", &["true or false belongs here"]);
    refuses("[border]\nproxy_protocol = True\n", &["write true, in small letters"]);
    refuses(
        "[[routes]]\nname = \"a\"\ntargets = \"openai/gpt-4o\"\n",
        &["a list belongs here, and no text", "brackets"],
    );
    refuses("[log]\nlevel = 5\n", &["a text belongs here", "put it in quotes"]);
}

#[test]
fn a_file_in_another_format_has_one_finding() {
    for (name, text, format) in [
        ("a.yaml", "serve:\n  bind: 127.0.0.1:80\nvendors:\n  - name: openai\n", "YAML"),
        ("banjia.toml", "# ours\nserve:\n  bind: 127.0.0.1:80\n", "YAML"),
        ("a.json", "{\"serve\": {\"bind\": \"127.0.0.1:80\"}}\n", "JSON"),
        ("banjia.toml", "{\n  \"serve\": {}\n}\n", "JSON"),
    ] {
        let lines = lines_of(name, text);
        assert!(lines.len() == 1 && lines[0].contains(&format!("this is {format}")), "{lines:?}");
    }
}

#[test]
fn a_residence_that_takes_a_vendor_away_is_said() {
    let text = format!(
        "{VENDOR}[[vendors]]\nname = \"zhipu\"\ncredential = \"${{NONE:-a.b}}\"\n\
         [[routes]]\nname = \"alone\"\ntargets = [\"openai/gpt-4o\"]\n\
         [[routes]]\nname = \"both\"\ntargets = [\"openai/gpt-4o\", \"zhipu/glm-4.7\"]\n\
         [[accounts]]\nid = \"shop\"\nresidence = \"CN\"\n[[accounts]]\nid = \"there\"\nresidence = \"US\"\n"
    );
    let lines = lines_of("a.toml", &text);
    let found: Vec<_> = lines.iter().filter(|line| line.contains("does not serve")).collect();
    assert_eq!(found.len(), 1, "{lines:?}");
    for part in [
        "a.toml:15:13: openai does not serve the account shop in CN",
        "its requests for both go to the other targets",
        "its requests for alone are refused",
    ] {
        assert!(found[0].contains(part), "{part} is not in {found:?}");
    }
}

#[test]
fn a_star_stands_only_at_the_end() {
    let route = |name: &str, target: &str| format!("{VENDOR}[[routes]]\nname = \"{name}\"\ntargets = [\"{target}\"]\n");
    refuses(&route("g*t", "openai/gpt-4o"), &["the * is not at the end"]);
    refuses(&route("gpt", "openai/*"), &["leaves the model open", "gpt*"]);
    refuses(&route("gpt*", "openai/gpt-*"), &["is no model", "openai/*"]);
    assert!(read("a.toml", &route("gpt*", "openai/*"), Path::new(""), Options::default()).is_ok());
}
