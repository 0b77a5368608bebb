"""The official Python SDK: base URL and key changed, nothing else."""

import base64
import json
import struct

import openai
import pytest
from conftest import KEY, URL
from pydantic import BaseModel

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the present weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    },
}
ASK = [{"role": "user", "content": "What does a reverse proxy do?"}]


@pytest.fixture
def client():
    return openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)


@pytest.fixture
def aclient():
    return openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)


class Step(BaseModel):
    explanation: str
    output: str


class Reasoning(BaseModel):
    steps: list[Step]
    final_answer: str


def test_a_whole_answer(client, route):
    answer = client.chat.completions.create(model=route, messages=ASK)
    choice = answer.choices[0]
    assert choice.finish_reason == "stop" and choice.message.role == "assistant" and choice.message.content
    assert answer.object == "chat.completion" and answer.id and answer.created > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_the_headers_tell_the_target(client, vendor, route):
    raw = client.chat.completions.with_raw_response.create(model=route, messages=ASK)
    assert raw.headers["x-banjia-target"].startswith(f"{vendor}/")
    assert raw.headers["x-request-id"].startswith("req_")


def test_chinese_is_answered_in_chinese(client, route):
    answer = client.chat.completions.create(model=route, messages=[{"role": "developer", "content": "请简短"}, {"role": "user", "content": "你好，介绍一下网关"}])
    assert any("\u4e00" <= letter <= "\u9fff" for letter in answer.choices[0].message.content)


def test_a_stream_is_the_same_text_with_one_usage_chunk(client, route):
    chunks = list(client.chat.completions.create(model=route, messages=ASK, stream=True, stream_options={"include_usage": True}))
    with_usage = [chunk for chunk in chunks if chunk.usage]
    assert len(with_usage) == 1 and with_usage[0].choices == [] and with_usage[0] is chunks[-1]
    deltas = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert [delta.delta.role for delta in deltas if delta.delta.role] == ["assistant"], "the role comes once"
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    whole = client.chat.completions.create(model=route, messages=ASK).choices[0].message.content
    assert "".join(delta.delta.content or "" for delta in deltas) == whole


def test_no_usage_chunk_unasked(client, route):
    chunks = list(client.chat.completions.create(model=route, messages=ASK, stream=True))
    assert all(chunk.choices for chunk in chunks)


def test_the_stream_helper(client, route):
    with client.chat.completions.stream(model=route, messages=ASK) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content


def test_the_stream_helper_with_tools(client, route):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    with client.chat.completions.stream(model=route, messages=messages, tools=[{**WEATHER, "function": {**WEATHER["function"], "strict": True}}]) as stream:
        for _ in stream:
            pass
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather" and json.loads(call.function.arguments)["city"]


def test_a_tool_loop(client, route):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(model=route, messages=messages, tools=[WEATHER])
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert call.type == "function" and call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "sunny"}'}]
    second = client.chat.completions.create(model=route, messages=messages, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop" and "sunny" in second.choices[0].message.content


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_forced_tool(client, route, choice):
    answer = client.chat.completions.create(model=route, messages=[{"role": "user", "content": "Say hello to London"}], tools=[WEATHER], tool_choice=choice)
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"


def test_parallel_tools_in_a_stream(client, route):
    messages = [{"role": "user", "content": "What is the weather in Paris and in London?"}]
    pieces = {}
    for chunk in client.chat.completions.create(model=route, messages=messages, tools=[WEATHER], stream=True):
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            piece = pieces.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
            piece["id"] += call.id or ""
            piece["name"] += (call.function.name or "") if call.function else ""
            piece["arguments"] += (call.function.arguments or "") if call.function else ""
    assert sorted(pieces) == [0, 1]
    assert {json.loads(piece["arguments"])["city"] for piece in pieces.values()} == {"Paris", "London"}
    assert all(piece["name"] == "get_weather" for piece in pieces.values())
    assert len({piece["id"] for piece in pieces.values()}) == 2


def test_parse_with_pydantic(client, route):
    answer = client.chat.completions.parse(model=route, messages=[{"role": "user", "content": "Solve 8x + 7 = -23"}], response_format=Reasoning)
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Reasoning) and parsed.final_answer


def test_json_mode(client, route):
    answer = client.chat.completions.create(model=route, messages=[{"role": "user", "content": "Name a colour as a JSON object."}], response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_several_choices_and_stop(client, route):
    answer = client.chat.completions.create(model=route, messages=ASK, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    stopped = client.chat.completions.create(model=route, messages=ASK, stop=["proxy", "第"])
    assert "proxy" not in stopped.choices[0].message.content and stopped.choices[0].finish_reason == "stop"


def test_a_short_answer_says_so(client, route):
    answer = client.chat.completions.create(model=route, messages=ASK, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"


def test_embeddings(client, embedding_route):
    texts = [f"text number {number}" for number in range(40)]
    answer = client.embeddings.create(model=embedding_route, input=texts)
    assert [item.index for item in answer.data] == list(range(40)) and answer.usage.prompt_tokens > 0
    alone = client.embeddings.create(model=embedding_route, input=texts[33], encoding_format="float")
    assert alone.data[0].embedding == pytest.approx(answer.data[33].embedding, abs=1e-6), "split and joined in order"


def test_embeddings_in_base64_and_of_tokens(client, embedding_route):
    text = client.embeddings.create(model=embedding_route, input="hello world", encoding_format="float").data[0].embedding
    coded = client.embeddings.create(model=embedding_route, input="hello world", encoding_format="base64").data[0].embedding
    raw = base64.b64decode(coded)
    assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == pytest.approx(text, abs=1e-6)
    if embedding_route != "embed-openai":  # OpenAI embeds token ids by itself; elsewhere the gateway turns them into text
        tokens = client.embeddings.create(model=embedding_route, input=[[15339, 1917]], encoding_format="float")
        assert tokens.data[0].embedding == pytest.approx(text, abs=1e-6)


def test_models(client, route):
    assert route in {entry.id for entry in client.models.list()}
    assert client.models.retrieve(route).object == "model"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("no-such-model")
    assert missing.value.code == "model_not_found"


def test_errors_are_the_sdks_own(client, route):
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=URL, api_key="sk-wrong", max_retries=0).chat.completions.create(model=route, messages=ASK)
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="via-opena", messages=ASK)
    assert "via-openai" in missing.value.message
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=route, messages=[])
    assert bad.value.param == "messages"


def test_a_parameter_that_cannot_be_honoured_is_named(client):
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="via-zhipu", messages=ASK, logit_bias={"50256": -100})
    assert bad.value.param == "logit_bias"


async def test_async(aclient, route):
    answer = await aclient.chat.completions.create(model=route, messages=ASK)
    assert answer.choices[0].message.content
    text = ""
    async with aclient.chat.completions.stream(model=route, messages=ASK) as stream:
        async for event in stream:
            if event.type == "content.delta":
                text += event.delta
    assert text == answer.choices[0].message.content
