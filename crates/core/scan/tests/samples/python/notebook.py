# %% [markdown]
# # Trying things
# `client.embeddings.create(model="x", input="y")`

# %%
!pip install openai
import openai as oa
from openai import OpenAI as Client
import os

# %%
key = "sk-proj-V7mKq2Zx9RtB4nWc8LsYd1Fj5Pg3HeTa6Uo"  # find: key
c = Client(api_key=key, base_url="https://api.deepseek.com/v1")  # find: client
c.chat.completions.create(model="deepseek-chat", messages=[{"role": "user", "content": "hello"}])  # find: call

# %%
with oa.OpenAI() as c2:  # find: client
    print([m.id for m in c2.models.list()])  # find: call
    v = (c3 := oa.OpenAI()).embeddings.create(model="text-embedding-3-large", input="x", dimensions=256)  # find: client, call
    img = c3.images.generate(model="dall-e-3", prompt="a cat")  # find: call

# %%
with c2.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="hi") as r:  # find: call
    r.stream_to_file("x.mp3")
