"""Pydantic AI: agents with tools, structured output and streams."""

from conftest import KEY, URL
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class City(BaseModel):
    name: str
    country: str


def chat(route):
    return OpenAIChatModel(route, provider=OpenAIProvider(base_url=URL, api_key=KEY))


async def test_text(route):
    result = await Agent(chat(route), instructions="Be brief.").run("What does a reverse proxy do?")
    assert result.output and result.usage.output_tokens > 0


async def test_structured_output(route):
    result = await Agent(chat(route), output_type=City).run("Where is the Eiffel tower? Paris in France.")
    assert isinstance(result.output, City) and result.output.name


async def test_a_tool_is_called(route):
    asked = []
    agent = Agent(chat(route))

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Get the present weather of a city."""
        asked.append(city)
        return "sunny"

    result = await agent.run("What is the weather in Paris?")
    assert asked == ["Paris"] and "sunny" in result.output


async def test_a_stream(route):
    async with Agent(chat(route)).run_stream("What does a reverse proxy do?") as stream:
        parts = [part async for part in stream.stream_text(delta=True, debounce_by=None)]
    assert len(parts) > 1 and "".join(parts)
