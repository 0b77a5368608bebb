"""The real binary with a configuration, a database and a log of its own, and the questions that tests ask it."""

import hashlib
import http.client
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from rig import BANJIA, free_port  # noqa: E402

from case import Wrong, check, wait_until  # noqa: E402

KEY = "bj-faults-0"
PROFILE = "openai-compatible"


def key_lines(count=1, limits=""):
    """Accounts and keys; the n-th secret is bj-faults-N."""
    lines = []
    for number in range(count):
        digest = hashlib.sha256(f"bj-faults-{number}".encode()).hexdigest()
        lines += ["[[accounts]]", f'id = "account-{number}"', "[[keys]]", f'id = "key-{number}"', f'account = "account-{number}"']
        lines += [f'hash = "sha256:{digest}"', limits]
    return "\n".join(lines)


def vendor_lines(vendors):
    lines = []
    for name, base in vendors.items():
        lines += ["[[vendors]]", f'name = "{name}"', f'profile = "{PROFILE}"', f'base = "{base}"', 'credential = "none"']
    return "\n".join(lines)


def route_lines(routes):
    return "\n".join(f'[[routes]]\nname = "{name}"\ntargets = {json.dumps(targets)}' for name, targets in routes.items())


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.id = headers.get("x-request-id")

    def json(self):
        return json.loads(self.body)


class Gateway:
    """One configuration and database; the process may be started and ended many times."""

    def __init__(self, folder, vendors, routes, *, top="", serve="", keys=None, extra="", environment=None, database="banjia.db"):
        self.folder, self.port, self.environment = folder, free_port(), environment or {}
        self.database, self.process, self.log = folder / database, None, []
        parts = [top, "[store]", f'path = "{database}"', "[serve]", f'bind = "127.0.0.1:{self.port}"', "drain_ms = 4000", serve]
        self.text = "\n".join([*parts, extra, vendor_lines(vendors), route_lines(routes), keys or key_lines()]) + "\n"
        self.file = folder / "banjia.toml"
        self.file.write_text(self.text)

    # -- the process

    def start(self, ready=True):
        # SIGXFSZ stays ignored, as Python has it: a file limit is then an error of the write and not the end.
        self.process = subprocess.Popen(
            [BANJIA, "serve", "--config", "banjia.toml"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, restore_signals=False, env={**os.environ, "NO_COLOR": "1", **self.environment},
        )
        threading.Thread(target=self._read_log, args=(self.process,), daemon=True).start()
        if ready:
            wait_until(lambda: self.process.poll() is not None or self.ready() == 200, 20, self.tail, 0.02)
            check(self.process.poll() is None, lambda: f"the gateway ended at its start:\n{self.tail()}")
        return self

    def _read_log(self, process):
        for line in process.stderr:
            self.log.append((time.monotonic(), line.decode(errors="replace").rstrip()))
        process.stderr.close()

    def tail(self, count=12):
        return "\n".join(line for _, line in self.log[-count:])

    def said(self, *words):
        """Lines of the log that hold all these words."""
        return [line for _, line in self.log if all(word in line for word in words)]

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self, within=12):
        """SIGTERM; its exit code."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            check(False, f"SIGTERM did not end the process within {within} s:\n{self.tail()}")
        self.ended_in = time.monotonic() - began
        return code

    def discard(self):
        if self.process and self.process.poll() is None:
            self.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.discard()

    def resident(self):
        """Resident memory in MB."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    # -- requests

    def ask(self, model="chat", key=KEY, stream=False, timeout=20, path="/v1/chat/completions", method="POST", headers=None, content="hello", more=None):
        request = {"model": model, "stream": stream, "messages": [{"role": "user", "content": content}], **(more or {})}
        body = json.dumps(request) if method == "POST" else None
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = {"authorization": f"Bearer {key}", "content-type": "application/json", **(headers or {})}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def ready(self):
        try:
            return self.ask(path="/readyz", method="GET", timeout=3).status
        except (OSError, http.client.HTTPException):
            return None

    # -- the database, and commands beside the gateway

    def rows(self, sql, *values):
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def change(self, sql, *values):
        """Changes a row by hand, as somebody who would hide something does."""
        with sqlite3.connect(self.database, timeout=10) as connection:
            connection.execute(sql, values)
        connection.close()

    def command(self, *arguments, codes=(0,), within=30, beside=None):
        """Runs a command to its end; what it said. `codes=None` returns (code, text) and checks nothing."""
        try:
            done = subprocess.run(
                [BANJIA, *arguments], cwd=beside or self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=within, env={**os.environ, "NO_COLOR": "1", "USER": "faults", **self.environment},
            )
        except subprocess.TimeoutExpired:
            raise Wrong(f"banjia {' '.join(arguments)} did not end within {within} s") from None
        said = done.stdout + done.stderr
        check(codes is None or done.returncode in codes, f"banjia {' '.join(arguments)} ended with {done.returncode}: {said}")
        return said if codes is not None else (done.returncode, said)

    def books(self):
        """Accepted requests, rows, and requests that gaps say were open."""
        sql = "SELECT (SELECT COALESCE(SUM(requests), 0) FROM accepted), (SELECT COUNT(*) FROM ledger), (SELECT COALESCE(SUM(open_requests), 0) FROM gap)"
        return self.rows(sql)[0]

    def ledger(self):
        return {row[0] for row in self.rows("SELECT request_id FROM ledger")}


class Load:
    """Threads that ask all the time; `answers` holds (begin, end, status, id) of each answer that came whole."""

    def __init__(self, gateway, models=("chat",), threads=4, pause=0.0, keys=(KEY,), wait=0.02):
        self.gateway, self.answers, self.errors, self.stopped = gateway, [], [], threading.Event()
        self.pause, self.wait = pause, wait  # after an answer, and after a connection that failed
        self.threads = [threading.Thread(target=self._run, args=(n, models, keys), daemon=True) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self, number, models, keys):
        turn = number
        while not self.stopped.is_set():
            began, turn = time.monotonic(), turn + 1
            try:
                answer = self.gateway.ask(models[turn % len(models)], keys[turn % len(keys)], stream=turn % 3 == 0)
                self.answers.append((began, time.monotonic(), answer.status, answer.id))
            except (OSError, http.client.HTTPException) as error:
                self.errors.append((began, error))
                time.sleep(self.wait)
            time.sleep(self.pause)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)
        return self

    def good(self):
        return {answer[3] for answer in self.answers if answer[2] == 200}

    def statuses(self):
        found = {}
        for answer in self.answers:
            found[answer[2]] = found.get(answer[2], 0) + 1
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
