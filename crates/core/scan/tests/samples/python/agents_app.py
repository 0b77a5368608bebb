import os

from agents import Agent, Runner, function_tool  # find: side-channel
from langsmith import traceable  # find: side-channel
from langsmith.wrappers import wrap_openai
import openai

client = wrap_openai(openai.Client())  # find: client


@function_tool
def weather(city: str) -> str:
    return "sunny"


agent = Agent(name="Helper", instructions="Be brief.", model="gpt-4.1-mini", tools=[weather])  # find: client


@traceable
def run(question: str):
    result = Runner.run_sync(agent, question)
    check = client.chat.completions.create(  # find: call
        messages=[{"role": "user", "content": result.final_output}],
        model=os.getenv("CHECK_MODEL", "gpt-4o-mini"),
        response_format={"type": "json_object"},
    )
    return check
