"""OpenAI's API document as the judge: prism checks every JSON request and answer that passes through it.

    python3 tests/conformance/run.py NODE_ENVIRONMENT

The document is openai/openai-openapi's openapi.json (MIT, not ours, so not in this tree): BANJIA_OPENAI_DOCUMENT names it, or
it lies as shared/clients/openai-openapi.json beside the checkout. Without it, the short document of this folder judges,
which says in our own words what OpenAI's requires of these three endpoints; which one it was is printed.
Prism reads whole answers only: streams are the other suites' part.
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import rig  # noqa: E402

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Get the present weather of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
SHAPE = {"type": "json_schema", "json_schema": {"name": "place", "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}
CHATS = {
    "text": {"messages": [{"role": "user", "content": "What does a reverse proxy do?"}]},
    "developer and Chinese": {"messages": [{"role": "developer", "content": "请简短"}, {"role": "user", "content": "你好"}]},
    "several choices": {"messages": [{"role": "user", "content": "Hello"}], "n": 2},
    "a tool call": {"messages": [{"role": "user", "content": "What is the weather in Paris?"}], "tools": [WEATHER]},
    "a forced tool": {"messages": [{"role": "user", "content": "Hello from London"}], "tools": [WEATHER], "tool_choice": "required"},
    "a schema": {"messages": [{"role": "user", "content": "Where is the Eiffel tower? In Paris."}], "response_format": SHAPE},
    "cut short": {"messages": [{"role": "user", "content": "What does a reverse proxy do?"}], "max_completion_tokens": 3},
}


def call(path, body=None):
    """Sends through prism. Returns the status and the violations that prism found in the request or the answer."""
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['BANJIA_KEY']}"}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(os.environ["PRISM_URL"] + path, data, headers), timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        violations = json.loads(answer.headers.get("sl-violations") or "[]")
    if answer.status >= 400:
        violations.append(text[:600])
    return answer.status, violations


class NoViolations(unittest.TestCase):
    maxDiff = None

    def check(self, path, body=None):
        self.assertEqual(call(path, body), (200, []))

    def test_chat(self):
        for vendor in rig.WIRES:
            for name, body in CHATS.items():
                with self.subTest(vendor=vendor, case=name):
                    self.check("/chat/completions", {"model": f"via-{vendor}", **body})

    def test_embeddings(self):
        # Not base64: OpenAI's document knows a vector as an array only, though OpenAI answers base64 with a text.
        for vendor in rig.WIRES:
            with self.subTest(vendor=vendor):
                self.check("/embeddings", {"model": f"embed-{vendor}", "input": ["a", "b"], "encoding_format": "float"})

    def test_models(self):
        self.check("/models")
        for vendor in rig.WIRES:
            with self.subTest(vendor=vendor):
                self.check(f"/models/via-{vendor}")

    def test_the_judge_is_awake(self):
        status, violations = call("/chat/completions", {"model": "via-openai", "messages": "no list"})
        self.assertTrue(status >= 400 and violations)


def document():
    named = os.environ.get("BANJIA_OPENAI_DOCUMENT")
    beside = HERE.parent.parent.parent / "shared/clients/openai-openapi.json"
    if named and not pathlib.Path(named).is_file():
        raise SystemExit(f"BANJIA_OPENAI_DOCUMENT names {named}, and there is no such file")
    return named or (str(beside) if beside.is_file() else str(HERE / "short.json"))


def judge(node):
    """Runs inside the rig: starts prism between the tests and the gateway."""
    port = rig.free_port()
    print(f"judged by {pathlib.Path(document()).name}", flush=True)
    command = [f"{node}/node_modules/.bin/prism", "proxy", document(), os.environ["BANJIA_URL"], "-h", "127.0.0.1", "-p", str(port), "--errors"]
    prism = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.environ["PRISM_URL"] = f"http://127.0.0.1:{port}"
    try:
        rig.wait_for(os.environ["PRISM_URL"] + "/models", prism, 120)
        result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(NoViolations))
        return 0 if result.wasSuccessful() else 1
    finally:
        prism.terminate()
        prism.wait()


if __name__ == "__main__":
    if "BANJIA_URL" in os.environ:
        sys.exit(judge(sys.argv[1]))
    sys.exit(rig.main(["--", sys.executable, str(HERE / "run.py"), sys.argv[1]]))
