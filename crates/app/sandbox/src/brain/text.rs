//! Text in the language of the prompt: a fact when the script knows one, what a tool said, or a few sentences about the
//! question that differ by seed.

use super::facts::Prompt;
use serde_json::{Value, json};

/// The most characters of a prompt or of a tool's result that are repeated.
const ECHO_CHARS_MAX: usize = 240;
/// What the script knows.
const KNOWN: [(&str, &str); 10] = [
    ("capital of france", "The capital of France is Paris."),
    ("capital of china", "The capital of China is Beijing."),
    ("capital of japan", "The capital of Japan is Tokyo."),
    ("法国的首都", "法国的首都是巴黎。"),
    ("中国的首都", "中国的首都是北京。"),
    (
        "who are you",
        "I am the scripted mind of a sandbox vendor, here so that tests and demonstrations need no real one.",
    ),
    ("你是谁", "我是沙箱供应商的脚本大脑，用来做测试和演示。"),
    ("joke", "Why did the request cross the border? Because its vendor was on the other side."),
    ("say hello", "Hello! How can I help you today?"),
    ("ping", "pong, and a few more words so that a stream has something to carry."),
];
const ENGLISH: [&str; 6] = [
    "A short answer is enough for most cases, and the details can follow when they are needed.",
    "It helps to begin with the goal, then to list what is known, and only then to choose a way.",
    "Three points matter here: clarity, cost and time.",
    "If something is still open, please tell me more about your situation.",
    "In practice people start small, measure what happens, and go on from there.",
    "The result depends on the circumstances, so treat this as a first orientation.",
];
const CHINESE: [&str; 6] = [
    "大多数情况下，简短的回答就够了，需要时再补充细节。",
    "建议先明确目标，再列出已知条件，最后选择方法。",
    "这里有三点值得注意：清晰、成本和时间。",
    "如果还有不清楚的地方，请告诉我更多背景。",
    "实践中通常从小处开始，观察结果，然后逐步推进。",
    "结果取决于具体情况，请把这些内容当作初步参考。",
];

pub(super) fn answer(prompt: &Prompt, dice: u64) -> String {
    let mut text = String::new();
    if !prompt.media.is_empty() {
        let seen = prompt.media.join("; ");
        let [before, after] = if prompt.chinese {
            ["我看到了您发来的内容：", "。"]
        } else {
            ["I can see what you sent: ", ". "]
        };
        text.extend([before, &seen, after]);
    }
    if !prompt.results.is_empty() {
        let said = clip(&prompt.results.join("; "));
        let [before, after] = if prompt.chinese {
            ["根据工具返回的结果：", "。"]
        } else {
            ["According to the tool, the result is ", ". "]
        };
        text.extend([before, &said, after]);
        return text.trim_end().to_owned();
    }
    let asked = prompt.user.to_lowercase();
    if let Some((_, known)) = KNOWN.iter().find(|(question, _)| asked.contains(question)) {
        return text + known;
    }
    if let Some(sum) = arithmetic(&prompt.user) {
        return text + &sum;
    }
    let topic = clip(prompt.user.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default());
    let count = 2 + (dice >> 8) as usize % 3;
    let sentences = if prompt.chinese { CHINESE } else { ENGLISH };
    let chosen = (0..count).map(|n| sentences[(dice as usize % 6 + n) % 6]);
    if prompt.chinese {
        text.extend(["关于“", &topic, "”："]);
        text.extend(chosen);
    } else {
        if !topic.is_empty() {
            text.extend(["You asked: \"", &topic, "\". "]);
        }
        text.push_str(&chosen.collect::<Vec<_>>().join(" "));
    }
    text
}

pub(super) fn reasoning(prompt: &Prompt) -> String {
    let topic = clip(prompt.user.lines().next().unwrap_or_default());
    if prompt.chinese {
        format!("用户想知道“{topic}”。先想清楚问题，再给出简短的回答。")
    } else {
        format!("The user asks about \"{topic}\". Let me think it through and answer briefly.")
    }
}

/// A JSON object when the prompt gives no form of its own.
pub(super) fn object(prompt: &Prompt, dice: u64) -> Value {
    json!({"answer": answer(prompt, dice), "language": if prompt.chinese { "zh" } else { "en" }})
}

fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(ECHO_CHARS_MAX).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

/// "3 + 4" and its like, with whole numbers.
fn arithmetic(text: &str) -> Option<String> {
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for (at, sign) in squeezed.char_indices().filter(|(_, c)| matches!(c, '+' | '*' | '×')) {
        let before: String = squeezed
            .get(..at)?
            .chars()
            .rev()
            .take_while(char::is_ascii_digit)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        let after: String = squeezed.get(at + sign.len_utf8()..)?.chars().take_while(char::is_ascii_digit).collect();
        if let (Ok(a), Ok(b)) = (before.parse::<i64>(), after.parse::<i64>()) {
            let result = if sign == '+' { a.checked_add(b) } else { a.checked_mul(b) }?;
            return Some(format!("{a} {sign} {b} = {result}."));
        }
    }
    None
}
