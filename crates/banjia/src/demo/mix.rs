//! The requests of the demos: what an ordinary business sends.
//!
//! Rules: the same seed gives the same requests; nothing here knows a vendor, only the routes that clients ask for.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The accounts of `banjia.toml`, in its order.
pub(super) const ACCOUNTS: [&str; 3] = ["shop-assistant", "translation-desk", "search-team"];

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A chat answer, as a stream.
    Stream,
    /// A chat answer, whole.
    Whole,
    /// A tool call.
    Tool,
    /// An object in JSON mode.
    Json,
    /// An object that fits a schema.
    Schema,
    /// Vectors for a few texts.
    Embed,
}

/// One request, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    /// Index into [`ACCOUNTS`].
    pub(super) account: usize,
    pub(super) stream: bool,
    pub(super) body: Value,
    /// How many vectors must come back.
    pub(super) inputs: usize,
    /// Leave after this many content events: some people close the window.
    pub(super) leave_after: Option<usize>,
}

/// How often a business asks for what.
#[derive(Debug)]
pub(super) struct RequestMix {
    kinds: &'static [(Kind, u32)],
    /// The routes of its chats.
    routes: &'static [(&'static str, u32)],
    /// Whether each request is of another customer, and so a conversation of its own.
    is_each_new: bool,
}

/// A shop in a busy minute.
pub(super) const MINUTE: RequestMix = RequestMix {
    kinds: &[
        (Kind::Stream, 46),
        (Kind::Whole, 16),
        (Kind::Tool, 13),
        (Kind::Json, 8),
        (Kind::Schema, 5),
        (Kind::Embed, 12),
    ],
    routes: &[("gpt-4o", 5), ("gpt-4o-mini", 3), ("gpt-4.1", 2)],
    is_each_new: false,
};

/// A shop over weeks, as a small part of its requests: enough of each kind to judge each.
pub(super) const WEEKS: RequestMix = RequestMix {
    kinds: &[(Kind::Stream, 34), (Kind::Whole, 12), (Kind::Tool, 20), (Kind::Json, 14), (Kind::Schema, 20)],
    routes: &[("gpt-4o", 1), ("gpt-4o-mini", 1)],
    is_each_new: true,
};

/// Requests without end.
pub(super) struct Mix {
    dice: StdRng,
    habits: &'static RequestMix,
    made: u64,
}

const ENGLISH: [&str; 6] = [
    "Write a friendly reply to a customer whose parcel is three days late.",
    "Summarise our return policy in three sentences for a chat window.",
    "Give me five product names for a compact travel kettle.",
    "Explain the difference between store credit and a refund, briefly.",
    "Rewrite this sentence so that it sounds polite: we cannot ship to your address.",
    "What should I check before I move a database to another region?",
];

const CHINESE: [&str; 6] = [
    "请用三句话介绍这款便携电热水壶的优点。",
    "帮我写一封礼貌的邮件，告诉客户包裹会晚到三天。",
    "把下面这句话翻译成英文：我们将在七月九日之前完成迁移。",
    "请列出更换云服务商之前需要检查的五件事。",
    "用简单的话解释什么是向量检索。",
    "请给这条差评写一个得体的回复：物流太慢了。",
];

const SENTENCES: [&str; 4] = [
    "electric kettle, 0.6 litre, foldable",
    "便携电热水壶，可折叠",
    "travel adapter for 150 countries",
    "羊毛围巾，深灰色",
];

impl Mix {
    /// The requests of `seed`.
    pub(super) fn new(seed: u64, habits: &'static RequestMix) -> Self {
        Self { dice: StdRng::seed_from_u64(seed), habits, made: 0 }
    }

    /// The next request.
    pub(super) fn next(&mut self) -> Request {
        self.made += 1;
        match self.drawn(self.habits.kinds) {
            Kind::Embed => self.embed(),
            kind => self.chat(kind),
        }
    }

    /// One of these, by their weights.
    fn drawn<T: Copy>(&mut self, weighed: &[(T, u32)]) -> T {
        let chosen = weighed.choose_weighted(&mut self.dice, |(_, weight)| *weight);
        chosen.expect("the weights are constants of this file, and not all of them are zero").0
    }

    fn chat(&mut self, kind: Kind) -> Request {
        let is_chinese = self.dice.random_bool(0.45);
        let texts = if is_chinese { &CHINESE } else { &ENGLISH };
        let text = (*texts.choose(&mut self.dice).expect("the list of texts is not empty")).to_owned();
        let route = self.drawn(self.habits.routes);
        let stream = kind == Kind::Stream || (kind == Kind::Tool && self.dice.random_bool(0.5));
        let leaves = kind == Kind::Stream && self.dice.random_bool(0.04);
        let mut system = "You answer for a small web shop. Be short and kind.".to_owned();
        if self.habits.is_each_new {
            write!(system, " Visitor {}.", self.made).expect("writing to a String cannot fail");
        }
        let mut body = json!({
            "model": route,
            "messages": [
                { "role": "system", "content": system },
                { "role": "user", "content": text },
            ],
        });
        self.habits(&mut body, kind, route);
        if stream {
            body["stream"] = json!(true);
            body["stream_options"] = json!({ "include_usage": true });
        }
        let leave_after = leaves.then(|| self.dice.random_range(2..6));
        Request { kind, account: usize::from(is_chinese), stream, body, inputs: 0, leave_after }
    }

    /// Parameters as applications set them: now and then, and not all of them known to every vendor.
    fn habits(&mut self, body: &mut Value, kind: Kind, route: &str) {
        if self.dice.random_bool(0.35) {
            let tenths: u8 = self.dice.random_range(0..=14);
            body["temperature"] = json!(f64::from(tenths) / 10.0);
        }
        if self.dice.random_bool(0.4) {
            body["max_tokens"] = json!(400);
        }
        if self.dice.random_bool(0.25) {
            body["user"] = json!(format!("customer-{:04}", self.dice.random_range(0..400)));
        }
        if route == "gpt-4o" && self.dice.random_bool(0.1) {
            body["presence_penalty"] = json!(0.3);
        }
        if matches!(kind, Kind::Stream | Kind::Whole) && self.dice.random_bool(0.12) {
            body["stop"] = json!(["\n\nCustomer:", "###"]);
        }
        match kind {
            Kind::Tool => {
                body["messages"][1]["content"] = json!("Where is my order A-20931? Please look it up.");
                body["tools"] = tools();
                body["tool_choice"] = json!("auto");
            }
            Kind::Json => {
                body["messages"][1]["content"] =
                    json!("Return the order as a JSON object with the keys id, status and days_late.");
                body["response_format"] = json!({ "type": "json_object" });
            }
            Kind::Schema => {
                body["messages"][1]["content"] = json!("Extract the complaint: the parcel is three days late.");
                body["response_format"] = schema();
            }
            Kind::Stream | Kind::Whole | Kind::Embed => {}
        }
    }

    fn embed(&mut self) -> Request {
        let inputs = *[1, 3, 8, 16].choose(&mut self.dice).expect("the list of sizes is not empty");
        let texts: Vec<_> = (0..inputs)
            .map(|i| {
                let text = SENTENCES.choose(&mut self.dice).expect("the list of texts is not empty");
                format!("{text} #{i}")
            })
            .collect();
        let body = json!({ "model": "text-embedding-3-small", "input": texts, "dimensions": 1024 });
        Request { kind: Kind::Embed, account: 2, stream: false, body, inputs, leave_after: None }
    }
}

fn tools() -> Value {
    json!([{
        "type": "function",
        "function": {
            "name": "find_order",
            "description": "Finds an order by its number.",
            "parameters": {
                "type": "object",
                "properties": { "number": { "type": "string", "description": "Order number, for example A-10001" } },
                "required": ["number"],
                "additionalProperties": false,
            },
        },
    }])
}

fn schema() -> Value {
    json!({
        "type": "json_schema",
        "json_schema": {
            "name": "complaint",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": {
                    "reason": { "type": "string", "enum": ["late", "damaged", "wrong item"] },
                    "days_late": { "type": "integer" },
                },
                "required": ["reason", "days_late"],
                "additionalProperties": false,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_same_seed_gives_the_same_requests_and_every_kind_comes_up() {
        let (mut one, mut two) = (Mix::new(7, &MINUTE), Mix::new(7, &MINUTE));
        let mut kinds = HashSet::new();
        for _ in 0..200 {
            let request = one.next();
            assert_eq!(request.body, two.next().body);
            assert!(request.account < ACCOUNTS.len());
            kinds.insert(request.kind);
        }
        assert_eq!(kinds.len(), 6);
    }
}
