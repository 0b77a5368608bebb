from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Depends

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam


class Answers:
    client: "AsyncOpenAI"

    def __init__(self, client: AsyncOpenAI, llm: Any, store):
        self.client = client
        self.llm = llm
        self.store = store

    async def typed(self, messages: list[ChatCompletionMessageParam]):
        return await self.client.chat.completions.parse(model="gpt-4o-2024-08-06", messages=messages, response_format=dict)  # find: call

    async def untyped(self, messages):
        kept = await self.store.completions.create(row=messages)
        return await self.llm.chat.completions.create(model="gpt-4o", messages=messages, tools=[], tool_choice="auto"), kept  # find: call

    async def assistant(self, thread: str):
        run = await self.client.beta.threads.runs.create(thread_id=thread, assistant_id="asst_1")  # find: call
        return await self.client.vector_stores.file_batches.create(vector_store_id="vs", file_ids=[run.id])  # find: call
