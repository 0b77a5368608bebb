"""A real model behind a route: what the client reads is what the model server said, streamed and not.

    python3 tests/real_model/run.py FOLDER      (the folder that tests/real_model/build prints)

Plain Python: both sides are read as raw HTTP, so no client can hide a difference.
"""

import glob
import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import rig  # noqa: E402

QUESTIONS = ["What is the capital of France?", "Name three colours.", "Write one sentence about the sea."]


def ask(base, key, body):
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read().decode()


def whole(text):
    answer = json.loads(text)
    choice = answer["choices"][0]
    return choice["message"]["content"], choice["finish_reason"], counts(answer["usage"])


def streamed(text):
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]", events[-1]
    chunks = [json.loads(event) for event in events[:-1]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    said = "".join(choice["delta"].get("content") or "" for choice in choices)
    finish = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    usage = [counts(chunk["usage"]) for chunk in chunks if chunk.get("usage")]
    return said, finish, usage


def counts(usage):
    return {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


class SameAsDirect(unittest.TestCase):
    def compare(self, read, **more):
        for question in QUESTIONS:
            with self.subTest(question=question):
                # The prompt's cache is off: a second asking could otherwise round differently from the first.
                body = {"model": "smollm2", "messages": [{"role": "user", "content": question}], "temperature": 0, "seed": 1, "max_tokens": 60, "cache_prompt": False, **more}
                direct = read(ask(os.environ["DIRECT_URL"], "none", body))
                through = read(ask(os.environ["BANJIA_URL"], os.environ["BANJIA_KEY"], body))
                self.assertTrue(direct[0])
                self.assertEqual(direct, through)

    def test_whole(self):
        self.compare(whole)

    def test_streamed(self):
        self.compare(streamed, stream=True, stream_options={"include_usage": True})

    def test_cut_short(self):
        self.compare(whole, max_tokens=4)


def main(folder):
    port = rig.free_port()
    model = glob.glob(f"{folder}/models/*.gguf")[0]
    command = [f"{folder}/build/bin/llama-server", "-m", model, "--host", "127.0.0.1", "--port", str(port), "--alias", "smollm2", "--jinja", "-c", "4096", "-np", "1", "-t", "2", "--seed", "1"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, **quiet)
    try:
        rig.wait_for(f"http://127.0.0.1:{port}/v1/models", server, 60)
        base = f"http://127.0.0.1:{port}/v1"
        os.environ["DIRECT_URL"] = base
        os.environ["PYTHONPATH"] = str(HERE)
        return rig.main(["--route", f"smollm2={base}", "--", sys.executable, "-m", "unittest", "-v", "run"])
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
