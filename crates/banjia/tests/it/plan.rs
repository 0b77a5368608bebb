//! `banjia survey` and `banjia plan`, on files of captures.

use crate::process::{banjia, run};
use serde_json::{Value, json};
use std::path::Path;

fn write_captures(path: &Path) {
    let line = |n: i64| {
        json!({
            "id": format!("r{n}"), "leg": "live", "at": 1_719_800_000_000_i64 + n * 500, "route": "shop",
            "target": "openai/gpt-4o-2024-08-06", "endpoint": "chat", "outcome": "answered", "total_ms": 2_000,
            "client": "OpenAI/Python 1.40.0",
            "request": {"model": "shop", "temperature": 1.7, "messages": [{"role": "user", "content": "你好，我的订单在哪里？"}]},
            "usage": {"prompt": 1000, "completion": 100, "cached": 0, "reasoning": 0},
        })
        .to_string()
    };
    std::fs::write(path, (0..40).map(line).collect::<Vec<_>>().join("\n")).unwrap();
}

#[test]
fn a_survey_says_what_is_used_and_what_share_of_the_sources_figures_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    write_captures(&folder.path().join("c.jsonl"));
    std::fs::write(folder.path().join("u.csv"), "date,model,requests\n2024-07-01,gpt-4o,80\n").unwrap();
    let args = ["survey", "--captures", "c.jsonl", "--usage-export", "u.csv"];
    let (status, said, error) = run(banjia(folder.path()).args(args));
    assert!(status.success(), "{error}");
    for wanted in ["temperature: number 40", "zh 40", "OpenAI/Python 1.40.0 40", "up to 7.50 %", "50.0 %"] {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
    std::fs::write(folder.path().join("u.csv"), "date,model,requests\nsoon,gpt-4o,80\n2024-07-01,gpt-4o,-1\n").unwrap();
    let (status, _, error) = run(banjia(folder.path()).args(args));
    assert!(!status.success() && error.contains("line 2") && error.contains("line 3"), "{error}");
    std::fs::write(folder.path().join("c.jsonl"), "{}\n").unwrap();
    let (status, _, error) = run(banjia(folder.path()).args(&args[..3]));
    assert!(!status.success() && error.contains("line 1"), "{error}");
}

#[test]
fn a_plan_has_two_destinations_losses_of_the_real_requests_and_a_timetable() {
    let folder = tempfile::tempdir().unwrap();
    write_captures(&folder.path().join("c.jsonl"));
    let (status, survey, error) =
        run(banjia(folder.path()).args(["survey", "--captures", "c.jsonl", "--format", "json"]));
    assert!(status.success(), "{error}");
    std::fs::write(folder.path().join("s.json"), survey).unwrap();
    let common = ["plan", "--captures", "c.jsonl", "--deadline", "2024-07-09T00:00", "--zone", "Asia/Shanghai"];
    let (status, said, error) =
        run(banjia(folder.path()).args(common).args(["--rate", "7.2@2024-07-01", "--format", "json"]));
    assert!(status.success(), "{error}");
    let plan: Value = serde_json::from_str(&said).unwrap();
    let route = &plan["routes"][0];
    assert!(route["destination"].is_string() && route["second"].is_string(), "{route}");
    assert_ne!(
        route["destination"].as_str().unwrap().split('/').next(),
        route["second"].as_str().unwrap().split('/').next()
    );
    assert_eq!(route["ranked"][0]["losses"]["tested"], 40);
    assert_eq!((plan["deadline"].as_i64(), plan["rate"]["cny_per_usd"].as_f64()), (Some(1_720_454_400_000), Some(7.2)));
    assert!(plan["timetable"]["slack_hours"].as_i64().unwrap() < 0, "that day has passed");
    let (status, said, error) = run(banjia(folder.path())
        .args([
            "plan",
            "--survey",
            "s.json",
            "--deadline",
            "2024-07-09",
            "--candidate",
            "zhipu/glm-4.7",
            "--lang",
            "zh",
        ])
        .args(["--limit", "zhipu=concurrency:2,tier:V0"]));
    assert!(status.success(), "{error}");
    for wanted in ["# 搬家计划", "没有余量", "损失未知", "超出并发限额：4 / 2", "shop：没有备选目标"]
    {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
    for bad in [["--deadline", "soon"], ["--rate", "7.1"], ["--limit", "zhipu=5"], ["--zone", "Mars"]] {
        let (status, ..) = run(banjia(folder.path()).args(["plan", "--survey", "s.json"]).args(bad));
        assert!(!status.success(), "{bad:?}");
    }
}

#[test]
fn a_candidate_whose_vendor_does_not_serve_these_accounts_is_no_destination() {
    let folder = tempfile::tempdir().unwrap();
    write_captures(&folder.path().join("c.jsonl"));
    let config = |residence: &str| {
        let vendor = |name: &str, serves: &str| {
            format!(
                "[[vendors]]\nname = \"{name}\"\nprofile = \"openai-compatible\"\nbase = \"http://127.0.0.1:1/{name}\"\n\
                 serves = \"{serves}\"\n"
            )
        };
        let vendors = vendor("listed", "openai-2024") + &vendor("unlisted", "none");
        format!("{vendors}[[accounts]]\nid = \"shop\"\n{residence}\n")
    };
    for (residence, serves) in [("residence = \"CN\"", "false"), ("residence = \"FR\"", "true"), ("", "null")] {
        std::fs::write(folder.path().join("banjia.toml"), config(residence)).unwrap();
        let plan = ["plan", "--config", "banjia.toml", "--captures", "c.jsonl", "--deadline", "2099-01-01"];
        let candidates = ["--candidate", "listed/m", "--candidate", "unlisted/m", "--format", "json"];
        let (status, said, error) = run(banjia(folder.path()).args(plan).args(candidates));
        assert!(status.success(), "{error}");
        let plan: Value = serde_json::from_str(&said).unwrap();
        let ranked = plan["routes"][0]["ranked"].as_array().unwrap();
        let listed = ranked.iter().find(|ranked| ranked["target"] == "listed/m").unwrap();
        let is_refused = listed["reasons"].to_string().contains("not_served");
        assert_eq!(is_refused, serves == "false", "{residence}: {listed}");
        let risks = plan["risks"].to_string();
        let is_unknown =
            |target: &str| risks.contains(&format!("{{\"kind\":\"serves_unknown\",\"target\":\"{target}\"}}"));
        let chosen = [&plan["routes"][0]["destination"], &plan["routes"][0]["second"]];
        assert_eq!(chosen.contains(&&json!("listed/m")), serves != "false", "{plan}");
        assert_eq!(is_unknown("listed/m"), serves == "null", "{risks}");
        // Of the destination alone a risk is told: when the listed one is refused that is the other, of which nothing is known.
        assert_eq!(is_unknown("unlisted/m"), serves == "false", "{risks}");
    }
}

#[test]
fn the_move_of_a_plan_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    write_captures(&folder.path().join("c.jsonl"));
    let plan = || {
        let plan = ["plan", "--captures", "c.jsonl", "--deadline", "2099-01-01", "--move-file", "leave.toml"];
        run(banjia(folder.path()).args(plan).args(["--candidate", "zhipu/glm-4.7"]))
    };
    let (status, _, said) = plan();
    assert!(status.success() && said.contains("banjia move check leave.toml"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("leave.toml")).unwrap();
    assert!(text.contains("id = \"leave\"") && text.contains("destination = \"zhipu/glm-4.7\""), "{text}");
    let (status, said, error) = run(banjia(folder.path()).args(["move", "check", "leave.toml"]));
    assert!(status.success() && said.contains("leave.toml: good"), "{said}{error}");
    let (status, _, said) = plan();
    assert!(!status.success() && said.contains("leave.toml was not written"), "{said}");
}
