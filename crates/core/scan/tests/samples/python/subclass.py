import openai
from openai import AzureOpenAI


class Tracked(openai.OpenAI):
    def ask(self, text):
        return self.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}], seed=7)  # find: call


class Pool:
    def __init__(self):
        self._clients = {"a": Tracked(api_key="x"), "b": openai.OpenAI(organization="org")}  # find: client, client
        self._azure = None

    @property
    def azure(self):
        if self._azure is None:
            self._azure = AzureOpenAI(azure_endpoint="https://acme.openai.azure.com", api_version="2024-10-21")  # find: client
        return self._azure

    def speak(self, name: str):
        self._clients[name].audio.speech.create(model="tts-1", voice="alloy", input="hello")  # find: call
        create = self.azure.chat.completions.create
        return create(model="my-deployment", messages=[], n=3)  # find: call

    def wait(self):
        return self.azure.with_options(timeout=5).completions.create(model="x", prompt="y")  # find: call
