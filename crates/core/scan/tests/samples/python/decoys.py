"""A chat shop. Nothing here calls a vendor, though openai is a word in it."""

from .storage import ChatStore

# from openai import OpenAI
# client = OpenAI(api_key="...")
EXAMPLE = """
from openai import OpenAI
client = OpenAI()
client.chat.completions.create(model="gpt-4o", messages=[])
requests.post("https://api.openai.com/v1/chat/completions", json={})
"""


class Completions:
    def create(self, model=None, messages=None, **kw):
        return {"model": model}


class Chat:
    def __init__(self):
        self.completions = Completions()


class FakeClient:
    def __init__(self):
        self.chat = Chat()
        self.embeddings = Completions()


store = ChatStore()
fake = FakeClient()


def test_fake():
    fake.chat.completions.create(model="gpt-4o", messages=[])
    fake.embeddings.create(model="x", input="y")
    store.files.create(name="a.txt")
    store.chat.completions.create(user=3, text="hello")
    store.responses.create(status=200)
    store.models.list()
    agents = ["openai", "someone else"]
    return agents, f"client.chat.completions.create({store})", 'OpenAI(api_key="x")'


class OpenAI:
    """Not the SDK: a class of our own with its name."""


ours = OpenAI()
