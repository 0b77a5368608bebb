//! Hides secrets in the text that error messages quote.
//!
//! Rules: the result has the same length and line breaks, so places stay right; `${VAR}` and `file:PATH` stay readable,
//! since they say where the secret is and not what it is. It works line by line and not on the parsed tree, because it
//! is needed most when the text does not parse.

/// Keys whose values are secrets.
pub(super) const SECRET_KEYS: [&str; 6] = ["credential", "key", "pepper", "password", "private_key", "secret"];

/// `text` with the values of secret keys starred out.
pub(super) fn secrets(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut open: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        if let Some(fence) = open {
            match line.split_once(fence) {
                Some((inside, rest)) => {
                    masked.push_str(&stars(inside));
                    masked.push_str(fence);
                    masked.push_str(rest);
                    open = None;
                }
                None => masked.push_str(&stars(line)),
            }
            continue;
        }
        open = one_line(line, &mut masked);
    }
    masked
}

/// Masks one line; returns the fence of a multi-line string that it opens.
fn one_line(line: &str, masked: &mut String) -> Option<&'static str> {
    let mut rest = line;
    while let Some(value_at) = value_of_secret(rest) {
        let (before, value) = rest.split_at(value_at);
        masked.push_str(before);
        for fence in ["\"\"\"", "'''"] {
            if let Some(inside) = value.strip_prefix(fence) {
                masked.push_str(fence);
                let Some((secret, after)) = inside.split_once(fence) else {
                    masked.push_str(&stars(inside));
                    return Some(fence);
                };
                masked.push_str(&stars(secret));
                masked.push_str(fence);
                masked.push_str(after);
                return None;
            }
        }
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let inside = quote.map_or(value, |quote| value.strip_prefix(quote).unwrap_or(value));
        if let Some(quote) = quote {
            masked.push(quote);
        }
        let end =
            inside.find(|c| quote.map_or(matches!(c, ',' | '}' | '\n'), |quote| c == quote)).unwrap_or(inside.len());
        let (secret, after) = inside.split_at(end);
        let is_reference = secret.starts_with("file:") || (secret.starts_with("${") && secret.ends_with('}'));
        masked.push_str(&if is_reference { secret.to_owned() } else { stars(secret) });
        rest = after;
    }
    masked.push_str(rest);
    None
}

/// Where the value of the first secret key in `line` begins.
fn value_of_secret(line: &str) -> Option<usize> {
    SECRET_KEYS
        .iter()
        .filter_map(|key| {
            let after = line.find(key)? + key.len();
            let (_, rest) = line.split_at(after);
            let spaces = rest.len() - rest.trim_start_matches([' ', '\t', '"', '\'']).len();
            let (_, rest) = rest.split_at(spaces);
            let value = rest.strip_prefix('=')?;
            Some(line.len() - value.trim_start_matches([' ', '\t']).len())
        })
        .min()
}

fn stars(text: &str) -> String {
    text.chars()
        .flat_map(|c| std::iter::repeat_n(if matches!(c, '\n' | '\r') { c } else { '*' }, c.len_utf8()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_starred_and_references_stay() {
        let text = "a = 1\ncredential = \"sk-é1\" # mine\npepper=  'p'\nv = { credential = \"x\", name = \"n\" }\n\
                    credential = \"${KEY}\"\ncredential = \"file:k\"\ncredential = \"\"\"ab\ncd\"\"\"\nz = 2\ncredential = bare\n";
        let masked = secrets(text);
        assert_eq!(
            masked,
            "a = 1\ncredential = \"******\" # mine\npepper=  '*'\nv = { credential = \"*\", name = \"n\" }\n\
             credential = \"${KEY}\"\ncredential = \"file:k\"\ncredential = \"\"\"**\n**\"\"\"\nz = 2\ncredential = ****\n"
        );
        assert_eq!(masked.len(), text.len());
    }
}
