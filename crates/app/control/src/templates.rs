//! The words of a notice.
//!
//! Rules: text and HTML in English and Chinese, built in and replaceable one by one from a folder; a name that a template
//! misspells is an error and not an empty place; what comes from outside is escaped in HTML; a template that does not say how
//! to unsubscribe cannot be used for notices of which an account may want no more.

use banjia_border::campaign::Step;
use banjia_border::country::Lang;
use banjia_border::policy::Policy;
use banjia_files::{Bounds, FileError, is_folder, read_text};
use banjia_store::Recipient;
use banjia_types::calendar;
use banjia_types::hash::hash_parts;
use minijinja::{Environment, UndefinedBehavior, context};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The largest template.
const TEMPLATE_BYTES_MAX: u64 = 1024 * 1024;
/// A template must be read within this time.
const READ_WITHIN: Duration = Duration::from_secs(5);
const BUILT_IN: [(&str, &str); 4] = [
    ("notice.en.html", include_str!("../templates/notice.en.html")),
    ("notice.en.txt", include_str!("../templates/notice.en.txt")),
    ("notice.zh.html", include_str!("../templates/notice.zh.html")),
    ("notice.zh.txt", include_str!("../templates/notice.zh.txt")),
];
/// Lines of evidence in one mail.
const EVIDENCE_LINES_MAX: usize = 10;

/// Why a notice cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file of the folder cannot be read.
    #[error("cannot read the template {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why it was not read.
        source: FileError,
    },
    /// A template leaves out what must be said.
    #[error(
        "the template {0} does not say how to get no more of these mails: write {{{{ unsubscribe }}}} where it is defined, or make \
         the campaign with --mandatory"
    )]
    NoWayOut(String),
    /// A template is wrong.
    #[error("the template is wrong: {0:#}")]
    Template(#[from] minijinja::Error),
}

/// The templates, ready to be filled.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    operator: String,
}

/// Why an account is told although it may not want to be, or how it can say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsubscribeLink<'a> {
    /// The law or the contract demands the notice, as this says; a wish changes nothing.
    Overruled(&'a str),
    /// Who wants no more says so here: a page or a `mailto:`.
    Heard(&'a str),
}

/// A notice, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same in HTML.
    pub html: String,
    /// Where to say that no more is wanted, as the text says it; none when that would change nothing.
    pub unsubscribe: Option<String>,
}

impl Templates {
    /// The built-in templates, those of `folder` in their place. `operator` is who speaks.
    ///
    /// # Errors
    /// A file that cannot be read, or a template with a mistake in its form.
    pub fn new(operator: &str, folder: Option<&Path>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, built_in) in BUILT_IN {
            let text = match folder {
                None => built_in.to_owned(),
                Some(folder) => own(folder, name)?.unwrap_or_else(|| built_in.to_owned()),
            };
            environment.add_template_owned(name, text)?;
        }
        Ok(Self { environment, operator: operator.to_owned() })
    }

    /// Writes the notice of a step to somebody.
    ///
    /// # Errors
    /// A template that uses a name which is not there, or leaves out what must be said.
    pub fn write(
        &self,
        policy: &Policy,
        step: Step,
        to: &Recipient,
        wish: UnsubscribeLink<'_>,
    ) -> Result<Written, TemplateError> {
        let lang = if to.language == "zh" { Lang::Zh } else { Lang::En };
        let code = if lang == Lang::Zh { "zh" } else { "en" };
        let block = policy.phases().block.map(|at| calendar::show(at, policy.zone())).unwrap_or_default();
        let case = format!("{:08x}", hash_parts(&[policy.id().as_bytes(), to.account.as_str().as_bytes()]) >> 32);
        let (mandatory, unsubscribe) = match wish {
            UnsubscribeLink::Overruled(why) => (Some(why), None),
            UnsubscribeLink::Heard(place) => (None, Some(place)),
        };
        let filled = context! {
            mandatory,
            unsubscribe,
            step => step.as_str(),
            operator => &self.operator,
            account => to.account.as_str(),
            block => &block,
            evidence => evidence(&to.evidence, lang),
            timetable => timetable(policy, lang),
            appeal => policy.appeal(),
            link => policy.link(),
            case => case,
        };
        let make = |kind: &str| {
            let name = format!("notice.{code}.{kind}");
            let template = self.environment.get_template(&name)?;
            if unsubscribe.is_some() && !template.undeclared_variables(false).contains("unsubscribe") {
                return Err(TemplateError::NoWayOut(name));
            }
            Ok(template.render(&filled)?)
        };
        let subject = match (lang, step) {
            (Lang::En, Step::Now) => format!("{}: API service has ended for some places", self.operator),
            (Lang::En, _) => format!("{}: API service ends for some places on {block}", self.operator),
            (Lang::Zh, Step::Now) => format!("{}：部分地区的 API 服务已终止", self.operator),
            (Lang::Zh, _) => format!("{}：部分地区的 API 服务将于 {block} 终止", self.operator),
        };
        let (text, html) = (make("txt")?, make("html")?);
        Ok(Written { subject, text, html, unsubscribe: unsubscribe.map(str::to_owned) })
    }
}

/// Evidence as people read it: which key, which place, how many, when, which request.
fn evidence(evidence: &Value, lang: Lang) -> Vec<String> {
    let lines = evidence.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |line: &Value, name: &str| line.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    lines
        .iter()
        .take(EVIDENCE_LINES_MAX)
        .map(|line| {
            let (key, place) = (text(line, "key"), text(line, "place"));
            let requests = line.get("requests").and_then(Value::as_u64).unwrap_or(0);
            let (first, last, sample) = (text(line, "first"), text(line, "last"), text(line, "sample"));
            if let Some(record) = line.get("record").and_then(Value::as_str) {
                return by_record((record, &place), (&key, requests), (&first, &last), lang);
            }
            match lang {
                Lang::En => {
                    format!("key {key}: {requests} requests from {place}, from {first} to {last}, for example {sample}")
                }
                Lang::Zh => {
                    format!("密钥 {key}：来自 {place} 的请求 {requests} 次，时间 {first} 至 {last}，例如 {sample}")
                }
            }
        })
        .collect()
}

/// Evidence of an account's record: its requests are named, but not from where they came.
fn by_record(
    (record, place): (&str, &str),
    (key, requests): (&str, u64),
    (first, last): (&str, &str),
    lang: Lang,
) -> String {
    match lang {
        Lang::En => {
            let what = match record {
                "residence" => format!("the account's residence on record is {place}"),
                "billing" => format!("the account's billing address on record is in {place}"),
                _ => "the account's owners on record are in places that are not on the list".to_owned(),
            };
            format!("{what}; key {key} sent {requests} requests from {first} to {last}")
        }
        Lang::Zh => {
            let what = match record {
                "residence" => format!("账户登记的所在地为{place}"),
                "billing" => format!("账户登记的账单地址位于{place}"),
                _ => "账户登记的所有者位于名单之外的地点".to_owned(),
            };
            format!("{what}；密钥 {key} 在 {first} 至 {last} 期间发出 {requests} 次请求")
        }
    }
}

/// The template of this name in a folder. `None` if there is none in it; a folder that is missing
/// is an error.
fn own(folder: &Path, name: &str) -> Result<Option<String>, TemplateError> {
    let failed = |path: &Path, source| TemplateError::File { path: path.display().to_string(), source };
    let file = folder.join(name);
    match read_text(&file, Bounds::regular(TEMPLATE_BYTES_MAX, READ_WITHIN)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_missing() => match is_folder(folder, READ_WITHIN) {
            Ok(true) => Ok(None),
            Ok(false) => Err(failed(folder, error)),
            Err(error) => Err(failed(folder, error)),
        },
        Err(error) => Err(failed(&file, error)),
    }
}

fn timetable(policy: &Policy, lang: Lang) -> Vec<String> {
    let show = |at| calendar::show(at, policy.zone());
    let phases = policy.phases();
    let mut lines = Vec::new();
    for brownout in &phases.brownouts {
        let (from, until) = (show(brownout.from), show(brownout.until));
        lines.push(match lang {
            Lang::En => format!("{from} to {until}: some requests are refused on purpose (403, code region_brownout)"),
            Lang::Zh => format!("{from} 至 {until}：演练，部分请求会被有意拒绝（403，代码 region_brownout）"),
        });
    }
    if let Some(block) = phases.block {
        let block = show(block);
        lines.push(match lang {
            Lang::En => format!("{block}: all of them are (403, code unsupported_country_region_territory)"),
            Lang::Zh => format!("{block}：全部拒绝（403，代码 unsupported_country_region_territory）"),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_border::registry::embedded;
    use serde_json::json;

    fn policy() -> Policy {
        Policy::parse(include_str!("../../../core/border/policies/openai-2024.toml"), embedded())
            .unwrap_or_else(|p| panic!("{p:?}"))
    }

    fn to(account: &str, language: &str) -> Recipient {
        let line = json!({ "key": "acme-1", "place": "Hong Kong", "requests": 120, "first": "2024-06-11", "last": "2024-06-24", "sample": "req_1" });
        let evidence = Value::Array(vec![line]);
        Recipient { account: account.into(), email: "ops@acme.example".into(), language: language.into(), evidence }
    }

    const HEARD: UnsubscribeLink<'static> = UnsubscribeLink::Heard("https://example.com/no-more?a=1&b=2");

    fn wished(account: &str, language: &str, wish: UnsubscribeLink<'_>) -> Written {
        let templates = Templates::new("Example AI", None).unwrap_or_else(|e| panic!("{e}"));
        templates.write(&policy(), Step::TwoWeeks, &to(account, language), wish).unwrap_or_else(|e| panic!("{e}"))
    }

    fn written(account: &str, language: &str) -> Written {
        wished(account, language, HEARD)
    }

    #[test]
    fn evidence_of_a_record_names_no_network() {
        let line = json!({ "record": "residence", "place": "Hong Kong", "key": "k", "requests": 4, "first": "a", "last": "b", "sample": "r" });
        let lines = [Lang::En, Lang::Zh].map(|lang| evidence(&Value::Array(vec![line.clone()]), lang).remove(0));
        assert_eq!(lines[0], "the account's residence on record is Hong Kong; key k sent 4 requests from a to b");
        assert_eq!(lines[1], "账户登记的所在地为Hong Kong；密钥 k 在 a 至 b 期间发出 4 次请求");
    }

    #[test]
    fn a_notice_has_evidence_dates_and_an_appeal() {
        let english = written("acme", "en");
        assert_eq!(english.subject, "Example AI: API service ends for some places on 2024-07-09 00:00 CST");
        for said in [
            "account acme",
            "key acme-1: 120 requests from Hong Kong",
            "req_1",
            "2024-07-02 10:00 CST",
            "answer this mail",
            "case ",
        ] {
            assert!(english.text.contains(said), "{said} in {}", english.text);
            assert!(english.html.contains(said), "{said} in {}", english.html);
        }
        let chinese = written("acme", "zh");
        assert_eq!(chinese.subject, "Example AI：部分地区的 API 服务将于 2024-07-09 00:00 CST 终止");
        assert!(chinese.text.contains("密钥 acme-1：来自 Hong Kong 的请求 120 次"), "{}", chinese.text);
    }

    #[test]
    fn a_notice_says_how_to_unsubscribe() {
        for (language, sentence) in [("en", "If you want no more of these mails"), ("zh", "如不希望再收到此类邮件")]
        {
            let heard = written("acme", language);
            assert_eq!(heard.unsubscribe.as_deref(), Some("https://example.com/no-more?a=1&b=2"));
            assert!(heard.text.contains(sentence) && heard.html.contains(sentence), "{}", heard.text);
            assert!(heard.text.contains("https://example.com/no-more?a=1&b=2"), "{}", heard.text);
            assert!(heard.html.contains("no-more?a=1&amp;b=2"), "{}", heard.html);
            let overruled = wished("acme", language, UnsubscribeLink::Overruled("section 9 of our terms"));
            assert_eq!(overruled.unsubscribe, None);
            for said in [&overruled.text, &overruled.html] {
                assert!(said.contains("section 9 of our terms") && !said.contains(sentence), "{said}");
            }
        }
    }

    #[test]
    fn only_mandatory_notices_need_no_unsubscription() {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        std::fs::write(folder.path().join("notice.en.txt"), "Hello {{ account }}").unwrap_or_else(|e| panic!("{e}"));
        let templates = Templates::new("x", Some(folder.path())).unwrap_or_else(|e| panic!("{e}"));
        let write = |wish| templates.write(&policy(), Step::Day, &to("a", "en"), wish);
        let said = write(HEARD).unwrap_err().to_string();
        assert!(said.contains("notice.en.txt") && said.contains("{{ unsubscribe }}"), "{said}");
        assert_eq!(
            write(UnsubscribeLink::Overruled("the law")).map(|written| written.text).unwrap_or_default(),
            "Hello a"
        );
    }

    #[test]
    fn what_comes_from_outside_is_no_markup() {
        let html = written("<script>alert(1)</script>", "en").html;
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let error = Templates::new("x", Some(&folder.path().join("none"))).unwrap_err().to_string();
        assert!(error.contains("none: ") && error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_template_that_is_a_pipe_is_an_error() {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let pipe = folder.path().join("notice.en.txt");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().is_ok_and(|status| status.success()));
        let error = Templates::new("x", Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("a named pipe"), "{error}");
    }

    #[test]
    fn a_misspelt_template_is_an_error() {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        std::fs::write(folder.path().join("notice.en.txt"), "{{ account }} {{ acount }}")
            .unwrap_or_else(|e| panic!("{e}"));
        let templates = Templates::new("x", Some(folder.path())).unwrap_or_else(|e| panic!("{e}"));
        assert!(templates.write(&policy(), Step::Day, &to("a", "en"), UnsubscribeLink::Overruled("x")).is_err());
        assert!(templates.write(&policy(), Step::Day, &to("a", "zh"), HEARD).is_ok());
    }
}
