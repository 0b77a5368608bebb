"""Answers support questions.

Usage:
    client.chat.completions.create(model="gpt-4", messages=[])
    requests.post("https://api.openai.com/v1/chat/completions")
"""

import asyncio
import os
from functools import lru_cache
from typing import Optional

from openai import AsyncOpenAI, OpenAI, RateLimitError

MODEL = "gpt-4o-mini"
EMBEDDING_MODEL = "text-embedding-3-small"

client = OpenAI()  # find: client


@lru_cache
def get_async_client() -> AsyncOpenAI:
    return AsyncOpenAI(  # find: client
        base_url=os.environ.get("OPENAI_BASE_URL"),
        api_key=os.environ["OPENAI_API_KEY"],
        timeout=30.0,
        max_retries=4,
    )


def answer(question: str, model: str = "gpt-4o") -> str:
    # client.chat.completions.create(model="never")
    response = client.chat.completions.create(  # find: call
        model=MODEL,
        messages=[{"role": "user", "content": question}],
        temperature=0.2,
        max_tokens=512,
    )
    return response.choices[0].message.content


def answer_with(question: str, model: str = "gpt-4o") -> str:
    params = {"model": model, "messages": [{"role": "user", "content": question}], "n": 2}
    response = client.chat.completions.create(**params)  # find: call
    return response.choices[0].message.content


async def stream(question: str):
    llm = get_async_client()
    events = await llm.chat.completions.create(  # find: call
        model="gpt-4o", messages=[{"role": "user", "content": question}], stream=True, stream_options={"include_usage": True}
    )
    async for event in events:
        yield event


class Embedder:
    def __init__(self, client: Optional[OpenAI] = None):
        self.client = client or OpenAI(max_retries=1)  # find: client
        self.model = EMBEDDING_MODEL

    def embed(self, texts: list[str]) -> list[list[float]]:
        out = []
        for start in range(0, len(texts), 100):
            result = self.client.embeddings.create(model=self.model, input=texts[start : start + 100])  # find: call
            out.extend(item.embedding for item in result.data)
        return out

    def moderate(self, text: str) -> bool:
        return self.client.moderations.create(input=text).results[0].flagged  # find: call


async def in_thread(text: str):
    return await asyncio.to_thread(client.responses.create, model="gpt-4.1", input=text)  # find: call


def raw(question: str):
    reply = client.chat.completions.with_raw_response.create(model=MODEL, messages=[], logprobs=True)  # find: call
    print("client.chat.completions.create(model='gpt-4o') was called")
    return reply.parse()


def fine_tune(path: str):
    with open(path, "rb") as file:
        uploaded = client.files.create(file=file, purpose="fine-tune")  # find: call
    job = client.fine_tuning.jobs.create(training_file=uploaded.id, model="gpt-4o-mini-2024-07-18")  # find: call
    return client.fine_tuning.jobs.retrieve(job.id)  # find: call


def batch(file_id: str):
    try:
        return client.batches.create(input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h")  # find: call
    except RateLimitError:
        return None
