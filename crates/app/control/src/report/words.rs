//! The words of the parity page in Chinese; the English ones are the core's own.

use banjia_parity::compare::{Absent, Reason};
use banjia_parity::{Axis, Finding};

pub(super) fn axis(axis: Axis) -> &'static str {
    match axis {
        Axis::Answered => "有答复",
        Axis::Json => "JSON 有效",
        Axis::Schema => "符合模式",
        Axis::ToolChoice => "工具选择（F1）",
        Axis::ToolArguments => "工具参数",
        Axis::Refusal => "拒答与内容拦截",
        Axis::Language => "语言",
        Axis::Length => "长度",
        Axis::Meaning => "语义（向量）",
        Axis::Judge => "评审偏好",
        Axis::Assertions => "断言",
        Axis::Wording => "措辞",
        Axis::FirstContent => "首个内容的时间（中位数）",
        Axis::Latency => "总时间（中位数）",
        Axis::LatencyTail => "总时间（95 百分位）",
        Axis::Cost => "平均费用",
    }
}

pub(super) fn verdict(verdict: Finding) -> &'static str {
    match verdict {
        Finding::Better => "更好",
        Finding::Equal => "相当",
        Finding::Worse => "更差",
        Finding::NotEnoughData => "数据不足",
        Finding::NotJudged => "不评判",
    }
}

pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Above => "已证明目标方更好",
        Reason::WithinMargin => "已排除超出界限的退步",
        Reason::SmallLoss => "确有退步，但已排除超出界限的退步",
        Reason::Below => "确有退步，且不能排除它超出界限",
        Reason::TooWide => "既未证明退步，也不能排除超出界限的退步",
        Reason::OneOfMany => "单看此项似有退步，但项目这么多，其中一项偶然如此并不奇怪",
        Reason::FewPairs => "样本对太少，什么都不能说",
        Reason::NoRepeats => "此项只能以来源方为准，而来源方只答了一次：请重复提问，以了解它自身的波动",
        Reason::NoAnswers => "没有任何一对双方都有可比较的答复",
        Reason::NoMargin => "没有设定界限，只展示，不评判",
    }
}

pub(super) fn absent(why: Absent) -> &'static str {
    match why {
        Absent::NotAsked => "没有请求涉及此项",
        Absent::NoInput => "缺少所需的输入（期望、向量、评审，或双方的时间、费用）",
        Absent::TwoCurrencies => "双方以两种货币计费，且未给出汇率",
    }
}
