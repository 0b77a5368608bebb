"""Random faults of every kind, at random times, under load; then the books are judged.

    python3 tests/faults/storm.py [--seconds 60] [--seed N] [--requests-min N] [--memory-mb 400]

The plan (what happens when) is made from the seed alone, before anything starts, and printed: the same seed gives the same plan.
Kinds: full disk, EIO, EROFS, steps of the wall clock, kill -9, SIGTERM, reloads of good, bad and cut-off files, a configuration
that hangs, a vendor that refuses the region, impossible numbers of a vendor, moves whose deadlines pass, wrong keys, slow bodies.
What must hold afterwards stands in judge.py and in docs/reliability.md.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import judge  # noqa: E402
from case import Wrong, check, wait_until  # noqa: E402
from cases_writes import make_move  # noqa: E402
from gateway import Gateway, key_lines  # noqa: E402
from inject import Failing, FalseClock, FileLimit, database_files  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = 2
DISKS = ("full", "EIO", "EROFS")


def plan(seed, seconds):
    """The events, in order of time: (second, what, argument)."""
    chance, events, now = random.Random(seed), [], 3.0
    sources, moves = 0, 0
    weights = {"disk": 5, "clock": 3, "kill": 4, "term": 2, "good": 2, "bad": 1, "cut-off": 2, "hang": 1, "hostile": 2, "refuse": 4, "refuse-in-fault": 4, "move": 4}
    # Each kind at least once, if there is time; then at random.
    first = chance.sample(list(weights), len(weights))
    while now < seconds - 10:
        what = first.pop() if first else chance.choices(list(weights), list(weights.values()))[0]
        length = round(chance.uniform(1.5, 5.0), 2)
        if what in ("disk", "refuse-in-fault"):
            ends = "kill" if what == "refuse-in-fault" else chance.choices(("disk-end", "kill", "term"), (5, 3, 2))[0]
            events.append((now, "disk", chance.choice(DISKS)))
            if what == "refuse-in-fault":
                events.append((now + 0.5, "refuse", sources))
                sources += 1
                length = max(length, 2.5)
            events.append((now + length, ends, None))
            now += length
        elif what == "clock":
            events.append((now, "clock", chance.choice((-3600, 3600, -600, 600, -7200, 0))))
        elif what == "hostile":
            events += [(now, "hostile", True), (now + length, "hostile", False)]
        elif what == "hang":
            events += [(now, "hang", True), (now + length, "hang", False)]
            now += length
        elif what == "cut-off":
            events.append((now, "cut-off", round(chance.random(), 3)))
            now += 2.5
        elif what == "refuse":
            events.append((now, "refuse", sources))
            sources += 1
        elif what == "move":
            events.append((now, "move", (moves, round(chance.uniform(4, 12), 1))))
            moves += 1
        else:
            events.append((now, what, None))
        now += round(chance.uniform(0.3, 1.8), 2)
    return sorted(((round(at, 2), what, argument) for at, what, argument in events), key=lambda event: event[0]), sources, moves


class Storm:
    """A gateway, its vendors and clients, and what is done to them."""

    def __init__(self, folder, seed, sources, moves, rate):
        self.folder, self.lives, self.offsets, self.disks, self.deadlines = folder, [], [(0.0, 0)], [], {}
        self.disk, self.most_resident, self.over = None, 0.0, threading.Event()
        self.clients, self.vendors, self.gateway, self.asked = [], None, None, {}
        self.sources, self.moves, self.seed, self.rate = sources, moves, seed, rate

    def begin(self):
        names = [f"source-{n}" for n in range(self.sources)] + [f"leaving-{n}" for n in range(self.moves)] + ["other", "calm"]
        self.vendors = subprocess.Popen([sys.executable, str(HERE / "vendor.py"), *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        bases = json.loads(self.vendors.stdout.readline())
        self.control = bases["calm"].rsplit("/", 1)[0]
        routes = {f"to-{n}": [f"source-{n}/m", "other/m"] for n in range(self.sources)}
        routes |= {f"move-{n}": [f"leaving-{n}/m", "other/m"] for n in range(self.moves)}
        routes["calm"] = ["calm/m", "other/m"]
        self.clock = FalseClock(self.folder)
        self.gateway = Gateway(self.folder, bases, routes, serve="held_bytes_max = 67108864", keys=key_lines(8), environment=self.clock.environment())
        self.start()
        threading.Thread(target=self.watch_memory, daemon=True).start()
        self.outs = [self.folder / f"answers-{n}" for n in range(CLIENTS)]
        self.clients = [
            subprocess.Popen([sys.executable, str(HERE / "load.py"), str(self.gateway.port), str(self.rate / CLIENTS), str(self.seed + n), str(out), *routes], stdin=subprocess.PIPE)
            for n, out in enumerate(self.outs)
        ]

    def start(self):
        self.gateway.start()
        run = self.gateway.rows("SELECT id FROM run ORDER BY rowid DESC LIMIT 1")[0][0]
        self.lives.append({"run": run, "from": time.time(), "until": None, "how": None, "code": None})

    def ended(self, how, code=None):
        self.lives[-1].update(until=time.time(), how=how, code=code)

    def watch_memory(self):
        while not self.over.wait(0.1):
            try:
                self.most_resident = max(self.most_resident, self.gateway.resident())
            except OSError:
                pass  # between two lives

    def ask_vendors(self, path, body=b"{}"):
        with urllib.request.urlopen(urllib.request.Request(self.control + path, body), timeout=10) as answer:
            return json.load(answer)

    # -- what happens

    def do(self, what, argument):
        getattr(self, "do_" + what.replace("-", "_"))(argument)

    def do_disk(self, kind):
        self.do_disk_end(None)
        pid, files = self.gateway.pid, database_files(self.gateway.database)
        self.disks.append({"from": time.time(), "until": None, "kind": kind})
        self.disk = FileLimit(pid) if kind == "full" else Failing(pid, files, kind)

    def do_disk_end(self, _):
        if self.disk:
            self.disk.end()
            self.disks[-1]["until"] = time.time()
        self.disk = None

    def do_kill(self, _):
        self.gateway.kill()
        self.ended("kill")
        self.do_disk_end(None)
        self.start()

    def do_term(self, _):
        code = self.gateway.end(within=12)
        self.ended("term", code)
        self.do_disk_end(None)
        self.start()

    def do_clock(self, seconds):
        self.clock.set(seconds)
        self.offsets.append((time.time(), seconds))

    def write(self, text):
        # In one step, as a careful person does it.
        new = self.folder / "banjia.new"
        new.write_text(text)
        os.replace(new, self.gateway.file)

    def reload(self):
        self.gateway.process.send_signal(signal.SIGHUP)

    def do_good(self, _):
        self.write(self.gateway.text + f"# {time.time()}\n")
        self.reload()

    def do_bad(self, _):
        self.write(self.gateway.text + '[[routes]]\nname = "broken"\ntargets = ["nobody/m"]\n[[webhooks]]\nname = "x"\n')
        self.reload()
        time.sleep(0.7)
        self.write(self.gateway.text)

    def do_cut_off(self, share):
        text = self.gateway.text
        at = int(len(text) * share)
        with open(self.gateway.file, "w", buffering=1) as file:
            file.write(text[:at])
            file.flush()
            self.reload()
            time.sleep(2.2)
            file.write(text[at:])

    def do_hang(self, begins):
        if begins:
            self.gateway.file.unlink()
            os.mkfifo(self.gateway.file)
            self.reload()
        else:
            self.write(self.gateway.text)

    def do_hostile(self, begins):
        self.ask_vendors("/_script", json.dumps({"other": "hostile" if begins else "answer"}).encode())

    def do_refuse(self, number):
        self.ask_vendors("/_script", json.dumps({f"source-{number}": "refuse"}).encode())

    def do_move(self, argument):
        number, seconds = argument
        at = time.time() + seconds
        make_move(self.gateway, f"leave-{number}", f"move-{number}", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)), f"leaving-{number}/m")
        self.deadlines[number] = (float(int(at)), time.time())

    def settle(self):
        """No fault is left; everything that is due has time to happen."""
        self.do_disk_end(None)
        self.do_clock(0)
        self.do_hostile(False)
        self.write(self.gateway.text)
        wait_until(lambda: self.gateway.ready() == 200, 20, lambda: f"not ready after the last fault:\n{self.gateway.tail()}")
        # The right to look at moves belongs to a killed process for at most half a minute more.
        wait_until(lambda: self.gateway.command("move", "list").count(" live ") == len(self.deadlines), 45, lambda: self.gateway.command("move", "list"), 1)
        time.sleep(6)
        for client in self.clients:
            client.stdin.close()
        for client in self.clients:
            client.wait(60)
        self.over.set()
        self.asked = self.ask_vendors("/_asked")
        code = self.gateway.end(within=12)
        self.ended("term", code)
        check(code == 0, f"the last stop ended with {code}:\n{self.gateway.tail()}")

    def close(self):
        self.over.set()
        self.do_disk_end(None)
        if self.gateway:
            self.gateway.discard()
        for process in filter(None, [*self.clients, self.vendors]):
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--requests-min", type=int)
    parser.add_argument("--memory-mb", type=int, default=400)
    parser.add_argument("--keep", help="a folder for the log, when something is wrong")
    arguments = parser.parse_args()
    wanted = arguments.requests_min or arguments.seconds * 100_000 // 600
    # So that a test command that is stopped leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    events, sources, moves = plan(arguments.seed, arguments.seconds)
    counts = {what: sum(1 for event in events if event[1] == what) for what in sorted({event[1] for event in events})}
    print(f"seed {arguments.seed}, {arguments.seconds} s: {', '.join(f'{count} {what}' for what, count in counts.items())}", flush=True)
    with tempfile.TemporaryDirectory(prefix="banjia-storm-") as name:
        storm = Storm(pathlib.Path(name), arguments.seed, sources, moves, 2.0 * wanted / arguments.seconds)
        began = time.time()
        try:
            storm.begin()
            began = time.time()
            for at, what, argument in events:
                time.sleep(max(0.0, began + at - time.time()))
                storm.do(what, argument)
            time.sleep(max(0.0, began + arguments.seconds - 10 - time.time()))
            storm.settle()
            faults, lines = judge.judge(storm, wanted, arguments.memory_mb)
        except Wrong as wrong:
            faults, lines = [str(wrong)], []
        finally:
            storm.close()
        for line in lines:
            print(line)
        if faults and arguments.keep:
            pathlib.Path(arguments.keep, f"storm-{arguments.seed}.log").write_text("\n".join(line for _, line in storm.gateway.log))
    if faults:
        sys.exit(f"seed {arguments.seed} is broken:\n" + "\n".join(faults))
    print(f"seed {arguments.seed}: nothing is missing, {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
