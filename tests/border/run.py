"""The border as others meet it: the official SDKs, a real nginx, and requests as Envoy makes them.

    PYTHON_WITH_OPENAI tests/border/run.py NODE_FOLDER NGINX

Starts a sandbox vendor and the real binary behind a "proxy" (this program), puts policies in force with the command line, and
looks at what clients see.
"""

import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import httpx  # noqa: E402
import openai  # noqa: E402
import rig  # noqa: E402
from webhooks import Receiver  # noqa: E402

HONG_KONG, HONG_KONG_V6, TAIWAN = "47.75.0.1", "2406:da1e::1", "168.95.1.1"
EXAMPLE = (rig.ROOT / "crates/core/border/policies/openai-2024.toml").read_text()
BODY = {
    "error": {
        "code": "unsupported_country_region_territory",
        "message": "Country, region, or territory not supported",
        "param": None,
        "type": "request_forbidden",
    }
}
EXTRA = """
[border]
check = true
check_account = true
[border.peer]
trusted = ["127.0.0.0/8", "::1/128"]
header = "x-forwarded-for"
"""


def policy(version, notice, block, brownouts="[]"):
    """The example with other dates (years far off are always over or to come)."""
    text = re.sub(r"brownouts = \[.*?\n\]", f"brownouts = {brownouts}", EXAMPLE, flags=re.S)
    text = text.replace('"2024-06-25"', f'"{notice}"').replace('"2024-07-09"', f'"{block}"')
    return text.replace("version = 1", f"version = {version}")


class Border:
    """A sandbox and a gateway with its own database."""

    def __init__(self, folder, listener):
        self.folder, self.version = folder, 0
        self.start = lambda *arguments: subprocess.Popen([rig.BANJIA, *arguments], cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        vendor, self.port = rig.free_port(), rig.free_port()
        self.programs = [self.start("sandbox", "--listen", f"127.0.0.1:{vendor}")]
        text = rig.config(f"http://127.0.0.1:{vendor}", self.port, []) + EXTRA + listener.config()
        # The operator is the provider here; no vendor's own list stands behind its policy.
        text = text.replace('name = "openai"\n', 'name = "openai"\nserves = "none"\n', 1)
        (folder / "banjia.toml").write_text(text)
        self.programs.append(self.start("serve"))
        rig.wait_for(f"http://127.0.0.1:{vendor}/_counts", self.programs[0])
        rig.wait_for(f"http://127.0.0.1:{self.port}/readyz", self.programs[1])

    def activate(self, *dates):
        self.version += 1
        (self.folder / "policy.toml").write_text(policy(self.version, *dates))
        subprocess.run([rig.BANJIA, "border", "activate", "policy.toml", "--yes"], cwd=self.folder, check=True, capture_output=True)

    def ask(self, address, path="/v1/models", port=None, account=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        headers = {"x-forwarded-for": address} if address else {}
        headers |= {"x-banjia-account": account} if account else {}
        connection.request("GET", path, headers={**headers, "authorization": f"Bearer {rig.KEY}"})
        answer = connection.getresponse()
        return answer.status, dict((name.lower(), value) for name, value in answer.getheaders()), answer.read()

    def wait_until(self, address, wanted):
        """Waits until a running gateway has taken the policy up."""
        end = time.monotonic() + 20
        while (seen := self.ask(address)[0]) != wanted:
            assert time.monotonic() < end, f"{address} still gets {seen}"
            time.sleep(0.1)

    def stop(self):
        for program in self.programs:
            program.terminate()
        for program in self.programs:
            program.wait(timeout=20)


def python_sdk(border, code):
    """The SDK raises its own permission error, after exactly one request."""
    for address in (HONG_KONG, HONG_KONG_V6):
        sent = []
        http_client = httpx.Client(event_hooks={"request": [sent.append]})
        client = openai.OpenAI(
            base_url=f"http://127.0.0.1:{border.port}/v1",
            api_key=rig.KEY,
            default_headers={"x-forwarded-for": address},
            http_client=http_client,
            max_retries=3,
        )
        for stream in (False, True):
            sent.clear()
            try:
                client.chat.completions.create(model="via-openai", messages=[{"role": "user", "content": "x"}], stream=stream)
                raise AssertionError("a request from Hong Kong was served")
            except openai.PermissionDeniedError as error:
                assert error.code == code, error
                assert len(sent) == 1, f"the SDK sent it {len(sent)} times"
    served = openai.OpenAI(base_url=f"http://127.0.0.1:{border.port}/v1", api_key=rig.KEY, default_headers={"x-forwarded-for": TAIWAN})
    served.chat.completions.create(model="via-openai", messages=[{"role": "user", "content": "x"}])
    print(f"openai for Python: PermissionDeniedError {code}, one request")


NODE = """
import OpenAI from 'openai';
const [url, key, address, code] = process.argv.slice(2);
let sent = 0;
const count = (...all) => { sent += 1; return fetch(...all); };
const client = new OpenAI({ baseURL: url, apiKey: key, defaultHeaders: { 'x-forwarded-for': address }, fetch: count, maxRetries: 3 });
try {
  await client.chat.completions.create({ model: 'via-openai', messages: [{ role: 'user', content: 'x' }] });
  throw new Error('a request from Hong Kong was served');
} catch (error) {
  if (!(error instanceof OpenAI.PermissionDeniedError) || error.code !== code || sent !== 1) {
    console.error(error, sent);
    process.exit(1);
  }
}
"""


def node_sdk(border, folder, code):
    script = pathlib.Path(folder) / "border.mjs"
    script.write_text(NODE)
    subprocess.run(["node", str(script), f"http://127.0.0.1:{border.port}/v1", rig.KEY, HONG_KONG, code], check=True)
    print(f"openai for Node: PermissionDeniedError {code}, one request")


class Api(http.server.BaseHTTPRequestHandler):
    """Some API that has nothing to do with us."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the api")

    def log_message(self, *_):
        pass


def with_nginx(border, nginx, folder):
    """The example configuration, with this run's ports, in front of another API."""
    api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    port = rig.free_port()
    text = (rig.ROOT / "examples/border/nginx.conf").read_text()
    text = text.replace("listen 8000", f"listen 127.0.0.1:{port}").replace("127.0.0.1:9000", f"127.0.0.1:{api.server_address[1]}")
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{border.port}")
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = text.replace("http {", f"http {{\naccess_log off;\n{paths}", 1)
    user = "user root;\n" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n{text}")
    program = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    try:
        rig.wait_for(f"http://127.0.0.1:{port}/", program)
        # This program stands for nginx's own balancer, so its address is trusted and the hop before it is the caller.
        for address, wanted in [(TAIWAN, 200), (HONG_KONG, 403), (HONG_KONG_V6, 403), (f"{TAIWAN}, {HONG_KONG}", 403), (f"{HONG_KONG}, {TAIWAN}", 200), ("nonsense", 403)]:
            status, headers, body = border.ask(address, "/anything", port)
            assert status == wanted, (address, status, body, (folder / "error.log").read_text())
            if status == 403:
                assert json.loads(body) == BODY, body
                assert headers["x-banjia-border"].startswith("block; policy=openai-2024@"), headers
            else:
                assert body == b"the api"
        # An exempted account is served, and nobody may say that he is it.
        exempt = ["exempt", "add", "exempted", "--until", "2198-01-01", "--owner", "kim", "--reason", "test"]
        subprocess.run([rig.BANJIA, "border", *exempt], cwd=folder, check=True, capture_output=True)
        end = time.monotonic() + 20
        while border.ask(HONG_KONG, "/border/check", account="exempted")[0] != 204:
            assert time.monotonic() < end, "the exemption was not taken up"
            time.sleep(0.1)
        assert border.ask(HONG_KONG, "/anything", port, account="exempted")[0] == 403, "a caller named another's account"
    finally:
        program.terminate()
        program.wait(timeout=20)
        api.shutdown()
    print("nginx auth_request: allowed and refused as the policy says, forged hops do not count")


def with_webhooks(border, listener):
    """Events arrive, signed; one whose delivery a killed process did not write down arrives again under its own id."""
    policy = listener.wait_for("policy.activated")[0]
    assert policy.data["policy"] == "openai-2024" and policy.data["version"] == 1, policy
    listener.wait_for("exemption.granted")
    listener.is_silent = True
    command = ["border", "appeal", "open", "acme", "we left in May"]
    subprocess.run([rig.BANJIA, *command], cwd=border.folder, check=True, capture_output=True)
    first = listener.wait_for("appeal.opened")[0]
    assert first.data == {"account": "acme", "appeal": 1}, first
    border.programs[1].kill()
    border.programs[1].wait(timeout=20)
    listener.is_silent = False
    listener.events.clear()
    border.programs[1] = border.start("serve")
    rig.wait_for(f"http://127.0.0.1:{border.port}/readyz", border.programs[1])
    again = listener.wait_for("appeal.opened")
    assert [event[1:] for event in again] == [first[1:]], (first, again)
    for arguments in (["list"], ["list", "ops"], ["send-test", "ops"]):
        subprocess.run([rig.BANJIA, "webhook", *arguments], cwd=border.folder, check=True)
    listener.wait_for("webhook.test")
    print("webhooks: signed, with names only, and again under the same id after kill -9")


def like_envoy(border):
    """ext_authz over HTTP: the original path behind a prefix, 200 or the refusal for the client."""
    for address, wanted in [(TAIWAN, 200), (HONG_KONG, 403), (HONG_KONG_V6, 403), (f"{TAIWAN}, {HONG_KONG}", 403), (None, 403)]:
        status, headers, body = border.ask(address, "/border/envoy/some/path?x=1")
        assert status == wanted, (address, status)
        if status == 403:
            assert json.loads(body) == BODY and headers["x-should-retry"] == "false"
    print("Envoy's ext_authz shape: 200, or 403 with the body for the client")


def main():
    node_folder, nginx = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        listener = Receiver()
        border = Border(folder, listener)
        try:
            border.activate("2020-01-01", "2020-02-01")
            border.wait_until(HONG_KONG, 403)
            python_sdk(border, "unsupported_country_region_territory")
            node_sdk(border, node_folder, "unsupported_country_region_territory")
            with_nginx(border, nginx, folder)
            like_envoy(border)
            with_webhooks(border, listener)
            # A brownout that refuses everything, until a block far away.
            border.activate("2020-01-01", "2199-01-01", '[{ from = "2020-02-01", until = "2198-01-01", share_of_requests = 1.0 }]')
            end = time.monotonic() + 20
            while b"region_brownout" not in border.ask(HONG_KONG)[2]:
                assert time.monotonic() < end, "the brownout was not taken up"
                time.sleep(0.1)
            python_sdk(border, "region_brownout")
            node_sdk(border, node_folder, "region_brownout")
            subprocess.run([rig.BANJIA, "audit", "verify"], cwd=folder, check=True)
        finally:
            border.stop()


if __name__ == "__main__":
    main()
