from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain.chat_models import init_chat_model
from llama_index.core import Settings as IndexSettings
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI as LlamaOpenAI
import litellm
import tiktoken  # find: side-channel

from .settings import settings

llm = ChatOpenAI(model="gpt-4o", temperature=0, base_url=settings.base_url, api_key=settings.key)  # find: client
small = ChatOpenAI(model_name="gpt-4o-mini", streaming=True)  # find: client
embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False)  # find: client
other = init_chat_model("gpt-4.1", model_provider="openai")  # find: client
not_ours = init_chat_model("claude-sonnet-4", model_provider="anthropic")

IndexSettings.llm = LlamaOpenAI(model="gpt-4o", temperature=0.1)  # find: client
IndexSettings.embed_model = OpenAIEmbedding(model="text-embedding-3-small", api_base="https://api.openai.com/v1")  # find: client

prompt = ChatPromptTemplate.from_messages([("system", "You are terse."), ("human", "{q}")])
chain = prompt | llm


def ask(q: str):
    """chain.invoke calls ChatOpenAI(model="x")."""
    tokens = len(tiktoken.get_encoding("o200k_base").encode(q))
    if tokens > 1000:
        return litellm.completion(model="openai/gpt-4o", messages=[{"role": "user", "content": q}], tools=[])  # find: call
    return chain.invoke({"q": q})
