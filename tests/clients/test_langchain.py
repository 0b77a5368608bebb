"""LangChain's standard tests, as its own integrations run them. What a chat API cannot pass is named with its reason."""

import os

import pytest
from conftest import KEY, URL, VENDORS
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

os.environ.setdefault("LANGSMITH_TRACING", "false")


class Chat(ChatModelIntegrationTests):
    route = ""

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"model": self.route, "base_url": URL, "api_key": KEY, "temperature": 0, "stream_usage": True, "max_retries": 0}

    @property
    def has_tool_choice(self):
        return True

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_image_inputs(self):
        return False  # the tests fetch their picture from a public host

    @property
    def returns_usage_metadata(self):
        return True

    @property
    def supported_usage_metadata_details(self):
        return {"invoke": [], "stream": []}


class Embeddings(EmbeddingsIntegrationTests):
    route = ""

    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        # Without the check the client sends texts; with it, it would fetch a vocabulary from a public host to send tokens.
        return {"model": self.route, "base_url": URL, "api_key": KEY, "check_embedding_ctx_length": False, "max_retries": 0}


for _vendor in VENDORS:
    globals()[f"TestChat{_vendor.title()}"] = type(f"TestChat{_vendor.title()}", (Chat,), {"route": f"via-{_vendor}"})
    globals()[f"TestEmbeddings{_vendor.title()}"] = type(f"TestEmbeddings{_vendor.title()}", (Embeddings,), {"route": f"embed-{_vendor}"})
del Chat, Embeddings  # the bases are no tests themselves
assert pytest
