"""A ledger of many rows, and everybody who reads it: the commands' answers, their time and their memory.

    tests/rows/run.py --rows 100000

Writes the rows straight into a database that the real binary made, thirty days of a hundred accounts. Then it asks the
commands that read the ledger, checks their sums against what was written, starts the gateway on that database and sends
it requests. Fails at a wrong sum, and where a command needs more memory or time than its bound.
"""

import argparse
import http.client
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import rig  # noqa: E402

ACCOUNTS, DAYS = 100, 30
DAY_MS = 86_400_000
# Every tenth account asks from Hong Kong, which OpenAI's list does not have.
UNSERVED_EVERY = 10
MEMORY_MAX_MB = 192
# What a command may take on top of its rows.
SECONDS_BASE = 3
REQUESTS = 200


def place(account):
    return "HK" if account % UNSERVED_EVERY == 0 else "JP"


def write_rows(database, rows, now_ms):
    """Rows of equal distance, the last one a minute ago; returns the first and the last moment."""
    begin, end = now_ms - DAYS * DAY_MS + 3_600_000, now_ms - 60_000
    kinds = [
        (account + 1, f"account-{account}", f"key-{account}", "via-openai", "openai", rig.CHAT["openai"], "chat", place(account))
        for account in range(ACCOUNTS)
    ]
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            "INSERT INTO ledger_kind (id, account, api_key, route, vendor, model, endpoint, stream, outcome, status, attempts, currency, network,"
            " verdict, rule) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'answered', 200, 1, 'USD', ?, 'allow', 'no policy')",
            kinds,
        )

        def entries():
            step = (end - begin) / rows
            for number in range(rows):
                at = int(begin + number * step)
                yield at, f"req_{uuid.UUID(int=number).hex}", at + 900, number % ACCOUNTS + 1, 100, 20, 150

        connection.executemany(
            "INSERT INTO ledger_entry (accepted_at, request_id, ended_at, kind, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens,"
            " cost_micros, first_content_ms) VALUES (?, ?, ?, ?, ?, ?, 0, 0, ?, 400)",
            entries(),
        )
        connection.execute(
            "INSERT INTO accepted (minute, requests) SELECT accepted_at / 60000, count(*) FROM ledger_entry GROUP BY 1"
            " ON CONFLICT (minute) DO UPDATE SET requests = requests + excluded.requests"
        )
    connection.close()


class Measured:
    """Runs commands, and says what each of them took."""

    def __init__(self, folder, seconds_max):
        self.folder, self.seconds_max, self.failures = folder, seconds_max, []

    def run(self, *arguments):
        output = self.folder / "output"
        began = time.monotonic()
        with output.open("wb") as out:
            process = subprocess.Popen([rig.BANJIA, *arguments], cwd=self.folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            peak = 0
            while process.poll() is None:
                peak = max(peak, resident(process))
                time.sleep(0.01)
        self.note(" ".join(arguments), time.monotonic() - began, peak)
        text = output.read_text()
        if process.returncode:
            self.failures.append(f"{' '.join(arguments)} ended with {process.returncode}: {text[-800:]}")
        return text

    def note(self, name, seconds, megabytes):
        print(f"{name:55} {seconds:7.2f} s {megabytes:7.1f} MB", flush=True)
        if seconds > self.seconds_max:
            self.failures.append(f"{name} took {seconds:.1f} s; at most {self.seconds_max:.1f} s")
        if megabytes > MEMORY_MAX_MB:
            self.failures.append(f"{name} took {megabytes:.0f} MB; at most {MEMORY_MAX_MB} MB")

    def check(self, name, found, wanted):
        if found != wanted:
            self.failures.append(f"{name}: found {found}, wanted {wanted}")


def serve(folder):
    process = subprocess.Popen([rig.BANJIA, "serve"], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def resident(process):
    """The most memory that it has held so far, in MB; 0 once it has ended."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = json.dumps({"model": "via-openai", "messages": [{"role": "user", "content": "Where is the piano?"}]})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {rig.KEY}", "content-type": "application/json"})
    return connection.getresponse().status


def read_everything(measured, rows):
    """The commands that read the ledger, and whether their sums are those of what was written."""
    affected = [json.loads(line) for line in measured.run("border", "affected", "--list", "openai-2024", "--json").splitlines() if line.startswith("{")]
    wanted = {f"account-{number}": rows // ACCOUNTS for number in range(0, ACCOUNTS, UNSERVED_EVERY)}
    measured.check("affected accounts", {row["account"]: row["requests"] for row in affected}, wanted)
    survey = json.loads(measured.run("survey", "--format", "json"))
    measured.check("requests of the survey", sum(route["requests"] for route in survey["routes"].values()), rows)
    measured.run("audit", "verify")
    measured.run("plan", "--deadline", time.strftime("%Y-%m-%d", time.gmtime(time.time() + 20 * 86_400)))


def serve_on_top(measured, folder, port):
    """The gateway on that database: it starts, answers, and its rows are there when it ends."""
    began = time.monotonic()
    process = serve(folder)
    try:
        rig.wait_for(f"http://127.0.0.1:{port}/readyz", process)
        measured.note("serve, until it is ready", time.monotonic() - began, resident(process))
        began = time.monotonic()
        statuses = [ask(port) for _ in range(REQUESTS)]
        measured.note(f"serve, {REQUESTS} requests", time.monotonic() - began, resident(process))
        measured.check("statuses", set(statuses), {200})
    finally:
        stop(process)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds-per-million", type=float, default=100, help="what a command may take for a million rows")
    arguments = parser.parse_args()
    rows = arguments.rows
    rows -= rows % ACCOUNTS
    with tempfile.TemporaryDirectory(prefix="banjia-rows-") as name:
        folder = pathlib.Path(name)
        vendor_port, port = rig.free_port(), rig.free_port()
        base = f"http://127.0.0.1:{vendor_port}"
        (folder / "banjia.toml").write_text(rig.config(base, port, []))
        vendor = subprocess.Popen([rig.BANJIA, "sandbox", "--listen", f"127.0.0.1:{vendor_port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            rig.wait_for(f"{base}/_counts", vendor)
            first = serve(folder)
            rig.wait_for(f"http://127.0.0.1:{port}/readyz", first)
            stop(first)
            began = time.monotonic()
            write_rows(folder / "banjia.db", rows, time.time_ns() // 1_000_000)
            size = (folder / "banjia.db").stat().st_size / 2**20
            print(f"{rows:,} rows, {size:,.0f} MB, written in {time.monotonic() - began:.0f} s", flush=True)
            measured = Measured(folder, SECONDS_BASE + arguments.seconds_per_million * rows / 1_000_000)
            read_everything(measured, rows)
            serve_on_top(measured, folder, port)
            with sqlite3.connect(folder / "banjia.db") as connection:
                measured.check("rows at the end", connection.execute("SELECT count(*) FROM ledger_entry").fetchone()[0], rows + REQUESTS)
        finally:
            stop(vendor)
    for failure in measured.failures:
        print(failure, file=sys.stderr)
    return 1 if measured.failures else 0


if __name__ == "__main__":
    sys.exit(main())
