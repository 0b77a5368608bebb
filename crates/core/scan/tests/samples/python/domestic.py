import os

import dashscope
import qianfan
from dashscope import Generation, TextEmbedding
from zai import ZhipuAiClient
from zhipuai import ZhipuAI

dashscope.api_key = os.environ["DASHSCOPE_API_KEY"]  # find: environment
dashscope.base_http_api_url = "https://dashscope-intl.aliyuncs.com/api/v1"  # find: host

glm = ZhipuAI(api_key="3f9c1b7e5a2d4860b1c3d5e7f9a0b2c4.Qw7Er9Ty2Ui4Op6A")  # find: client, key
zai = ZhipuAiClient(base_url=os.environ["ZAI_BASE_URL"])  # find: client
chat = qianfan.ChatCompletion()  # find: client


def ask(text):
    messages = [{"role": "user", "content": text}]
    a = Generation.call(model="qwen-plus", messages=messages, result_format="message")  # find: call
    b = dashscope.Generation.call("qwen-turbo", prompt=text)  # find: call
    c = glm.chat.completions.create(model="glm-4-plus", messages=messages, thinking={"type": "disabled"})  # find: call
    d = zai.embeddings.create(model="embedding-3", input=text)  # find: call
    e = chat.do(model="ERNIE-4.0-8K", messages=messages, top_p=0.8)  # find: call
    f = TextEmbedding.call(model=TextEmbedding.Models.text_embedding_v3, input=text)  # find: call
    return a, b, c, d, e, f
