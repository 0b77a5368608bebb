"""Kills a campaign again and again, and counts its mails.

    python3 tests/campaign/run.py PROGRAM [--kills 1000] [--seed 2024] [--accounts 500]

PROGRAM is the example campaign_run of crates/app/control. A mail server in this process takes every mail and notes it before
it says so. The program is killed with SIGKILL at random moments until it has been killed so often, over as many campaigns
and steps as that takes. Then: no account was sent a step twice, and every notice that is not sent is listed as unknown.
Plain Python only.
"""

import argparse
import collections
import pathlib
import random
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

DAYS = ["2024-06-25T10:00", "2024-07-02T10:00", "2024-07-08T10:00", "2024-07-09T00:00"]
# From before the database is open to well into the mails.
DELAY = (0.005, 0.35)


class Sink(socketserver.StreamRequestHandler):
    """One conversation with the mail server."""

    def answer(self, text):
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def line(self):
        # Acknowledged at once: else each mail waits for 40 ms, because its last line is sent apart.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self.rfile.readline()

    def handle(self):
        try:
            self.talk()
        except (ConnectionError, BrokenPipeError):
            pass  # the program was killed, which is what this is about

    def talk(self):
        self.answer("220 sink")
        to = None
        while line := self.line():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                self.answer("250-sink\r\n250 8BITMIME")
            elif word == b"RCPT":
                to = line.split(b"<")[1].split(b">")[0].decode()
                self.answer("250 ok")
            elif word == b"DATA":
                self.answer("354 go on")
                identity, ended = None, False
                while text := self.line():
                    if text.lower().startswith(b"message-id:"):
                        identity = text.split(b"<")[1].split(b">")[0].decode()
                    if text == b".\r\n":
                        ended = True
                        break
                if not ended:
                    return
                self.server.taken.append((to, identity))
                self.answer("250 taken")
            elif word == b"QUIT":
                self.answer("221 bye")
                return
            else:
                self.answer("250 ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Sink)
        self.taken = []


def once(program, database, server, accounts, day, delay):
    """Runs the program; returns whether it was killed."""
    command = [program, str(database), str(server.server_address[1]), str(accounts), day]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, errors = process.communicate(timeout=delay)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    if process.returncode != 0:
        sys.exit(f"the program failed: {errors.decode()}")
    return False


def faults(database, server, accounts, steps):
    """What is wrong with a campaign of which so many steps were run to their end."""
    found = []
    twice = [mail for mail, count in collections.Counter(server.taken).items() if count > 1]
    found += [f"{to} got {identity} {server.taken.count((to, identity))} times" for to, identity in twice]
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT account, step, state, message_id FROM notice").fetchall()
    by_id = {identity: (account, step, state) for account, step, state, identity in rows}
    if len(rows) != accounts * steps:
        found.append(f"{len(rows)} notices are listed and not {accounts * steps}")
    taken = {identity for _, identity in server.taken}
    for identity, (account, step, state) in by_id.items():
        if state not in ("sent", "unknown"):
            found.append(f"{account} {step} is {state}")
        if state == "sent" and identity not in taken:
            found.append(f"{account} {step} is called sent and never came")
    found += [f"{identity} came and is listed nowhere" for identity in taken - set(by_id)]
    states = collections.Counter(state for _, _, state in by_id.values())
    return found, states


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--accounts", type=int, default=500)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    began, kills, campaigns, states = time.monotonic(), 0, 0, collections.Counter()
    while kills < arguments.kills:
        with tempfile.TemporaryDirectory() as folder, Server() as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            database = pathlib.Path(folder) / "banjia.db"
            for day in DAYS:
                while once(arguments.program, database, server, arguments.accounts, day, chance.uniform(*DELAY)):
                    kills += 1
                    if kills >= arguments.kills:
                        break
                # Whatever was left may now end, so that everything can be counted.
                once(arguments.program, database, server, arguments.accounts, day, 600)
            server.shutdown()
            found, seen = faults(database, server, arguments.accounts, len(DAYS))
        campaigns += 1
        states += seen
        if found:
            sys.exit(f"seed {arguments.seed}, campaign {campaigns}, after {kills} kills:\n" + "\n".join(found[:20]))
    seconds = time.monotonic() - began
    print(
        f"{kills} kills over {campaigns} campaigns of {arguments.accounts} accounts and {len(DAYS)} steps: "
        f"{states['sent']} notices sent, {states['unknown']} unknown, none twice, none missing ({seconds:.0f} s)"
    )


if __name__ == "__main__":
    main()
