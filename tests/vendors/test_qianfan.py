"""Baidu's SDK directly against the sandbox, with its four kinds of credentials. It keeps them globally: a process for each."""

import os
import subprocess
import sys

import pytest

ROOT = os.environ["BANJIA_SANDBOX"] + "/baidu"
V2 = """
import qianfan
chat = qianfan.ChatCompletion(version=2)
answer = chat.do(model="ernie-5.1", messages=[{"role": "user", "content": "你好"}])
assert answer["choices"][0]["message"]["content"], answer
parts = list(chat.do(model="ernie-5.1", messages=[{"role": "user", "content": "你好"}], stream=True))
assert "".join(part["choices"][0]["delta"].get("content", "") for part in parts if part["choices"])
try:
    chat.do(model="nobody-1", messages=[{"role": "user", "content": "你好"}], retry_count=1)
    raise SystemExit("an unknown model was answered")
except qianfan.errors.RequestError as error:
    assert "invalid_model" in str(error), error
"""
V1 = """
import qianfan
chat = qianfan.ChatCompletion()
answer = chat.do(model="ERNIE-4.0-8K", messages=[{"role": "user", "content": "你好"}], temperature=0.5)
assert answer["result"], answer
parts = list(chat.do(model="ERNIE-4.0-8K", messages=[{"role": "user", "content": "你好"}], stream=True))
assert parts[-1]["is_end"] and "".join(part["result"] for part in parts)
assert len(qianfan.Embedding().do(model="Embedding-V1", texts=["a", "b"])["data"]) == 2
assert qianfan.Reranker().do(query="q", documents=["a", "b"])["results"]
"""
ADDRESSES = {"QIANFAN_CONSOLE_API_BASE_URL": ROOT, "QIANFAN_BASE_URL": ROOT, "QIANFAN_IAM_BASE_URL": ROOT}
KEYS = {"QIANFAN_ACCESS_KEY": "sandboxak", "QIANFAN_SECRET_KEY": "sandboxsk"}


@pytest.mark.parametrize(
    "program,credentials",
    [
        (V2, {"QIANFAN_BEARER_TOKEN": "bce-v3/ALTAK-sandbox/sk-sandbox-baidu"}),
        (V2, KEYS),
        (V1, {"QIANFAN_AK": "sandboxak", "QIANFAN_SK": "sandboxsk"}),
    ],
    ids=["V2 by bearer", "V2 by access key", "V1 by token exchange"],
)
def test_calls(program, credentials):
    environment = {**os.environ, **ADDRESSES, **credentials}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
