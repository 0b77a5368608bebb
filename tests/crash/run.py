"""Kills the binary with SIGKILL at random moments: while it records, while it replays, while it looks at moves.

    python3 tests/crash/run.py [--kills 40] [--seed 2024]

What must hold afterwards:
- record: no capture stands there twice or cannot be opened; a request that was answered and is not in the ledger was under way in
  a gap that the ledger tells of; the two books of each minute differ by what the gaps say was open, and by nothing else.
- replay: no run asks the vendor what was recorded before it began; a run asks nothing twice; in the end there is exactly
  one capture for each question.
- moves: no move's log has an event twice, or one missing in between, and every move ends in the stage that was due.

A quarter of the kills each hits recording and moves, which take longer. Plain Python only.
"""

import argparse
import collections
import hashlib
import http.client
import http.server
import json
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from rig import BANJIA, KEY, WIRES, free_port, wait_for  # noqa: E402

SOURCE, OTHER = "openai/gpt-4o", "zhipu/glm-4.7"
REQUESTS, REPEATS, AT_ONCE = 40, 2, 6
MOVES = 12
# Kills in one database. A look reads every move, so with thousands of them it would be the looks that are tested.
KILLS_A_DATABASE = 20
# The first look at moves comes this long after the start.
LOOK_AFTER = 2.0
# How long a look takes, at most, until the kill.
LOOK = 0.08
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Wrong(Exception):
    """Something that must hold does not."""


def check(holds, what):
    if not holds:
        raise Wrong(what)


def configure(folder, vendors, routes=("chat",)):
    """A gateway's file with these routes, which records everything. Returns its port."""
    port = free_port()
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    lines = ["[store]", 'path = "banjia.db"', "[serve]", f'bind = "127.0.0.1:{port}"', "[capture]", "share = 1.0"]
    lines += ["copies_per_minute_max = 1000000", f"copies_at_once_max = {AT_ONCE}"]
    for name in ("openai", "zhipu"):
        path, credential = WIRES[name]
        lines += ["[[vendors]]", f'name = "{name}"', f'base = "{vendors}/{path}"', f'credential = "{credential}"']
    for route in routes:
        lines += ["[[routes]]", f'name = "{route}"', f'targets = ["{SOURCE}", "{OTHER}"]']
    lines += ["[[accounts]]", 'id = "tests"', "[[keys]]", 'id = "tests-1"', 'account = "tests"', f'hash = "sha256:{digest}"']
    (folder / "banjia.toml").write_text("\n".join(lines) + "\n")
    return port


def banjia(folder, *arguments, codes=(0,)):
    """Runs the binary to its end; what it says."""
    done = subprocess.run([BANJIA, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    check(done.returncode in codes, f"banjia {' '.join(arguments)} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def serve(folder, port):
    process = subprocess.Popen([BANJIA, "serve", "--config", "banjia.toml"], cwd=folder, **QUIET)
    wait_for(f"http://127.0.0.1:{port}/readyz", process)
    return process


def end(process):
    process.send_signal(signal.SIGTERM)
    check(process.wait(30) == 0, f"the gateway ended with {process.returncode} when it was told to stop")


def rows(folder, sql):
    with sqlite3.connect(f"file:{folder / 'banjia.db'}?mode=ro", uri=True) as connection:
        return connection.execute(sql).fetchall()


def sound(folder):
    check(rows(folder, "PRAGMA integrity_check") == [("ok",)], "the database is damaged")


# -- record


def load(port, answered, stop):
    """Asks until it is stopped; notes the answers that came whole: request id, begin and end in milliseconds."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    body = json.dumps({"model": "chat", "max_tokens": 20, "messages": [{"role": "user", "content": "Say hello."}]}).encode()
    while not stop.is_set():
        began = time.time() * 1000
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                json.load(answer)
                answered.append((answer.headers["x-request-id"], began, time.time() * 1000))
        except (OSError, ValueError, http.client.HTTPException):
            time.sleep(0.01)  # it was killed, which is what this is about


def loaded(port, answered, seconds):
    stop = threading.Event()
    threads = [threading.Thread(target=load, args=(port, answered, stop)) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    return stop, threads


def record(chance, sandbox, kills):
    with tempfile.TemporaryDirectory(prefix="banjia-crash-") as name:
        folder = pathlib.Path(name)
        port = configure(folder, sandbox)
        answered = []
        for _ in range(kills):
            process = serve(folder, port)
            stop, threads = loaded(port, answered, chance.uniform(0.05, 0.9))
            process.kill()
            process.wait()
            stop.set()
            for thread in threads:
                thread.join()
        process = serve(folder, port)
        whole = []
        stop, threads = loaded(port, whole, 0.5)
        stop.set()
        for thread in threads:
            thread.join()
        end(process)
        sound(folder)
        return books(folder, answered, whole, kills)


def books(folder, answered, whole, kills):
    """What is wrong with what was recorded; a sentence on it when nothing is."""
    gaps = rows(folder, "SELECT started_at, last_flush_at, found_at, open_requests FROM gap ORDER BY started_at")
    check(len(gaps) == kills, f"{len(gaps)} gaps are told after {kills} kills")
    ledger = {row[0] for row in rows(folder, "SELECT request_id FROM ledger")}
    lost = [it for it in answered if it[0] not in ledger]
    for request, began, ended in lost:
        check(any(flush <= ended and began <= found for _, flush, found, _ in gaps), f"{request} is in no book and in no gap")
    sql = "SELECT (SELECT COALESCE(SUM(requests), 0) FROM accepted), (SELECT COUNT(*) FROM ledger)"
    accepted, ends = rows(folder, sql)[0]
    open_requests = sum(gap[3] for gap in gaps)
    check(accepted - ends == open_requests, f"{accepted} accepted, {ends} ends, and {open_requests} open in gaps")
    kept = [json.loads(line) for line in banjia(folder, "captures", "export").splitlines()]
    ids = [capture["id"] for capture in kept]
    check(len(ids) == len(set(ids)) and all(capture["answer"] for capture in kept), "a capture is there twice, or without its answer")
    check(len(whole) > 0 and {it[0] for it in whole} <= set(ids) & ledger, "a request of the run that was not killed is not recorded")
    return (
        f"record: {kills} kills, {len(answered) + len(whole)} answers seen by clients, {len(ids)} captures, none twice; "
        f"{len(lost)} answers are in no book, all in gaps; {open_requests} open requests explain the books"
    )


# -- replay


class Watcher(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the sandbox, and notes which question they ask of which vendor."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        question = re.search(rb"question-(\d+)-", body).group(1).decode()
        self.server.asked.append((question, self.path.split("/")[1]))
        sandbox = http.client.HTTPConnection(self.server.sandbox)
        try:
            sandbox.request("POST", self.path, body, {k: v for k, v in self.headers.items() if k.lower() != "host"})
            answer = sandbox.getresponse()
            said = answer.read()
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)
        except OSError:
            pass  # whoever asked was killed
        finally:
            sandbox.close()

    def log_message(self, *_):
        pass


class Watch(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sandbox):
        super().__init__(("127.0.0.1", 0), Watcher)
        self.sandbox, self.asked = sandbox, []

    def handle_error(self, *_):
        pass  # whoever asked was killed


def recorded_request(number):
    message = {"role": "user", "content": f"question-{number}- Say hello."}
    return {
        "id": str(number),
        "leg": "live",
        "at": int(time.time() * 1000),
        "route": "chat",
        "target": SOURCE,
        "endpoint": "chat",
        "request": {"model": "chat", "max_tokens": 20, "messages": [message]},
        "answer": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]},
        "outcome": "answered",
    }


def stored(folder):
    """How many answers are recorded, by question and vendor."""
    return collections.Counter(rows(folder, "SELECT id, vendor FROM capture WHERE leg IN ('replay', 'repeat')"))


def replay(chance, sandbox, kills):
    wanted = {(str(n), vendor): count for n in range(REQUESTS) for vendor, count in (("zhipu", 1), ("openai", REPEATS))}
    command = ["replay", "--route", "chat", "--target", OTHER, "--repeats", str(REPEATS)]
    done, rounds, asked_in_all = 0, 0, 0
    with Watch(sandbox.removeprefix("http://")) as watch:
        threading.Thread(target=watch.serve_forever, daemon=True).start()
        while done < kills:
            rounds += 1
            with tempfile.TemporaryDirectory(prefix="banjia-crash-") as name:
                folder = pathlib.Path(name)
                configure(folder, f"http://127.0.0.1:{watch.server_address[1]}")
                lines = "".join(json.dumps(recorded_request(number)) + "\n" for number in range(REQUESTS))
                (folder / "set.jsonl").write_text(lines)
                banjia(folder, "captures", "import", "set.jsonl")
                killed = 0
                while True:
                    before = stored(folder)
                    watch.asked.clear()
                    process = subprocess.Popen([BANJIA, *command], cwd=folder, **QUIET)
                    try:
                        patience = chance.uniform(0.02, 0.5) if done < kills else 120
                        code = process.wait(patience)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
                        code = None
                        killed, done = killed + 1, done + 1
                        time.sleep(0.1)  # what it sent may still be on its way to the watcher
                    asked_in_all += len(watch.asked)
                    for question, count in collections.Counter(watch.asked).items():
                        left = wanted[question] - before[question]
                        check(count <= left, f"{question} was asked {count} times, and {left} were not recorded")
                    check(not before - stored(folder), "an answer that was recorded is gone")
                    if code is not None:
                        check(code == 0, f"the replay ended with {code}")
                        break
                check(stored(folder) == wanted, "not exactly one capture for each question")
                said = banjia(folder, *command)
                total = sum(wanted.values())
                check(f"{total} questions: {total} recorded before, 0 asked, 0 skipped." in said, said)
                sound(folder)
        watch.shutdown()
    total = rounds * sum(wanted.values())
    again = asked_in_all - total
    check(0 <= again <= done * AT_ONCE, f"{again} questions were asked again after {done} kills with {AT_ONCE} under way at once")
    return (
        f"replay: {done} kills over {rounds} replays, {total} questions, one capture for each; {again} asked again, whose answers "
        f"were under way at a kill"
    )


# -- moves

DUE = ["created", "cut", "source_passed", "paged"]


def tick(chance, sandbox, kills):
    cut_short, made = 0, 0
    for begun in range(0, kills, KILLS_A_DATABASE):
        found = tick_in_one_database(chance, sandbox, min(KILLS_A_DATABASE, kills - begun))
        cut_short, made = cut_short + found[0], made + found[1]
    return f"moves: {kills} kills, {cut_short} of them in the middle of a look; {made} moves, each brought to live once"


def tick_in_one_database(chance, sandbox, kills):
    """Kills in the middle of looks; how many were, and how many moves were made."""
    with tempfile.TemporaryDirectory(prefix="banjia-crash-") as name:
        folder = pathlib.Path(name)
        # A route is moved by one move at a time, so each has its own.
        port = configure(folder, sandbox, [f"m{number}" for number in range(kills * MOVES)])
        made, cut_short = 0, 0
        for _ in range(kills):
            for _ in range(MOVES):
                make_move(folder, f"m{made}")
                made += 1
            before = {move: len(log) for move, log in logs(folder).items()}
            process = serve(folder, port)
            until = time.monotonic() + LOOK_AFTER + 5
            while events(folder) == sum(before.values()) and time.monotonic() < until:
                time.sleep(0.002)
            # From the first event of a look to well after its last one.
            time.sleep(chance.uniform(0.0, LOOK))
            process.kill()
            process.wait()
            due = {len(log) for move, log in logs(folder).items() if before[move] < len(DUE)}
            cut_short += due != {len(DUE)}
            let_go(folder)
        process = serve(folder, port)
        until = time.monotonic() + 60
        while any(len(log) < len(DUE) for log in logs(folder).values()) and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(LOOK_AFTER + 0.5)  # one more look, which must change nothing
        end(process)
        for move, log in logs(folder).items():
            check([seq for seq, _ in log] == list(range(1, len(log) + 1)), f"{move}'s log has a hole: {log}")
            check([kind for _, kind in log] == DUE, f"{move}'s log is {[kind for _, kind in log]}")
        said = banjia(folder, "move", "list")
        check(len(re.findall(r"^ m\d+ +live ", said, re.M)) == made, f"not every move is live:\n{said}")
        sound(folder)
        return cut_short, made


def make_move(folder, name):
    text = f'id = "{name}"\ndeadline = "2026-01-01T00:00"\n'
    text += f'[[routes]]\nroute = "{name}"\nsource = "{SOURCE}"\ndestination = "{OTHER}"\n'
    (folder / "move.toml").write_text(text)
    banjia(folder, "move", "new", "move.toml")


def logs(folder):
    found = collections.defaultdict(list)
    for move, seq, body in rows(folder, "SELECT move, seq, body FROM move_event ORDER BY move, seq"):
        found[move].append((seq, json.loads(body)["kind"]))
    return found


def events(folder):
    return rows(folder, "SELECT COUNT(*) FROM move_event")[0][0]


def let_go(folder):
    """The killed process held the moves for half a minute; it has gone by."""
    with sqlite3.connect(folder / "banjia.db") as connection:
        connection.execute("UPDATE lease SET until = 0")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2024)
    arguments = parser.parse_args()
    port = free_port()
    sandbox = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    process = subprocess.Popen([BANJIA, "sandbox", "--listen", f"127.0.0.1:{port}", "--first-token-ms", "20"], **QUIET)
    try:
        wait_for(f"{sandbox}/_counts", process)
        few = max(1, arguments.kills // 4)
        for part, kills in ((record, few), (replay, arguments.kills), (tick, few)):
            try:
                print(part(random.Random(arguments.seed), sandbox, kills), flush=True)
            except Wrong as wrong:
                sys.exit(f"{part.__name__}, seed {arguments.seed}: {wrong}")
    finally:
        process.terminate()
        process.wait()
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
