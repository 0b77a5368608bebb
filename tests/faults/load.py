"""A client of the storm: threads with kept connections, at a rate, until its standard input is closed.

    python3 tests/faults/load.py PORT RATE SEED OUT ROUTE ...

Writes one line for each answer that came whole: begin, end (seconds since 1970, by the true clock), status, request id, route,
kind. Kinds: plain, stream, wrong-key, slow-body. What broke off is counted at the end and written as `lost N`.
"""

import random
import socket
import sys
import threading
import time

THREADS = 10
WRITING = threading.Lock()
KEYS = [f"bj-faults-{n}" for n in range(8)]


def receive(connection):
    """One whole answer: its status, its request id, and whether the connection may be used again."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise OSError("closed before an answer")
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "content-length" in fields:
        def whole():
            return len(body) >= int(fields["content-length"])
    else:
        def whole():
            return body.endswith(b"0\r\n\r\n")
    while not whole():
        part = connection.recv(65536)
        if not part:
            raise OSError("closed inside an answer")
        body += part
    return int(lines[0].split(" ")[1]), fields.get("x-request-id", "-"), fields.get("connection") != "close"


class Client(threading.Thread):
    def __init__(self, port, interval, seed, routes, out, stopped):
        super().__init__(daemon=True)
        self.port, self.interval, self.routes, self.out, self.stopped = port, interval, routes, out, stopped
        self.chance, self.connection, self.lost = random.Random(seed), None, 0

    def run(self):
        due = time.time() + self.chance.random() * self.interval
        while not self.stopped.is_set():
            time.sleep(max(0.0, due - time.time()))
            # What a fault held up is not made up for at once.
            due = max(due + self.interval, time.time() - 1)
            try:
                self.once()
            except (OSError, ValueError, IndexError):
                self.lost += 1
                self.close()
                time.sleep(0.05)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def once(self):
        kind = self.chance.choices(("plain", "stream", "wrong-key", "slow-body"), (70, 27, 1, 2))[0]
        route, key = self.chance.choice(self.routes), self.chance.choice(KEYS)
        stream = "true" if kind == "stream" else "false"
        body = f'{{"model":"{route}","stream":{stream},"messages":[{{"role":"user","content":"question {self.chance.random()}"}}]}}'
        key = "bj-wrong" if kind == "wrong-key" else key
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        if kind == "wrong-key":
            # From an address of its own: wrong keys of one address are answered more and more slowly.
            self.close()
            address = f"127.{self.chance.randrange(1, 250)}.{self.chance.randrange(250)}.{self.chance.randrange(1, 250)}"
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(address, 0))
        elif self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        began = time.time()
        if kind == "slow-body":
            self.connection.sendall((head + body[:20]).encode())
            time.sleep(0.3)
            self.connection.sendall(body[20:].encode())
        else:
            self.connection.sendall((head + body).encode())
        status, request, is_kept = receive(self.connection)
        with WRITING:
            self.out.write(f"{began:.3f} {time.time():.3f} {status} {request} {route} {kind}\n")
        if not is_kept or kind == "wrong-key":
            self.close()


def main():
    port, rate, seed, name, routes = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5:]
    stopped = threading.Event()
    with open(name, "w") as out:
        clients = [Client(port, THREADS / rate, seed * 100 + n, routes, out, stopped) for n in range(THREADS)]
        for client in clients:
            client.start()
        sys.stdin.read()
        stopped.set()
        for client in clients:
            client.join(40)
        out.write(f"lost {sum(client.lost for client in clients)}\n")


if __name__ == "__main__":
    main()
