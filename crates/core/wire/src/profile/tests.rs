use super::{FinishMeaning, Problem, Profile, UsagePlacement, embedded_profiles};
use banjia_types::{ErrorClass, Operation};

/// A profile of the binary by its stem, as text.
pub(crate) fn find_embedded(stem: &str) -> Option<String> {
    embedded_profiles().iter().find(|(name, _)| *name == stem).map(|(_, text)| (*text).to_owned())
}

/// A profile of the binary; the test fails when it has problems.
pub(crate) fn embedded(stem: &str) -> Profile {
    let text = find_embedded(stem).unwrap_or_else(|| panic!("no profile {stem}"));
    let (profile, problems) = Profile::parse(stem, &text, &find_embedded);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    profile.unwrap_or_else(|| panic!("{stem}: {said:?}"))
}

fn problems(text: &str) -> Vec<Problem> {
    Profile::parse("x", text, &find_embedded).1
}

const HEAD: &str = "vendor = \"x\"\nsource = \"a manual\"\nas_of = \"2026-09\"\n";

#[test]
fn every_embedded_profile_cites_every_fact() {
    let stems: Vec<&str> = embedded_profiles().iter().map(|(stem, _)| *stem).collect();
    for wanted in [
        "alibaba",
        "baidu",
        "deepseek",
        "moonshot",
        "openai",
        "openai-compatible",
        "siliconflow",
        "volcengine",
        "zhipu",
    ] {
        assert!(stems.contains(&wanted), "{wanted} is missing among {stems:?}");
    }
    for stem in stems {
        let profile = embedded(stem);
        let cites = profile
            .hosts
            .iter()
            .map(|host| &host.cite)
            .chain(profile.params.iter().map(|rule| &rule.cite))
            .chain(profile.thinking.iter().map(|group| &group.cite))
            .chain(profile.errors.iter().map(|rule| &rule.cite))
            .chain(profile.models.iter().map(|facts| &facts.cite));
        for cite in cites {
            assert!(!cite.source.is_empty() && cite.as_of.starts_with("20"), "{stem}: {cite:?}");
        }
        assert!(profile.path(Operation::ChatCompletions).is_some(), "{stem} has no chat");
    }
}

#[test]
fn a_misspelt_key_is_reported_with_the_allowed_names() {
    let text = format!("{HEAD}\n[[param]]\nname = \"stop\"\nmax_item = 1\n");
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].line, found[0].column), (7, 1));
    assert_eq!(text.get(found[0].span.clone()), Some("max_item"));
    assert!(
        found[0].message.contains("unknown field `max_item`") && found[0].message.contains("`max_items`"),
        "{}",
        found[0]
    );
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `max_items`?"));
}

#[test]
fn an_unknown_endpoint_is_reported() {
    let text = format!("{HEAD}[endpoint]\nchatt = \"/c\"\nresponses = \"/r\"\n");
    let found = problems(&text);
    assert_eq!((found[0].line, text.get(found[0].span.clone())), (5, Some("chatt")), "{found:?}");
    assert_eq!(found[0].message, "unknown field `chatt`, expected one of `chat`, `embeddings`, `models`");
}

#[test]
fn a_rule_may_not_be_about_an_unread_operation() {
    let text = format!("{HEAD}[[param]]\nname = \"a\"\ndrop = true\nendpoint = \"models\"\n");
    let found = problems(&text);
    assert_eq!((found.len(), found[0].line), (1, 7), "{found:?}");
    assert_eq!(found[0].message, "unknown variant `models`, expected `chat` or `embeddings`");
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = format!(
        "{HEAD}hots = 1\n[[param]]\nname = \"a\"\nquirk = \"one_system_frist\"\n[[param]]\nname = \"b\"\n\
         [[error]]\nclass = \"rate\"\n[[error]]\ncode = [\"1\"]\nclass = \"rates\"\n[stream]\nfinish = {{ odd = \"strange\" }}\n\
         [[model]]\nname = \"m\"\nshutdown_date = \"soon\"\n"
    );
    let messages: Vec<String> = problems(&text).iter().map(ToString::to_string).collect();
    for part in [
        "unknown section `hots`",
        "did you mean `one_system_first`?",
        "the rule on `b` does nothing",
        "fits every answer",
        "unknown variant `rates`",
        "`strange` is no finish reason",
        "\"soon\" is no date",
    ] {
        assert!(messages.iter().any(|message| message.contains(part)), "{part} is not in {messages:#?}");
    }
}

#[test]
fn a_broken_profile_is_a_problem_and_no_panic() {
    assert_eq!(problems("vendor = ").first().map(|problem| problem.line), Some(1));
    let lines: Vec<String> = problems("").iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let wide = problems("# 搬家\nvendor = \"y\"\nsource = \"s\"\nas_of = \"2026\"\n");
    assert_eq!((wide[0].line, wide[0].column), (2, 1), "{}", wide[0]);
}

#[test]
fn a_base_lies_underneath_one_level_deep() {
    let base = "vendor = \"base\"\nsource = \"s\"\nas_of = \"2026\"\n[endpoint]\nchat = \"/c\"\n\
                [[param]]\nname = \"a\"\ndrop = true\n[[param]]\nname = \"b\"\ndrop = true\n";
    let find = |name: &str| match name {
        "base" => Some(base.to_owned()),
        "deep" => Some("vendor = \"deep\"\nextends = \"base\"\nsource = \"s\"\nas_of = \"2026\"\n".to_owned()),
        _ => None,
    };
    let text = format!("extends = \"base\"\n{HEAD}[[param]]\nname = \"b\"\nrename = \"c\"\n");
    let (profile, problems) = Profile::parse("x", &text, &find);
    let profile = profile.unwrap_or_else(|| panic!("{problems:?}"));
    let rules: Vec<(&str, bool)> = profile.params().iter().map(|rule| (rule.name.as_str(), rule.drop)).collect();
    assert_eq!(rules, [("a", true), ("b", false)]);
    assert_eq!(profile.path(Operation::ChatCompletions), Some("/c"));
    for (base, part) in [("deep", "one level only"), ("none", "no profile \"none\"")] {
        let (profile, problems) = Profile::parse("x", &format!("extends = {base:?}\n{HEAD}"), &find);
        assert!(profile.is_none() && problems[0].message.contains(part), "{problems:?}");
    }
}

#[test]
fn the_closest_name_of_a_model_wins() {
    let profile = embedded("alibaba");
    let context = |model: &str| profile.model(model).and_then(|facts| facts.context);
    assert_eq!(context("qwen3-max-2026-01-01"), Some(262_144));
    assert_eq!(context("qwen-max"), Some(131_072));
    assert_eq!(context("of another house"), None);
    assert_eq!(profile.embedding_batch_max("text-embedding-v4"), Some(10));
}

#[test]
fn the_retirements_of_2026_are_dated_facts() {
    let profile = embedded("baidu");
    for model in [
        "ernie-5.0",
        "ernie-5.0-thinking-latest",
        "ernie-4.5-turbo-128k",
        "ernie-4.5-turbo-32k",
        "ernie-4.5-turbo-vl-32k",
    ] {
        let facts = profile.model(model).unwrap();
        assert_eq!(facts.shutdown_date.as_deref(), Some("2026-10-29"), "{model}");
        assert!(facts.warning.is_some(), "{model}");
    }
    assert_eq!(profile.model("ernie-5.1").unwrap().shutdown_date, None);
}

#[test]
fn hosts_are_found_by_name_and_the_default_is_first() {
    let alibaba = embedded("alibaba");
    assert_eq!(alibaba.host(None).unwrap().name, "beijing");
    assert_eq!(alibaba.host(Some("singapore")).unwrap().base, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1");
    assert_eq!(alibaba.host(Some("mars")), None);
    assert_eq!(embedded("openai-compatible").host(None), None);
}

#[test]
fn habits_of_streams_are_read() {
    let zhipu = embedded("zhipu");
    assert_eq!(zhipu.stream().usage, UsagePlacement::OnFinishChunk);
    assert_eq!(zhipu.stream().finish["sensitive"], FinishMeaning::Reason("content_filter".into()));
    assert_eq!(zhipu.stream().finish["network_error"], FinishMeaning::Error(ErrorClass::Server));
    assert_eq!(embedded("baidu").stream().blocked_flag_min, Some(3));
}

#[test]
fn each_row_of_the_error_tables_has_its_class() {
    use ErrorClass::{Auth, BadRequest, Content, Context, ModelGone, Overload, Quota, Rate, Region, Server};
    let cases: &[(&str, u16, &str, &str, ErrorClass)] = &[
        ("openai", 403, "unsupported_country_region_territory", "Country, region, or territory not supported", Region),
        ("openai", 429, "insufficient_quota", "", Quota),
        ("zhipu", 401, "1002", "", Auth),
        ("zhipu", 429, "1113", "", Quota),
        ("zhipu", 400, "1211", "", ModelGone),
        ("zhipu", 400, "1214", "", BadRequest),
        ("zhipu", 400, "1261", "", Context),
        ("zhipu", 400, "1301", "", Content),
        ("zhipu", 429, "1302", "", Rate),
        ("zhipu", 429, "1305", "", Overload),
        ("zhipu", 429, "1308", "", Quota),
        ("zhipu", 429, "1313", "", Auth),
        ("zhipu", 500, "1234", "", Server),
        ("baidu", 401, "invalid_model", "", ModelGone),
        ("baidu", 400, "invalid_model", "", BadRequest),
        ("baidu", 403, "model_offline", "", ModelGone),
        ("baidu", 403, "account_overdue", "", Quota),
        ("baidu", 400, "tokens_too_long", "", Context),
        ("baidu", 403, "system_unsafe", "", Content),
        ("baidu", 429, "input_tpm_rate_limit_exceeded", "", Rate),
        ("baidu", 500, "dispatch_internal_error", "", Server),
        ("baidu", 401, "invalid_iam_token", "", Auth),
        ("alibaba", 400, "Arrearage", "", Quota),
        ("alibaba", 400, "invalid_parameter_error", "Range of input length should be [1, 1000]", Context),
        ("alibaba", 400, "invalid_parameter_error", "top_p out of range", BadRequest),
        ("alibaba", 400, "data_inspection_failed", "", Content),
        ("alibaba", 401, "invalid_api_key", "", Auth),
        ("alibaba", 403, "AllocationQuota.FreeTierOnly", "", Quota),
        ("alibaba", 404, "model_not_found", "", ModelGone),
        ("alibaba", 429, "insufficient_quota", "You exceeded your tokens per minute", Rate),
        ("alibaba", 429, "Throttling.BurstRate", "", Rate),
        ("alibaba", 500, "InternalError.Algo", "", Server),
        ("alibaba", 400, "InternalError.Algo.InvalidParameter", "", BadRequest),
        ("alibaba", 503, "ModelUnavailable", "", Overload),
    ];
    for (vendor, status, code, message, class) in cases {
        let found = embedded(vendor).class_of(*status, Some(code), None, message).map(|(class, _)| class);
        assert_eq!(found, Some(*class), "{vendor} {status} {code}");
    }
    let moonshot = embedded("moonshot");
    let quota = moonshot.class_of(429, None, Some("exceeded_current_quota_error"), "").map(|(class, _)| class);
    assert_eq!(quota, Some(Quota));
}

#[test]
fn the_source_names_its_models_with_their_prices() {
    let openai = embedded("openai");
    let price = openai.model("gpt-4o").and_then(|facts| facts.price.clone()).unwrap();
    assert_eq!((price.currency.as_str(), price.tiers[0].input, price.tiers[0].output), ("USD", 2_500_000, 10_000_000));
    let old = openai.model("gpt-3.5-turbo").unwrap();
    assert_eq!((old.shutdown_date.as_deref(), old.successor.as_deref()), (Some("2026-10-23"), Some("gpt-4.1-mini")));
}
