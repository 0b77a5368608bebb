import os

import openai

openai.api_key = os.getenv("OPENAI_API_KEY")  # find: environment
openai.api_base = "https://api.openai.com/v1"  # find: host


def complete(prompt):
    return openai.Completion.create(engine="davinci", model="text-davinci-003", prompt=prompt, max_tokens=64)  # find: call


async def chat(messages, functions=None):
    kwargs = {}
    if functions:
        kwargs["functions"] = functions
    return await openai.ChatCompletion.acreate(model="gpt-3.5-turbo", messages=messages, **kwargs)  # find: call


def embed(text):
    return openai.Embedding.create(input=[text], model="text-embedding-ada-002")["data"][0]["embedding"]  # find: call


def draw(prompt):
    return openai.Image.create(prompt=prompt, n=1, size="512x512")  # find: call


def hear(path):
    with open(path, "rb") as f:
        return openai.Audio.transcribe("whisper-1", f)  # find: call


def new_style(prompt):
    return openai.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": prompt}])  # find: call
