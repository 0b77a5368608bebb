//! `${VAR}`, `${VAR:-default}` and `file:PATH` in the values of the configuration file.
//!
//! Rules: `${...}` works in every string; `$${` writes a literal `${`; `file:PATH` works where a secret stands and takes
//! the file's text without the line break at its end. What a value became is never shown, only where it was written.

use super::mask;
use banjia_files::{Bounds, read_text};
use std::path::Path;
use std::time::Duration;

/// Where values come from; tests give their own.
pub(super) struct Sources<'a> {
    /// An environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The folder that relative `file:` paths start from.
    pub(super) folder: &'a Path,
    /// Whether a source that is not there gives a placeholder instead of a problem.
    pub(super) without_secrets: bool,
}

/// The largest file with a secret; keys of mail servers are the largest, with a few thousand bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// It must be read within this time.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What stands for a secret that was not looked up.
const PLACEHOLDER: &str = "placeholder";

/// A value that could not be made: what is wrong and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) message: String,
    pub(super) hint: String,
}

/// The text with every `${...}` replaced; `None` when there is none.
pub(super) fn variables(text: &str, sources: &Sources<'_>) -> Result<Option<String>, Missing> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            made.push_str(literal);
            made.push_str("${");
            rest = after;
            continue;
        }
        made.push_str(before);
        let Some((inside, after)) = after.split_once('}') else {
            return Err(Missing {
                message: "a `${` has no closing `}`".to_owned(),
                hint: "write ${NAME}, or $${ for a literal ${".to_owned(),
            });
        };
        made.push_str(&variable(inside, sources)?);
        rest = after;
    }
    made.push_str(rest);
    Ok(Some(made))
}

fn variable(inside: &str, sources: &Sources<'_>) -> Result<String, Missing> {
    let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
    let found = (sources.variable)(name).filter(|value| !value.is_empty());
    match (found, default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) if sources.without_secrets => Ok(PLACEHOLDER.to_owned()),
        // The name is not shown: the secret itself may stand there.
        (None, None) if !mask::is_variable(name) => Err(Missing {
            message: "what stands in ${...} is not the name of an environment variable that is set".to_owned(),
            hint: "write the name of a variable in capitals, digits and underscores, as ${VENDOR_API_KEY}".to_owned(),
        }),
        (None, None) => Err(Missing {
            message: format!("the environment variable {name} is not set"),
            hint: format!("set it, or write ${{{name}:-default}}"),
        }),
    }
}

/// The text of the file that `file:PATH` names; `None` when `text` does not begin so.
pub(super) fn secret_file(text: &str, sources: &Sources<'_>) -> Result<Option<String>, Missing> {
    let Some(path) = text.strip_prefix("file:") else { return Ok(None) };
    let path = sources.folder.join(path);
    match read_text(&path, Bounds::regular(SECRET_BYTES_MAX, READ_WITHIN)) {
        Ok(secret) if !secret.trim().is_empty() => Ok(Some(secret.trim_end_matches(['\r', '\n']).to_owned())),
        _ if sources.without_secrets => Ok(Some(PLACEHOLDER.to_owned())),
        Ok(_) => Err(Missing {
            message: format!("the secret file {} is empty", path.display()),
            hint: "put the secret into it, on one line".to_owned(),
        }),
        Err(error) => Err(Missing {
            message: format!("cannot read the secret file {}: {error}", path.display()),
            hint: "relative paths start at the configuration file's folder".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(text: &str) -> Result<Option<String>, Missing> {
        let variable = |name: &str| (name == "KEY").then(|| "sk-1".to_owned());
        variables(text, &Sources { variable: &variable, folder: Path::new(""), without_secrets: false })
    }

    #[test]
    fn variables_are_replaced_with_defaults_and_an_escape() {
        assert_eq!(make("plain"), Ok(None));
        assert_eq!(make("a ${KEY} b").unwrap().unwrap(), "a sk-1 b");
        assert_eq!(make("${NONE:-x}${KEY:-y}").unwrap().unwrap(), "xsk-1");
        assert_eq!(make("$${KEY} ${KEY}").unwrap().unwrap(), "${KEY} sk-1");
        assert_eq!(make("${NONE}").unwrap_err().message, "the environment variable NONE is not set");
        assert!(make("${KEY").unwrap_err().message.contains("closing"));
    }

    #[test]
    fn a_secret_file_gives_its_text_without_the_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "sk-2\r\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let variable = |_: &str| None;
        let sources = Sources { variable: &variable, folder: folder.path(), without_secrets: false };
        assert_eq!(secret_file("file:key", &sources).unwrap().unwrap(), "sk-2");
        assert_eq!(secret_file("key", &sources), Ok(None));
        assert!(secret_file("file:empty", &sources).unwrap_err().message.contains("empty"));
        let error = secret_file("file:.", &sources).unwrap_err().message;
        assert!(error.contains("it is a folder"), "{error}");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero")).unwrap();
        assert!(secret_file("file:zero", &sources).unwrap_err().message.contains("it is a device"));
        assert!(secret_file("file:none", &sources).unwrap_err().message.contains("cannot read"));
    }
}
