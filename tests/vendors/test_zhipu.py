"""Zhipu's two SDKs directly against the sandbox, with the calls that were captured of them."""

import io
import os

import pytest
import zai
import zhipuai

BASE = os.environ["BANJIA_SANDBOX"] + "/zhipu/api/paas/v4"
KEY = "sk-sandbox-zhipu.sandbox-secret"
ASK = [{"role": "user", "content": "你好"}]
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "查询城市天气", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


@pytest.fixture(params=["zai", "zhipuai", "zhipuai with a signed token"])
def client(request):
    if request.param == "zai":
        return zai.ZhipuAiClient(api_key=KEY, base_url=BASE, max_retries=0)
    return zhipuai.ZhipuAI(api_key=KEY, base_url=BASE, max_retries=0, disable_token_cache="signed" not in request.param)


def test_chat(client):
    answer = client.chat.completions.create(model="glm-4-flash", messages=ASK, temperature=0.5, top_p=0.7, max_tokens=600, stop=["x"])
    assert answer.choices[0].finish_reason == "stop" and answer.choices[0].message.content
    assert answer.usage.total_tokens > 0


def test_a_stream_has_its_usage_on_the_last_chunk(client):
    chunks = list(client.chat.completions.create(model="glm-4-flash", messages=ASK, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop" and chunks[-1].usage.total_tokens > 0


def test_thinking(client):
    answer = client.chat.completions.create(model="glm-4.7", messages=ASK, thinking={"type": "enabled"})
    assert answer.choices[0].message.reasoning_content


def test_tools(client):
    messages = [{"role": "user", "content": "北京的天气怎么样？"}]
    answer = client.chat.completions.create(model="glm-4-flash", messages=messages, tools=[WEATHER])
    assert answer.choices[0].finish_reason == "tool_calls" and answer.choices[0].message.tool_calls[0].function.name == "get_weather"
    chunks = list(client.chat.completions.create(model="glm-4-flash", messages=messages, tools=[WEATHER], stream=True))
    assert any(chunk.choices[0].delta.tool_calls for chunk in chunks)


def test_json_object(client):
    answer = client.chat.completions.create(model="glm-4-flash", messages=ASK, response_format={"type": "json_object"})
    assert answer.choices[0].message.content.startswith("{")


def test_embeddings(client):
    assert len(client.embeddings.create(model="embedding-3", input=["a", "b"], dimensions=512).data[1].embedding) == 512


def test_files_batches_and_fine_tuning(client):
    file = client.files.create(file=("in.jsonl", io.BytesIO(b'{"custom_id":"a"}\n')), purpose="batch")
    assert file.id and client.files.list(purpose="batch").data
    assert client.files.content(file.id).content
    batch = client.batches.create(completion_window="24h", endpoint="/v4/chat/completions", input_file_id=file.id, metadata={"k": "v"})
    assert client.batches.retrieve(batch.id).id == batch.id
    assert client.batches.cancel(batch.id).status == "cancelling" and client.batches.list(limit=2).data
    if hasattr(client, "fine_tuning"):
        job = client.fine_tuning.jobs.create(model="glm-4-flash", training_file=file.id, hyperparameters={"n_epochs": 1})
        assert job.id and client.fine_tuning.jobs.list_events(fine_tuning_job_id=job.id).data


def test_images_and_moderation(client):
    assert client.images.generations(model="cogview-4-250304", prompt="cat").data
    assert client.moderations.create(model="moderation", input="x")


def test_audio(client):
    heard = client.audio.transcriptions.create(model="glm-asr-2512", file=("a.wav", io.BytesIO(b"RIFF"), "audio/wav"))
    assert heard is not None
    speech = {"encode_format": "base64"} if isinstance(client, zhipuai.ZhipuAI) else {}
    assert client.audio.speech(model="glm-tts", input="hi", voice="tongtong", response_format="wav", **speech)


def test_errors_are_the_sdks_own(client):
    errors = zai.core if isinstance(client, zai.ZhipuAiClient) else zhipuai.core._errors
    with pytest.raises(errors.APIRequestFailedError) as missing:
        client.chat.completions.create(model="glm-none", messages=ASK)
    assert "1211" in str(missing.value)
    bad = type(client)(api_key="sk-other.secret", base_url=BASE, max_retries=0)
    with pytest.raises(errors.APIAuthenticationError):
        bad.chat.completions.create(model="glm-4-flash", messages=ASK)
