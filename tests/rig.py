"""Starts the real binary for a test program: sandbox vendors and a gateway in front of them, on free loopback ports.

    python3 tests/rig.py [--route NAME=BASE_URL]... -- COMMAND [ARG ...]

The command finds BANJIA_URL (ends in /v1), BANJIA_KEY, BANJIA_SANDBOX and, for each --route, a route of that name to an
OpenAI-compatible server at BASE_URL. Both programs end with the command, whose exit code is this one's. Plain Python only.
"""

import hashlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BANJIA = os.environ.get("BANJIA", str(ROOT / "target/release/banjia"))
KEY = "bj-end-to-end"
PROFILE = "openai-compatible"  # what the servers behind --route speak
CHAT = {"openai": "gpt-4o", "alibaba": "qwen3.7-plus", "baidu": "ernie-5.1", "zhipu": "glm-4.7"}
EMBEDDINGS = {"openai": "text-embedding-3-small", "alibaba": "text-embedding-v4", "baidu": "bge-large-zh", "zhipu": "embedding-3"}
WIRES = {
    "openai": ("openai/v1", "sk-sandbox-openai"),
    "alibaba": ("alibaba/compatible-mode/v1", "sk-sandbox-alibaba"),
    "baidu": ("baidu/v2", "bce-v3/ALTAK-sandbox/sk-sandbox-baidu"),
    "zhipu": ("zhipu/api/paas/v4", "sk-sandbox-zhipu.sandbox-secret"),
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, seconds=20):
    """Waits until something answers at url, whatever it answers but "not yet"."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode} before it answered at {url}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError as answer:
            if answer.code != 503:
                return
            time.sleep(0.05)
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers at {url} after {seconds} s")


def config(sandbox, listen, routes):
    """The gateway's file: a chat and an embeddings route for each vendor, and the routes asked for."""
    lines = ["[serve]", f'bind = "127.0.0.1:{listen}"', "[[accounts]]", 'id = "tests"']
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    lines += ["[[keys]]", 'id = "tests-1"', 'account = "tests"', f'hash = "sha256:{digest}"']

    def vendor(name, profile, base, credential):
        lines.extend(["[[vendors]]", f'name = "{name}"', f'profile = "{profile}"', f'base = "{base}"', f'credential = "{credential}"'])

    def route(name, target):
        lines.extend(["[[routes]]", f'name = "{name}"', f'targets = ["{target}"]'])

    for name, (path, credential) in WIRES.items():
        vendor(name, name, f"{sandbox}/{path}", credential)
        route(f"via-{name}", f"{name}/{CHAT[name]}")
        route(f"embed-{name}", f"{name}/{EMBEDDINGS[name]}")
    for number, (name, base) in enumerate(routes):
        vendor(f"house-{number}", PROFILE, base, "none")
        route(name, f"house-{number}/{name}")
    return "\n".join(lines) + "\n"


def main(arguments):
    routes = []
    while arguments and arguments[0] == "--route":
        routes.append(tuple(arguments[1].split("=", 1)))
        arguments = arguments[2:]
    if not arguments or arguments[0] != "--" or len(arguments) < 2:
        raise SystemExit(__doc__)
    command = arguments[1:]
    started = []
    with tempfile.TemporaryDirectory(prefix="banjia-rig-") as folder:
        log = open(os.path.join(folder, "gateway.log"), "w+")
        try:
            sandbox_port, port = free_port(), free_port()
            sandbox = f"http://127.0.0.1:{sandbox_port}"
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": log}
            started.append(subprocess.Popen([BANJIA, "sandbox", "--listen", f"127.0.0.1:{sandbox_port}"], **quiet))
            wait_for(f"{sandbox}/_counts", started[-1])
            path = os.path.join(folder, "banjia.toml")
            pathlib.Path(path).write_text(config(sandbox, port, routes))
            started.append(subprocess.Popen([BANJIA, "serve", "--config", path], cwd=folder, **quiet))
            wait_for(f"http://127.0.0.1:{port}/readyz", started[-1])
            environment = {**os.environ, "BANJIA_URL": f"http://127.0.0.1:{port}/v1", "BANJIA_KEY": KEY, "BANJIA_SANDBOX": sandbox}
            code = subprocess.call(command, env=environment, stdin=subprocess.DEVNULL)
        finally:
            for process in reversed(started):
                process.send_signal(signal.SIGTERM)
            for process in started:
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            log.seek(0)
            said = log.read()
    if code:
        print(f"--- the gateway and the sandbox said (last 4,000 characters):\n{said[-4000:]}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
