use super::*;
use serde_json::json;

fn ask(text: &str) -> ModelRequest {
    ModelRequest { messages: vec![json!({"role": "user", "content": text})], parallel: true, ..ModelRequest::default() }
}

fn weather() -> Tool {
    Tool {
        name: "get_weather".into(),
        description: "Get the weather of a place, 获取现在的天气".into(),
        parameters: json!({"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}),
    }
}

fn adder() -> Tool {
    Tool {
        name: "magic_function".into(),
        description: "Applies a magic function to an input.".into(),
        parameters: json!({"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]}),
    }
}

fn think(ask: &ModelRequest) -> ModelAnswer {
    ScriptedModel::new(1).think(ask)
}

fn arguments(thought: &ModelAnswer) -> Vec<Value> {
    thought.calls.iter().map(|call| serde_json::from_str(&call.arguments).unwrap()).collect()
}

#[test]
fn a_tool_that_fits_is_called_with_what_the_prompt_names() {
    let mut a = ask("What is the value of magic_function(3)? Use the tool.");
    a.tools = vec![weather(), adder()];
    let thought = think(&a);
    assert_eq!(thought.calls[0].name, "magic_function");
    assert_eq!(arguments(&thought), [json!({"input": 3})]);
    assert_eq!(thought.finish, Finish::ToolCalls);
}

#[test]
fn two_places_are_two_calls() {
    for (text, places) in [
        ("What is the weather in Paris and London?", ["Paris", "London"]),
        ("杭州和上海现在的天气如何？", ["杭州", "上海"]),
    ] {
        let mut a = ask(text);
        a.tools = vec![adder(), weather()];
        let got: Vec<Value> = arguments(&think(&a));
        assert_eq!(got, places.map(|place| json!({"location": place})), "{text}");
        a.parallel = false;
        assert_eq!(think(&a).calls.len(), 1, "{text}");
    }
}

#[test]
fn a_greeting_calls_nothing_unless_forced() {
    let mut a = ask("Hello!");
    a.tools = vec![adder(), weather()];
    assert!(think(&a).calls.is_empty());
    a.choice = Choice::Any;
    assert_eq!(think(&a).calls.len(), 1);
    a.choice = Choice::Named("get_weather".into());
    assert_eq!(think(&a).calls[0].name, "get_weather");
    a.choice = Choice::None;
    assert!(think(&a).calls.is_empty());
}

#[test]
fn after_a_result_it_speaks() {
    let mut a = ask("What is the weather in Paris?");
    a.tools = vec![weather()];
    a.messages.push(json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function": {"name": "get_weather", "arguments": "{}"}}]}));
    a.messages.push(json!({"role": "tool", "tool_call_id": "c", "content": "22 degrees"}));
    let thought = think(&a);
    assert!(thought.calls.is_empty());
    assert!(thought.content().contains("22 degrees"));
}

#[test]
fn unicode_arguments_and_literal_objects() {
    let mut a = ask("Create a customer named '你好啊集团' (Hello Group)");
    a.tools = vec![Tool {
        name: "create_customer".into(),
        description: String::new(),
        parameters: json!({"type": "object", "properties": {"customer_name": {"type": "string"}}}),
    }];
    a.choice = Choice::Any;
    assert_eq!(arguments(&think(&a)), [json!({"customer_name": "你好啊集团"})]);
    let mut a = ask("Return this as json: {'a': 1}");
    a.form = Form::Object;
    assert_eq!(think(&a).content(), "{\"a\":1}");
}

#[test]
fn a_schema_is_filled_wherever_it_stands() {
    let schema = json!({
        "type": "object", "required": ["name", "age", "pet", "mood"],
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "maximum": 120}, "pet": {"$ref": "#/$defs/Pet"}, "mood": {"enum": ["sad", "happy"]}},
        "$defs": {"Pet": {"type": "object", "properties": {"kind": {"type": "string", "minLength": 3}, "friend": {"anyOf": [{"$ref": "#/$defs/Pet"}, {"type": "null"}]}}, "required": ["kind", "friend"]}}
    });
    let mut a = ask("Extract: Jason is 25 years old and happy");
    a.form = Form::Schema(schema.clone());
    let direct: Value = serde_json::from_str(&think(&a).content()).unwrap();
    assert_eq!((&direct["name"], &direct["age"], &direct["mood"]), (&json!("Jason"), &json!(25), &json!("happy")));
    a.form = Form::Object;
    a.messages.insert(0, json!({"role": "system", "content": format!("Answer with JSON that matches this schema:\n```json\n{schema}\n```")}));
    assert_eq!(serde_json::from_str::<Value>(&think(&a).content()).unwrap(), direct);
}

#[test]
fn the_language_is_the_prompts() {
    assert!(think(&ask("请介绍一下长城")).content().chars().any(tokens::wide));
    assert!(!think(&ask("Tell me about walls")).content().chars().any(tokens::wide));
}

#[test]
fn limits_and_stops_are_honoured() {
    let mut a = ask("Tell me about walls");
    let full = think(&a);
    a.tokens_max = Some(3);
    let cut = think(&a);
    assert_eq!((cut.text.len(), cut.finish), (3, Finish::Length));
    assert!(full.content().starts_with(&cut.content()));
    a.tokens_max = None;
    a.stop = vec!["asked".into()];
    assert_eq!((think(&a).content().as_str(), think(&a).finish), ("You ", Finish::Stop));
}

#[test]
fn tokens_join_to_the_text() {
    for text in ["Hello,  world! internationalisation 3.14", "关于“长城”：a b\n\nc", " ", ""] {
        assert_eq!(split(text).concat(), text);
    }
}
