//! Settings outside of code: environment files, compose files and other YAML, Dockerfiles,
//! properties.
//!
//! # Rules
//! - Files are read line by line, which is enough to find variables. Text after `#` is a comment.
//! - Of all values only the host of a base address is reported.

use crate::find::host_of;
use crate::finding::{Confidence, Finding, Kind, Setting};
use crate::rules::{EnvRole, ScanRules};

/// Deeper keys are not joined to paths.
const DEPTH_MAX: usize = 16;

/// Whether a file contains settings, by its name.
pub(crate) fn is_settings(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    name.starts_with(".env")
        || name == "env"
        || name.starts_with("dockerfile")
        || matches!(end, "env" | "yml" | "yaml" | "properties" | "envrc" | "dockerfile")
}

/// The variables that SDKs read, each with its first byte.
pub(crate) fn find(text: &[u8], rules: &ScanRules) -> Vec<(usize, Finding)> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    // Keys of the YAML around, with their indentation.
    let mut outer: Vec<(usize, &str)> = Vec::new();
    let mut start = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let at = start;
        start += line.len();
        let Some((indent, name, value)) = entry(line) else { continue };
        outer.truncate(outer.iter().position(|(depth, _)| *depth >= indent).unwrap_or(outer.len()).min(DEPTH_MAX));
        // `- name: VARIABLE` with `value: ...` in the next line.
        let (name, value) = match (name, lines.peek().and_then(|next| entry(next))) {
            ("name", Some((_, "value", next))) => (value, next),
            ("name", _) if rules.env(value).is_some() => (value, ""),
            _ => (name, value),
        };
        outer.push((indent, name));
        let path = outer.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(".");
        let known = [name, path.as_str()].into_iter().find(|name| rules.env(name).is_some());
        let at = at + line.find(name).unwrap_or_default();
        if let Some((known, role)) = known.and_then(|known| Some((known, rules.env(known)?))) {
            found.push((at, variable(known, role, value)));
        }
        found.extend(channels(name, value, rules).map(|finding| (at, finding)));
    }
    found
}

/// The indentation, name and value of a line. `None` for comments and prose.
fn entry(line: &str) -> Option<(usize, &str, &str)> {
    let code = without_comment(line);
    let mut rest = code.trim_start();
    let mut indent = code.len() - rest.len();
    for begin in ["- ", "export ", "ENV ", "ARG ", "set "] {
        if let Some(after) = rest.strip_prefix(begin) {
            if begin == "- " {
                indent += 2;
            }
            rest = after.trim_start();
        }
    }
    let rest = rest.trim_start_matches(['"', '\'']);
    let at = rest.find(['=', ':', ' '])?;
    let (name, value) = rest.split_at(at);
    let name = name.trim_end_matches(['"', '\'']);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    let value = value.trim_start_matches(['=', ':', ' ']).trim().trim_matches(['"', '\'']);
    is_name.then_some((indent, name, value))
}

fn without_comment(line: &str) -> &str {
    let line = line.trim_end();
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.split_once(" #").map_or(line, |(code, _)| code)
}

fn variable(name: &str, role: EnvRole, value: &str) -> Finding {
    let mut finding = Finding::new(Kind::Environment, Confidence::Certain);
    finding.name = Some(name.to_owned());
    let setting = |host: Option<String>| match value {
        "" => Setting::Default,
        _ if value.contains("${") || value.starts_with('$') => Setting::Dynamic,
        _ => Setting::Literal { host },
    };
    match role {
        EnvRole::Key => finding.key = Some(setting(None)),
        EnvRole::BaseUrl => finding.base_url = Some(setting(host_of(value).map(|(host, _)| host))),
        EnvRole::Setting => {}
    }
    finding
}

/// Variables that enable a side channel.
fn channels<'r>(name: &'r str, value: &'r str, rules: &'r ScanRules) -> impl Iterator<Item = Finding> + 'r {
    let is_on = matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on");
    rules.side_channels.iter().filter(move |channel| is_on && channel.env_on.iter().any(|on| on == name)).map(
        |channel| {
            let mut finding = Finding::new(Kind::SideChannel, Confidence::Certain);
            finding.name = Some(channel.name.clone());
            finding
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        find(text.as_bytes(), ScanRules::embedded()).into_iter().filter_map(|(_, finding)| finding.name).collect()
    }

    #[test]
    fn settings_are_known_by_name() {
        for path in [
            ".env",
            "a/.env.local",
            "docker-compose.yml",
            "deploy/values.yaml",
            "Dockerfile",
            "x.properties",
            "prod.env",
        ] {
            assert!(is_settings(path), "{path}");
        }
        for path in ["environment.py", "README.md", "a.json"] {
            assert!(!is_settings(path), "{path}");
        }
    }

    #[test]
    fn variables_are_found_in_all_their_forms() {
        assert_eq!(names("OPENAI_API_KEY=x\n# OPENAI_BASE_URL=y\n"), ["OPENAI_API_KEY"]);
        assert_eq!(names("export OPENAI_BASE_URL='https://a.example/v1'\n"), ["OPENAI_BASE_URL"]);
        assert_eq!(names("    environment:\n      - OPENAI_API_KEY=${KEY}\n"), ["OPENAI_API_KEY"]);
        assert_eq!(
            names("env:\n  - name: OPENAI_API_KEY\n    valueFrom:\n      secretKeyRef: {}\n"),
            ["OPENAI_API_KEY"]
        );
        assert_eq!(names("spring:\n  ai:\n    openai:\n      api-key: x\n      base-url: y\n").len(), 2);
        assert_eq!(names("ENV OPENAI_API_KEY=x\nLANGSMITH_TRACING=true\n"), ["OPENAI_API_KEY", "langsmith-tracing"]);
        assert_eq!(names("LANGSMITH_TRACING=false\nthe OPENAI_API_KEY is secret\n"), Vec::<String>::new());
    }
}
