//! What to do about a finding before a move to a gateway. The sentences are data; this module
//! selects them.

use crate::finding::{Confidence, Finding, Kind, Setting};
use crate::rules::{Advice, EnvRole, ScanRules};

/// Adds the advice to a finding.
pub(crate) fn give(finding: &mut Finding, rules: &ScanRules) {
    let said = &rules.advice;
    let mut advice = match finding.kind {
        Kind::Client => client(finding, rules),
        Kind::Call => Vec::new(),
        Kind::Http => vec![said.http.clone()],
        Kind::Host => vec![fill(&said.host, &[("host", finding.name.as_deref())])],
        Kind::Environment => vec![environment(finding, rules)],
        Kind::Key => vec![said.key.clone()],
        Kind::SideChannel => side_channel(finding, rules),
    };
    advice.extend(endpoint(finding, said));
    if let Some(model) = &finding.model {
        let sentence = if model == "dynamic" { &said.model_dynamic } else { &said.model_literal };
        advice.push(fill(sentence, &[("model", Some(model))]));
    }
    if finding.kind == Kind::Call && finding.confidence != Confidence::Certain {
        advice.push(said.untraced.clone());
    }
    finding.advice = advice;
}

fn endpoint(finding: &Finding, said: &Advice) -> Option<String> {
    let endpoint = finding.endpoint.as_deref()?;
    let sentence = match finding.is_served {
        Some(true) => &said.served,
        _ if endpoint.starts_with("native ") => &said.native,
        _ => &said.not_served,
    };
    Some(fill(sentence, &[("endpoint", Some(endpoint))]))
}

fn client(finding: &Finding, rules: &ScanRules) -> Vec<String> {
    let said = &rules.advice;
    let rule = finding.rule.map(|(sdk, client)| &rules.sdks[sdk].client[client]);
    let base_env = rule.and_then(|rule| rule.base_env.as_deref());
    let key_env = rule.and_then(|rule| rule.key_env.as_deref());
    let mut advice = Vec::new();
    match &finding.base_url {
        Some(Setting::Default) if base_env.is_some() => {
            advice.push(fill(&said.client_default, &[("base_env", base_env), ("key_env", key_env)]));
        }
        Some(Setting::Default) | None => advice.push(said.client_no_env.clone()),
        Some(Setting::Literal { host }) => {
            let host = host.as_deref().or(Some("a fixed address"));
            let base_env = base_env.or(Some("LLM_BASE_URL"));
            advice.push(fill(&said.client_literal, &[("host", host), ("base_env", base_env)]));
        }
        Some(Setting::Environment { name }) => {
            advice.push(fill(&said.client_environment, &[("base_name", Some(name))]));
        }
        Some(Setting::Dynamic) => advice.push(said.client_dynamic.clone()),
    }
    if matches!(finding.key, Some(Setting::Literal { .. })) {
        advice.push(said.client_key_literal.clone());
    }
    advice.extend(rule.and_then(|rule| said.more.get(rule.advice.as_ref()?).cloned()));
    advice
}

fn environment(finding: &Finding, rules: &ScanRules) -> String {
    let name = finding.name.as_deref();
    let sentence = match name.and_then(|name| rules.env(name)) {
        Some(EnvRole::Key) => &rules.advice.env_key,
        Some(EnvRole::BaseUrl) => &rules.advice.env_base,
        Some(EnvRole::Setting) | None => &rules.advice.env_setting,
    };
    fill(sentence, &[("name", name)])
}

fn side_channel(finding: &Finding, rules: &ScanRules) -> Vec<String> {
    let channel = rules.side_channels.iter().find(|channel| Some(&channel.name) == finding.name.as_ref());
    channel.map(|channel| vec![channel.says.clone(), channel.advice.clone()]).unwrap_or_default()
}

/// Replaces the names in braces of a sentence with their values.
fn fill(sentence: &str, values: &[(&str, Option<&str>)]) -> String {
    values.iter().fold(sentence.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value.unwrap_or("its variable"))
    })
}
