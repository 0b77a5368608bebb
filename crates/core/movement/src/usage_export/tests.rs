use super::*;
use crate::survey::{ObservedExchange, Survey, Traffic, fold};
use banjia_types::Usage;
use proptest::prelude::*;

fn lines(problems: &[ExportProblem]) -> Vec<usize> {
    problems.iter().map(|problem| problem.line).collect()
}

#[test]
fn buckets_of_the_usage_api_are_read_as_days() {
    let page = r#"{"object": "page", "data": [
        {"object": "bucket", "start_time": 1720483200, "end_time": 1720569600, "results": [
            {"object": "organization.usage.completions.result", "input_tokens": 1000, "output_tokens": 500,
             "input_cached_tokens": 800, "num_model_requests": 5, "model": "gpt-4o-2024-08-06", "batch": null},
            {"input_tokens": 10, "output_tokens": 5, "num_model_requests": 1, "model": null}]},
        {"object": "bucket", "start_time": 1720569600, "results": []}], "has_more": false}"#;
    let export = read(page).unwrap();
    let day = &export.days[&"2024-07-09".parse().unwrap()];
    let figures = &day["gpt-4o-2024-08-06"];
    assert_eq!((figures.requests, figures.input, figures.cached, figures.output), (5, 1000, 800, 500));
    assert_eq!(day[NO_MODEL].requests, 1);
    let costs = r#"[{"data": [{"start_time": 1720483200, "results": [
        {"amount": {"value": 0.06, "currency": "usd"}, "line_item": "gpt-4o"}]}]}]"#;
    let micros = &read(costs).unwrap().days[&"2024-07-09".parse().unwrap()]["gpt-4o"].micros;
    assert_eq!(micros[&Currency::Usd], 60_000);
}

#[test]
fn tables_are_read_with_any_known_names_and_any_mark() {
    let csv = "\u{feff}Date,Model,Num Model Requests,Input Tokens,Input Cached Tokens,Output Tokens,Cost USD\n\
               2024-07-09,gpt-4o,3,\"1,200\",200,60.0,$0.0123456\n2024-07-09,gpt-4o,1,10,,5,1e-05\n2024-07-10,,,,,,\n";
    let export = read(csv).unwrap();
    let figures = &export.days[&"2024-07-09".parse().unwrap()]["gpt-4o"];
    assert_eq!((figures.requests, figures.input, figures.cached, figures.output), (4, 1_210, 200, 65));
    assert_eq!(figures.micros[&Currency::Usd], 12_355);
    assert_eq!(export.days.len(), 1, "a row without figures is a day without traffic");
    let tsv =
        "start_time\tstart_time_iso\tmodel\tnum_model_requests\n1759622400\t2025-10-05T00:00:00+00:00\tgpt-5-mini\t7\n";
    assert_eq!(read(tsv).unwrap().days[&"2025-10-05".parse().unwrap()]["gpt-5-mini"].requests, 7);
}

#[test]
fn all_problems_are_reported_with_their_lines() {
    let csv = "date,model,requests,input_tokens,cached_tokens,currency,cost\n\
               yesterday,a,1,1,0,usd,1\n2024-07-09,a,-1,1,0,usd,1\n2024-07-09,a,1,1,9,usd,1\n2024-07-09,a,1,1,0,eur,1\n\
               2024-07-09,a,1\n2024-07-09,a,1,1,0,usd,free\n2024-07-09,a,1,1,0,usd,1\n";
    assert_eq!(lines(&read(csv).unwrap_err()), [2, 3, 4, 5, 6, 7]);
    assert_eq!(lines(&read("model,colour\na,b\n").unwrap_err()), [1, 1]);
    assert_eq!(lines(&read("{\n\"data\": [\n").unwrap_err()), [3]);
    for empty in ["", " \n", "[]", "{\"data\": 4}", "[1]"] {
        assert!(read(empty).is_err(), "{empty:?}");
    }
    let many = format!("date,requests\n{}", "x,1\n".repeat(500));
    let problems = read(&many).unwrap_err();
    assert_eq!((problems.len(), problems[100].message.as_str()), (101, "and 400 more problems"));
}

#[test]
fn the_seen_share_covers_common_days_only() {
    let mut survey = Survey::default();
    for n in 0..3 {
        let traffic = Traffic {
            at: Timestamp(1_720_483_200_000 + n),
            took_ms: 1,
            target: Some("openai/gpt-4o".parse().unwrap()),
            endpoint: "chat".into(),
            stream: false,
            usage: Some(Usage { prompt: 10, completion: 5, ..Usage::default() }),
            cost: None,
        };
        fold(&mut survey, ObservedExchange { route: "r".into(), traffic: Some(traffic), shape: None });
    }
    let csv = "date,model,requests,input_tokens\n2024-07-09,gpt-4o-2024-08-06,4,60\n2024-07-09,gpt-4o-mini,9,9\n\
               2024-07-08,gpt-4o,100,100\n";
    let found = compare(&read(csv).unwrap(), &survey);
    assert_eq!((found.days, found.days_outside), (1, 1));
    let shares: Vec<_> = found.models.iter().map(|row| (row.model.as_str(), row.share())).collect();
    assert_eq!(shares, [("gpt-4o-2024-08-06", Some(0.75)), ("gpt-4o-mini", Some(0.0))]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[{}\\[\\]\",:;a-z0-9\\n\\t. -]{0,200}") {
        let table = format!("date,model,requests,cost\n{text}");
        prop_assert!(read(&text).is_ok() || !read(&text).unwrap_err().is_empty());
        prop_assert!(read(&table).is_ok() || !read(&table).unwrap_err().is_empty());
    }
}
