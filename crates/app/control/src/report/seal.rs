//! The report of a sealed move as a page: Markdown, or HTML that stands alone.
//!
//! Rules: a page is made of a report that was verified, and says how to verify it again; it is for people and proves nothing by
//! itself. Long lists are cut, with a word on where the rest is.

use super::page::{self, Block};
use super::plan::{Lang, Words};
use banjia_movement::balance::Minute;
use banjia_movement::gate::ParityVerdict;
use banjia_movement::seal::Verified;
use banjia_movement::spec::MoveSpec;
use banjia_movement::stage::{Event, LiveBy};
use banjia_types::calendar;
use banjia_types::{Tally, Timestamp};
use chrono_tz::Tz;

/// Minutes, callers and events shown of each list; the rest are in the report.
const SHOWN_MAX: usize = 120;

/// The page in Markdown.
pub fn markdown(of: &Verified, lang: Lang) -> String {
    page::markdown(&blocks(of, Words(lang)))
}

/// The page in HTML, with its style and without scripts.
pub fn html(of: &Verified, lang: Lang) -> String {
    let words = Words(lang);
    page::html(&blocks(of, words), words.code(), &title(of, words))
}

fn title(of: &Verified, words: Words) -> String {
    let id = &of.report.head.id;
    words.tell(format!("The move {id} is over"), format!("搬家 {id} 已完成"))
}

fn blocks(of: &Verified, words: Words) -> Vec<Block> {
    let head = &of.report.head;
    // A report that was verified has a text that can be read; if not, times are shown in UTC.
    let zone = MoveSpec::parse(&of.report.spec).map_or(Tz::UTC, |spec| spec.zone);
    let when = |at: Timestamp| calendar::show(at, zone);
    let mut page = vec![
        Block::Head(1, title(of, words)),
        Block::Text(words.tell(
            format!(
                "Sealed at {} by {}. Live since {}, {}.",
                when(head.at),
                head.by,
                when(of.live_at),
                live_by(of, words)
            ),
            format!(
                "于 {} 由 {} 封存。自 {} 起全部迁移，{}。",
                when(head.at),
                head.by,
                when(of.live_at),
                live_by(of, words)
            ),
        )),
        Block::Text(words.tell(
            format!("Credentials of the source that are gone: {}.", of.credentials_removed.join(", ")),
            format!("已移除的源凭据：{}。", of.credentials_removed.join("、")),
        )),
    ];
    page.extend(books(of, zone, words));
    page.extend(last_callers(of, zone, words));
    page.extend(parity(of, words));
    page.extend(timeline(of, zone, words));
    page.extend([
        Block::Head(2, words.say("How to check it", "如何核验").to_owned()),
        Block::Text(words.tell(
            format!("banjia verify REPORT --key {}", of.key),
            format!("banjia verify 报告文件 --key {}", of.key),
        )),
        Block::Text(words.tell(
            format!("The report's SHA-256 is {}. Whose the key is, its owner must tell you by another way.", of.hash),
            format!("报告的 SHA-256 为 {}。密钥属于谁，须由其所有者通过其他途径告知。", of.hash),
        )),
    ]);
    page
}

fn live_by(of: &Verified, words: Words) -> &'static str {
    match of.live_by {
        Some(LiveBy::Gates) => words.say("because every gate held", "因所有关口成立"),
        Some(LiveBy::Override) => words.say("because a person said so", "由人强制指定"),
        Some(LiveBy::SourceDied) => words.say("because the source was gone", "因源已终止"),
        Some(LiveBy::Deadline) => words.say("because the deadline passed", "因截止时间已到"),
        None => words.say("for a reason that the log does not tell", "原因未记录"),
    }
}

fn books(of: &Verified, zone: Tz, words: Words) -> Vec<Block> {
    let (head, sum) = (&of.report.head, &of.sum);
    let Tally { accepted, answered, refused, failed, abandoned } = sum.total;
    let lost = sum.lost;
    let (from, until) = (calendar::show(head.from, zone), calendar::show(head.until, zone));
    let heads = [
        ("minute", "分钟"),
        ("accepted", "受理"),
        ("answered", "已答"),
        ("refused", "被拒"),
        ("failed", "失败"),
        ("abandoned", "放弃"),
        ("without an end", "无结束"),
    ];
    let row = |minute: &Minute| {
        let Tally { accepted, answered, refused, failed, abandoned } = minute.tally;
        let counts = [accepted, answered, refused, failed, abandoned].map(|count| count.to_string());
        let missing = minute.tally.missing().to_string();
        std::iter::once(calendar::show(minute.at, zone)).chain(counts).chain([missing]).collect()
    };
    let shown = around(&of.report.balance.minutes, of.live_at);
    let mut page = vec![
        Block::Head(2, words.say("The books", "账目").to_owned()),
        Block::Text(words.tell(
            format!("From {from} to {until}: {accepted} accepted = {answered} answered + {refused} refused + {failed} failed + {abandoned} abandoned + {lost} lost with a killed process."),
            format!("{from} 至 {until}：受理 {accepted} = 已答 {answered} + 被拒 {refused} + 失败 {failed} + 放弃 {abandoned} + 随被杀死的进程丢失 {lost}。"),
        )),
        Block::Table(words.heads(&heads), shown.iter().map(row).collect()),
    ];
    page.extend(rest(of.report.balance.minutes.len(), words));
    let gaps = of.report.balance.lost.iter().map(|lost| {
        let (from, until) = (calendar::show(lost.from, zone), calendar::show(lost.until, zone));
        words.tell(
            format!("A process that began at {from} was found gone at {until}, with {} requests open.", lost.open),
            format!("{from} 开始的进程于 {until} 被发现已终止，当时有 {} 个请求未结束。", lost.open),
        )
    });
    let gaps: Vec<_> = gaps.collect();
    page.extend((!gaps.is_empty()).then_some(Block::List(gaps)));
    page
}

/// The minutes nearest to a moment, in order.
fn around(minutes: &[Minute], at: Timestamp) -> &[Minute] {
    let middle = minutes.partition_point(|minute| minute.at < at);
    let first = middle.saturating_sub(SHOWN_MAX / 2).min(minutes.len().saturating_sub(SHOWN_MAX));
    minutes.get(first..(first + SHOWN_MAX).min(minutes.len())).unwrap_or_default()
}

fn rest(all: usize, words: Words) -> Option<Block> {
    let left = all.checked_sub(SHOWN_MAX).filter(|left| *left > 0)?;
    Some(Block::Text(words.tell(format!("{left} more are in the report."), format!("另有 {left} 项见报告。"))))
}

fn last_callers(of: &Verified, zone: Tz, words: Words) -> Vec<Block> {
    let callers = &of.report.last_callers;
    let rows = callers.iter().take(SHOWN_MAX).map(|caller| {
        vec![
            caller.account.clone(),
            caller.key.clone().unwrap_or_else(|| "-".to_owned()),
            caller.route.to_string(),
            calendar::show(caller.at, zone),
            caller.requests.to_string(),
        ]
    });
    let heads = [
        ("account", "账户"),
        ("key", "密钥"),
        ("route", "路由"),
        ("its last request at the source", "在源上的最后一次请求"),
        ("requests there", "请求数"),
    ];
    let mut page = vec![
        Block::Head(2, words.say("The source's last callers", "源的最后调用者").to_owned()),
        Block::Table(words.heads(&heads), rows.collect()),
    ];
    page.extend(rest(callers.len(), words));
    page
}

fn parity(of: &Verified, words: Words) -> Vec<Block> {
    let said = |verdict: ParityVerdict| match verdict {
        ParityVerdict::NotWorse => words.say("not worse", "不更差"),
        ParityVerdict::Worse => words.say("worse", "更差"),
        ParityVerdict::Unclear => words.say("not enough data", "数据不足"),
        ParityVerdict::Unused => words.say("not used", "未使用"),
    };
    let rows: Vec<_> = of
        .report
        .parity
        .iter()
        .map(|one| {
            let difference = format!("{:.2} %", one.difference as f64 / 10_000.0);
            let (route, target) = (one.route.to_string(), one.target.to_string());
            vec![route, target, one.axis.clone(), said(one.verdict).to_owned(), difference, one.pairs.to_string()]
        })
        .collect();
    let mut page =
        vec![Block::Head(2, words.say("Parity, as the log last says it", "等价结论（以日志最后记载为准）").to_owned())];
    page.push(if rows.is_empty() {
        Block::Text(words.say("No step rested on a verdict of parity.", "没有任何一步依据等价结论。").to_owned())
    } else {
        let heads = [
            ("route", "路由"),
            ("target", "目标"),
            ("axis", "维度"),
            ("verdict", "结论"),
            ("difference", "差异"),
            ("pairs", "对数"),
        ];
        Block::Table(words.heads(&heads), rows)
    });
    page
}

fn timeline(of: &Verified, zone: Tz, words: Words) -> Vec<Block> {
    let row = |(number, event): (usize, &Event)| {
        let at = calendar::show(event.at, zone);
        vec![(number + 1).to_string(), at, event.by.clone(), event.what.kind(), event.reason.clone()]
    };
    let heads = [("event", "事件"), ("at", "时间"), ("by", "由"), ("what", "内容"), ("why", "原因")];
    let mut page = vec![
        Block::Head(2, words.say("What happened", "经过").to_owned()),
        Block::Table(words.heads(&heads), of.report.events.iter().enumerate().take(SHOWN_MAX).map(row).collect()),
    ];
    page.extend(rest(of.report.events.len(), words));
    page
}
