//! The text as a tree with places, and the tree as settings.
//!
//! Rules: each table is read alone, so one bad table hides no other; inside a table a key that cannot be used is reported,
//! taken out, and the rest is read again, so one bad key hides no other either. The settings' own serde derives are the
//! only list of keys there is.

mod meaning;

use super::interpolate::{self, Sources};
use super::report::{Finding, Findings, Severity};
use super::{Config, Options, locate, mask, wording};
use banjia_gateway::Problem;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// The tables of the file, in the order in which the guide shows them.
const SECTIONS: [&str; 15] = [
    "serve",
    "store",
    "log",
    "profiles",
    "border",
    "capture",
    "geo",
    "mail",
    "campaigns",
    "audit",
    "webhooks",
    "vendors",
    "routes",
    "accounts",
    "keys",
];

/// Keys that stand before the first table.
const TOP_KEYS: [&str; 1] = ["allow_shrink"];

/// More bad keys than this in one table are not looked for: such a table is something else.
const BAD_KEYS_MAX: usize = 50;

/// The settings as read, and the tree for finding places.
pub(super) struct Raw<'t> {
    pub(super) config: Config,
    tree: DeTable<'t>,
    /// For each list, the index in the file of each element that could be read.
    kept: [(&'static str, Vec<usize>); 5],
    /// Lists that lost an element: what refers to them is not judged.
    lost: Vec<&'static str>,
}

/// Reads `text`, adding what is wrong with it to `findings`.
pub(super) fn parse<'t>(text: &'t str, folder: &Path, options: Options, findings: &mut Findings) -> Raw<'t> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    match wording::other_format(findings.shown(), text).filter(|_| !errors.is_empty()) {
        Some(other) => findings.add(other),
        None => {
            for error in &errors {
                findings.add(wording::syntax(text, error.span(), first_line(error.message())));
            }
        }
    }
    let mut tree = tree.into_inner();
    let variable = |name: &str| std::env::var(name).ok();
    let sources = Sources { variable: &variable, folder, without_secrets: options.without_secrets };
    if errors.is_empty() {
        fill_table(&mut tree, &sources, findings);
    }
    let mut reader = Reader { text, findings, silent: !errors.is_empty(), lost: Vec::new() };
    reader.unknown_sections(&tree);
    let mut config = Config {
        store: reader.table(&tree, "store"),
        log: reader.table(&tree, "log"),
        profiles: reader.table(&tree, "profiles"),
        geo: reader.table(&tree, "geo"),
        mail: reader.optional(&tree, "mail"),
        campaigns: reader.table(&tree, "campaigns"),
        audit: reader.table(&tree, "audit"),
        allow_shrink: reader.optional(&tree, "allow_shrink").unwrap_or_default(),
        ..Config::default()
    };
    config.gateway.serve = reader.table(&tree, "serve");
    config.gateway.border = reader.table(&tree, "border");
    config.gateway.capture = reader.table(&tree, "capture");
    let (vendors, kept_vendors) = reader.list(&tree, "vendors");
    let (routes, kept_routes) = reader.list(&tree, "routes");
    let (accounts, kept_accounts) = reader.list(&tree, "accounts");
    let (keys, kept_keys) = reader.list(&tree, "keys");
    let (webhooks, kept_webhooks) = reader.list(&tree, "webhooks");
    config.webhooks = webhooks;
    config.gateway.vendors = vendors;
    config.gateway.routes = routes;
    config.gateway.accounts = accounts;
    config.gateway.keys = keys;
    let mut lost = reader.lost;
    if !errors.is_empty() {
        lost.extend(SECTIONS);
    }
    let kept = [
        ("vendors", kept_vendors),
        ("routes", kept_routes),
        ("accounts", kept_accounts),
        ("keys", kept_keys),
        ("webhooks", kept_webhooks),
    ];
    Raw { config, tree, kept, lost }
}

impl Raw<'_> {
    /// The place of `path` in the text.
    pub(super) fn span(&self, path: &str) -> Option<Range<usize>> {
        locate::span(&self.tree, path)
    }

    /// What the gateway's compiler found, at its place in the text.
    pub(super) fn finding(&self, problem: &Problem, severity: Severity) -> Finding {
        let span = self.span(&self.path_in_file(&problem.path));
        Finding { severity, span, message: problem.message.clone(), hint: problem.hint.clone() }
    }

    /// Adds the compiler's problems, but for those that only follow from an element that could not be read.
    pub(super) fn add_problems(&self, problems: Vec<Problem>, findings: &mut Findings) {
        for problem in problems {
            let section = problem.path.split(['[', '.']).next().unwrap_or("");
            let follows = match section {
                "routes" => self.lost.contains(&"vendors"),
                "keys" => self.lost.contains(&"accounts") || self.lost.contains(&"serve"),
                "vendors" => self.lost.contains(&"profiles"),
                "capture" => self.lost.contains(&"routes"),
                _ => false,
            };
            if !follows {
                findings.add(self.finding(&problem, Severity::Problem));
            }
        }
    }

    /// `routes[0].name` counts the elements that could be read; the file may hold others before it.
    fn path_in_file(&self, path: &str) -> String {
        for (section, kept) in &self.kept {
            let Some(rest) = path.strip_prefix(section).and_then(|rest| rest.strip_prefix('[')) else { continue };
            let Some((index, rest)) = rest.split_once(']') else { continue };
            let index = index.parse().ok().and_then(|index: usize| kept.get(index));
            return index.map_or_else(|| path.to_owned(), |index| format!("{section}[{index}]{rest}"));
        }
        path.to_owned()
    }

    /// Adds the problems of webhooks.
    pub(super) fn check_webhooks(&self, with_secrets: bool, findings: &mut Findings) {
        let webhooks = &self.config.webhooks;
        for (i, webhook) in webhooks.iter().enumerate() {
            let place = |key: &str| self.span(&self.path_in_file(&format!("webhooks[{i}].{key}")));
            for problem in webhook.problems(with_secrets) {
                findings.add(Finding::problem(place(problem.key), problem.message).hint(problem.hint));
            }
            if webhooks[..i].iter().any(|other| other.name == webhook.name) {
                let message = format!("the webhook {:?} is there twice", webhook.name);
                let hint = "what was delivered is remembered by name: give each its own";
                findings.add(Finding::problem(place("name"), message).hint(hint));
            }
        }
    }

    /// What can be used but is hardly meant.
    pub(super) fn look_for_oddities(&self, findings: &mut Findings) {
        let gateway = &self.config.gateway;
        if findings.has_problems() {
            return;
        }
        if self.config.allow_shrink {
            let message = "allow_shrink lets a running gateway take up a file that is cut off";
            let hint = "take it out when the smaller file is in force";
            findings.add(Finding::warning(self.span("allow_shrink"), message).hint(hint));
        }
        if gateway.routes.is_empty() {
            findings.add(
                Finding::warning(None, "there are no routes: every model will be unknown")
                    .hint("add [[routes]] with name = \"gpt-4o\" and targets = [\"VENDOR/MODEL\"]"),
            );
        }
        if gateway.keys.is_empty() {
            findings.add(
                Finding::warning(None, "there are no keys: every request will be refused")
                    .hint("`banjia key new --account NAME` makes one and prints the lines to add"),
            );
        }
        for (i, vendor) in gateway.vendors.iter().enumerate() {
            let path = |key: &str| self.span(&self.path_in_file(&format!("vendors[{i}].{key}")));
            if let Some(base) = vendor.base.as_deref().filter(|base| is_in_the_clear(base)) {
                let message = format!("{base} is not https: the key and every prompt go there in the clear");
                findings.add(Finding::warning(path("base"), message).hint("use https:// unless the network is yours"));
            }
            if vendor.credential.is_none() {
                let message =
                    format!("the vendor {:?} has no credential: requests go there without a key", vendor.name.as_str());
                findings.add(Finding::warning(path("name"), message).hint("credential = \"${NAME_OF_A_VARIABLE}\""));
            }
        }
        self.plain_secrets(findings);
    }

    /// Secrets that stand in the file itself.
    fn plain_secrets(&self, findings: &mut Findings) {
        let tables = self.tree.iter().flat_map(|(_, value)| tables_of(value));
        for table in tables {
            for key in mask::SECRET_KEYS {
                let Some(value) = table.get(key) else { continue };
                if matches!(value.get_ref(), DeValue::String(std::borrow::Cow::Borrowed(_))) {
                    let message = format!("{key} stands in the file in plain text");
                    findings.add(
                        Finding::warning(Some(value.span()), message)
                            .hint("${NAME} takes it from the environment, file:PATH from a file"),
                    );
                }
            }
        }
    }
}

fn tables_of<'a, 't>(value: &'a Spanned<DeValue<'t>>) -> Vec<&'a DeTable<'t>> {
    match value.get_ref() {
        DeValue::Table(table) => vec![table],
        DeValue::Array(array) => array.iter().filter_map(|element| element.get_ref().as_table()).collect(),
        _ => Vec::new(),
    }
}

/// Whether a base URL sends plain HTTP to another machine.
fn is_in_the_clear(base: &str) -> bool {
    let Ok(url) = url::Url::parse(base) else { return false };
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_loopback
}

/// Replaces `${...}` and `file:` in every text below `table`.
fn fill_table(table: &mut DeTable<'_>, sources: &Sources<'_>, findings: &mut Findings) {
    for (key, value) in table.iter_mut() {
        let is_secret = mask::SECRET_KEYS.contains(&key.get_ref().as_ref());
        fill_value(value, is_secret, sources, findings);
    }
}

fn fill_value(value: &mut Spanned<DeValue<'_>>, is_secret: bool, sources: &Sources<'_>, findings: &mut Findings) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) => {
            let made = interpolate::variables(text, sources).and_then(|made| {
                let from_file = if is_secret { made.as_deref().unwrap_or(text) } else { "" };
                Ok(interpolate::secret_file(from_file, sources)?.or(made))
            });
            match made {
                Ok(Some(made)) => {
                    findings.hide(&made);
                    *text = made.into();
                }
                Ok(None) => {}
                Err(missing) => findings.add(Finding::problem(Some(span), missing.message).hint(missing.hint)),
            }
        }
        DeValue::Table(table) => fill_table(table, sources, findings),
        DeValue::Array(array) => {
            for element in array.iter_mut() {
                fill_value(element, is_secret, sources, findings);
            }
        }
        _ => {}
    }
}

struct Reader<'f> {
    text: &'f str,
    findings: &'f mut Findings,
    /// The text did not parse: what is missing then is not worth saying.
    silent: bool,
    lost: Vec<&'static str>,
}

impl Reader<'_> {
    fn unknown_sections(&mut self, tree: &DeTable<'_>) {
        for (key, _) in tree {
            let name = key.get_ref().as_ref();
            if SECTIONS.contains(&name) || TOP_KEYS.contains(&name) || self.silent {
                continue;
            }
            let finding = Finding::problem(Some(key.span()), format!("there is no table {name:?}"));
            let known: Vec<_> = SECTIONS.into_iter().chain(TOP_KEYS).collect();
            self.findings.add(finding.hint(did_you_mean(name, &known)));
        }
    }

    /// `[name]` as settings; the defaults when it is not there or cannot be read.
    fn table<T: DeserializeOwned + Default>(&mut self, tree: &DeTable<'_>, name: &'static str) -> T {
        let Some(value) = tree.get(name) else { return T::default() };
        self.read(value.clone(), &format!("[{name}]")).unwrap_or_else(|| {
            self.lost.push(name);
            T::default()
        })
    }

    /// `[name]` as settings; none when it is not there or cannot be read.
    fn optional<T: DeserializeOwned>(&mut self, tree: &DeTable<'_>, name: &'static str) -> Option<T> {
        self.read(tree.get(name)?.clone(), &format!("[{name}]"))
    }

    /// `[[name]]` as a list of settings, with the index in the file of each that could be read.
    fn list<T: DeserializeOwned>(&mut self, tree: &DeTable<'_>, name: &'static str) -> (Vec<T>, Vec<usize>) {
        let Some(value) = tree.get(name) else { return (Vec::new(), Vec::new()) };
        let DeValue::Array(array) = value.get_ref() else {
            self.lost.push(name);
            if !self.silent {
                let message = format!("{name} is a list: each element begins with [[{name}]]");
                self.findings
                    .add(Finding::problem(Some(value.span()), message).hint("write two brackets on each side"));
            }
            return (Vec::new(), Vec::new());
        };
        let mut list = Vec::new();
        let mut kept = Vec::new();
        for (index, element) in array.iter().enumerate() {
            match self.read(element.clone(), &format!("[[{name}]]")) {
                Some(read) => {
                    list.push(read);
                    kept.push(index);
                }
                None => self.lost.push(name),
            }
        }
        (list, kept)
    }

    /// One table, bad keys taken out one after the other.
    fn read<T: DeserializeOwned>(&mut self, mut value: Spanned<DeValue<'_>>, shown: &str) -> Option<T> {
        let mut taken = Vec::new();
        for _ in 0..BAD_KEYS_MAX {
            let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let message = first_line(error.message());
            let missing = quoted(message).next().filter(|_| message.starts_with("missing field"));
            if let Some(key) = missing {
                if !taken.iter().any(|taken| taken == key) && !self.silent {
                    let finding = Finding::problem(Some(value.span()), format!("{shown} has no {key}"));
                    self.findings.add(finding.hint(format!("add a line {key} = ...")));
                }
                return None;
            }
            let span = error.span();
            let gone = match (value.get_mut(), &span) {
                (DeValue::Table(table), Some(span)) => take_out(table, span),
                _ => None,
            };
            if !self.silent {
                self.findings.add(explain(self.text, message, span));
            }
            taken.push(gone?);
        }
        None
    }
}

/// Takes the key at `span` out of `table` or of a table inside it; returns its name.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (_, value) in table.iter_mut() {
        let inside = within(value.span());
        if let DeValue::Table(inner) = value.get_mut()
            && inside
            && let Some(taken) = take_out(inner, span)
        {
            return Some(taken);
        }
    }
    let (key, _) = table.iter().find(|(key, value)| within(key.span()) || within(value.span()))?;
    let key = key.get_ref().to_string();
    table.remove(key.as_str()).map(|_| key)
}

/// Serde's sentence as ours, with the nearest name where a name was wrong.
pub(super) fn explain(text: &str, message: &str, span: Option<Range<usize>>) -> Finding {
    for (start, what) in [("unknown field", "key"), ("unknown variant", "value")] {
        if message.starts_with(start) {
            // The wrong name may hold back-ticks itself; the known ones come after it.
            let (found, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
            let wrong = found.split_once('`').and_then(|(_, rest)| rest.rsplit_once('`')).map_or("", |(name, _)| name);
            let known: Vec<&str> = quoted(expected).collect();
            return Finding::problem(span, format!("there is no {what} {wrong:?} here"))
                .hint(did_you_mean(wrong, &known));
        }
    }
    wording::wrong_value(text, span, &without_value(message))
}

/// Serde's sentence about a wrong value without the value: a secret may stand in the wrong place.
fn without_value(message: &str) -> String {
    for start in ["invalid type: ", "invalid value: "] {
        let Some(rest) = message.strip_prefix(start) else { continue };
        let kind = rest.split(['`', '"', ',']).next().unwrap_or_default().trim_end();
        let expected = rest.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
        return format!("{start}{kind}, expected {expected}");
    }
    message.to_owned()
}

/// The words between back-ticks.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message)
}

/// A hint that names the nearest known name, or all of them.
pub(super) fn did_you_mean(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "take it out".to_owned(),
        None => format!("known are: {}", known.join(", ")),
    }
}

/// The known name that is nearest to `wrong`, if one is near enough to be a misspelling.
pub(crate) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    known
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
