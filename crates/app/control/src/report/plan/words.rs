//! The plan's sentences in English and Chinese.

use banjia_movement::plan::{Bound, Note, Rate, Reason, Rebuild};
use banjia_movement::survey::Coverage;
use banjia_types::calendar;
use banjia_types::{LossLevel, Stage, Timestamp};
use chrono_tz::Tz;

/// The language of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

#[derive(Clone, Copy)]
pub(in crate::report) struct Words(pub(in crate::report) Lang);

impl Words {
    pub(in crate::report) fn say(self, en: &'static str, zh: &'static str) -> &'static str {
        match self.0 {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }

    /// One of two sentences; both are made, since pages are few.
    pub(in crate::report) fn tell(self, en: String, zh: String) -> String {
        match self.0 {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }

    pub(in crate::report) fn code(self) -> &'static str {
        self.say("en", "zh")
    }

    pub(super) fn title(self) -> &'static str {
        self.say("Plan of the move", "搬家计划")
    }

    pub(super) fn unknown(self) -> &'static str {
        self.say("unknown", "未知")
    }

    pub(in crate::report) fn heads(self, names: &[(&'static str, &'static str)]) -> Vec<String> {
        names.iter().map(|(en, zh)| self.say(en, zh).to_owned()).collect()
    }

    pub(super) fn requests(self, count: u64) -> String {
        self.tell(format!("{count} requests"), format!("{count} 个请求"))
    }

    pub(super) fn made(self, now: &str, deadline: &str) -> String {
        self.tell(
            format!("Made at {now}. The source stops answering at {deadline}."),
            format!("制定于 {now}。来源将于 {deadline} 停止应答。"),
        )
    }

    pub(super) fn rate(self, rate: &Rate) -> String {
        let Rate { cny_per_usd, as_of, source } = rate;
        self.tell(
            format!("Exchange rate: {cny_per_usd} CNY for 1 USD, as of {as_of} ({source})."),
            format!("汇率：1 USD = {cny_per_usd} CNY，日期 {as_of}（{source}）。"),
        )
    }

    pub(super) fn coverage(self, seen: &Coverage) -> String {
        let Coverage { requests, shapes, counted, days, span_days, rare, .. } = seen;
        let rare = rare.len();
        self.tell(
            format!("It rests on {requests} requests on {days} of {span_days} days: {shapes} were read, of {counted} the tokens are known; {rare} uses were seen too rarely to judge."),
            format!("依据：{span_days} 天中有流量的 {days} 天共 {requests} 个请求，其中读取 {shapes} 个，{counted} 个已知 token；{rare} 种用法出现太少，无法判断。"),
        )
    }

    pub(super) fn slack(self, hours: i64) -> String {
        match hours {
            0.. => self.tell(format!("Slack: {hours} hours until the first stage must begin."), format!("余量：距首个阶段的最迟开始还有 {hours} 小时。")),
            _ => self.tell(
                format!("There is no slack: the first stage should have begun {} hours ago. Shorten stages or move the date.", -hours),
                format!("没有余量：首个阶段本应在 {} 小时前开始。请缩短阶段或推迟日期。", -hours),
            ),
        }
    }

    pub(in crate::report) fn stage(self, stage: Stage) -> String {
        let zh = match stage {
            Stage::Record => "录制",
            Stage::Shadow => "影子",
            Stage::Canary => "灰度",
            Stage::Live => "上线",
            Stage::Sealed => "封存",
        };
        self.tell(stage.as_str().to_owned(), zh.to_owned())
    }

    pub(super) fn cost_note(self) -> &'static str {
        self.say(
            "Costs are of the traffic seen; a month is 30 days of the same, scaled from the days that the survey spans. Tokens of reasoning are charged as answer, cached ones at their own price; another model may use more of either.",
            "费用针对所见流量；每月费用按调查所跨天数折算为 30 天。推理 token 按输出计费，缓存 token 按缓存价；换模型后二者都可能增多。",
        )
    }

    pub(super) fn level(self, level: LossLevel) -> &'static str {
        match level {
            LossLevel::Exact => self.say("exact", "无损"),
            LossLevel::Emulated => self.say("emulated", "由网关代为实现"),
            LossLevel::Degraded => self.say("degraded", "部分满足"),
            LossLevel::Dropped => self.say("dropped", "丢弃"),
            LossLevel::Refused => self.say("refused", "拒绝"),
        }
    }

    pub(super) fn bound(self, bound: Bound) -> &'static str {
        match bound {
            Bound::Requests => self.say("requests a minute", "每分钟请求"),
            Bound::Tokens => self.say("tokens a minute", "每分钟 token"),
            Bound::Concurrency => self.say("concurrency", "并发"),
        }
    }

    pub(super) fn rebuild(self, rebuild: &Rebuild) -> String {
        let list = |lengths: &[u32]| match lengths {
            [] => self.unknown().to_owned(),
            some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let (from, to) = (list(&rebuild.from), list(&rebuild.to));
        let index = match rebuild.keeps_length {
            Some(true) => self.say("The index can keep its length.", "索引维度可以不变。"),
            Some(false) => self.say("The index needs another length.", "索引须更换维度。"),
            None => "",
        };
        self.tell(
            format!("All vectors must be made anew: those of two models are not comparable. Lengths today: {from}; there: {to}. {index}"),
            format!("所有向量须重建：不同模型的向量不可比较。现有维度：{from}；目标维度：{to}。{index}"),
        )
    }

    pub(super) fn reason(self, reason: &Reason, zone: Tz) -> String {
        let when = |at: &Timestamp| calendar::show(*at, zone);
        match reason {
            Reason::NotServed => self.say("does not serve these callers", "不服务这些调用方").to_owned(),
            Reason::SwitchedOff { at } => {
                self.tell(format!("switched off at {}", when(at)), format!("{} 下线", when(at)))
            }
            Reason::WrongKind => self.say("makes vectors, not answers", "只产生向量，不作回答").to_owned(),
            Reason::Refused { requests, of } => {
                self.tell(format!("{requests} of {of} requests refused"), format!("{of} 个请求中 {requests} 个被拒"))
            }
            Reason::Dropped { requests, of } => {
                self.tell(format!("{requests} of {of} lose a parameter"), format!("{of} 个中 {requests} 个丢失参数"))
            }
            Reason::Degraded { requests, of } => {
                self.tell(format!("{requests} of {of} honoured in part"), format!("{of} 个中 {requests} 个部分满足"))
            }
            Reason::NoImages { requests } => {
                self.tell(format!("cannot read the images of {requests}"), format!("{requests} 个请求含图片，无法读取"))
            }
            Reason::TooLong { longest, context, requests_at_most } => self.tell(
                format!("up to {requests_at_most} requests too long ({longest} tokens, context {context})"),
                format!("至多 {requests_at_most} 个请求过长（{longest} token，上下文 {context}）"),
            ),
            Reason::AnswerTooLong { longest, answer_max } => self.tell(
                format!("answers too long ({longest} tokens, at most {answer_max})"),
                format!("回答过长（{longest} token，上限 {answer_max}）"),
            ),
            Reason::OverLimit { bound, peak, limit } => self.tell(
                format!("over its {}: {peak} of {limit}", self.bound(*bound)),
                format!("超出{}限额：{peak} / {limit}", self.bound(*bound)),
            ),
            Reason::NothingLost { tested } => {
                self.tell(format!("nothing lost in {tested} requests"), format!("{tested} 个请求无损失"))
            }
            Reason::LossesUnknown => {
                self.say("losses unknown: no request was read", "损失未知：没有读取请求").to_owned()
            }
            Reason::PriceUnknown => self.say("price unknown", "价格未知").to_owned(),
            Reason::ContextUnknown => self.say("context unknown", "上下文长度未知").to_owned(),
        }
    }

    pub(super) fn note(self, note: &Note, zone: Tz) -> String {
        match note {
            Note::NoDestination { route } => self.tell(
                format!("{route}: no candidate is fit; name others"),
                format!("{route}：没有合适的候选，请另行指定"),
            ),
            Note::NoSecond { route } => {
                self.tell(format!("{route}: there is no second destination"), format!("{route}：没有备选目标"))
            }
            Note::SameVendor { route, vendor } => self
                .tell(format!("{route}: both destinations are at {vendor}"), format!("{route}：两个目标同属 {vendor}")),
            Note::NothingRead { route } => self.tell(
                format!("{route}: no request was read, so losses are unknown; give captures"),
                format!("{route}：没有读取请求，损失未知；请提供采集文件"),
            ),
            Note::Lost { route, requests, of } => self.tell(
                format!(
                    "{route}: accept that {requests} of {of} requests are refused or lose a parameter, or change them"
                ),
                format!("{route}：{of} 个请求中 {requests} 个被拒或丢失参数，须接受或修改"),
            ),
            Note::NoPrice { route, target } => {
                self.tell(format!("{route}: the price of {target} is unknown"), format!("{route}：{target} 价格未知"))
            }
            Note::NoLimits { target } => self.tell(
                format!("{target}: ask the vendor for the limits of your account"),
                format!("{target}：请向供应商确认账户限额"),
            ),
            Note::OverLimit { target, bound, peak, limit } => self.tell(
                format!("{target}: order a higher tier, {} is {peak} of {limit}", self.bound(*bound)),
                format!("{target}：须提高档位，{}为 {peak} / {limit}", self.bound(*bound)),
            ),
            Note::Unconfirmed { target, source } => self
                .tell(format!("{target}: facts unconfirmed ({source})"), format!("{target}：资料未经证实（{source}）")),
            Note::Retires { target, at } => {
                let at = calendar::show(*at, zone);
                self.tell(format!("{target} is itself switched off at {at}"), format!("{target} 本身将于 {at} 下线"))
            }
            Note::ServesUnknown { target } => self.tell(
                format!("{target}: whether it serves these callers is unknown"),
                format!("{target}：是否服务这些调用方未知"),
            ),
            Note::ShortSurvey { days } => self.tell(
                format!("the survey spans {days} days: a weekly peak may be missing"),
                format!("调查只跨 {days} 天，可能漏掉每周峰值"),
            ),
            Note::Late { hours } => self.tell(
                format!("the stages need {hours} hours more than there are"),
                format!("时间比各阶段所需少 {hours} 小时"),
            ),
            Note::Rebuild { route, target } => self.tell(
                format!("{route}: when its vectors are made anew with {target}"),
                format!("{route}：何时用 {target} 重建向量"),
            ),
        }
    }
}
