"""Row 7: request bodies and whole answers are held within one budget of bytes; limits are asked before a body is read."""

import select
import socket
import threading
import time

import vendor
from case import case, check
from gateway import KEY, Gateway, key_lines

MB = 1024 * 1024
BODY = b'{"model":"chat","messages":[{"role":"user","content":"' + b"x" * (31 * MB) + b'"}]}'


class Memory:
    """The largest resident memory of a gateway while it lasts, in MB over what it had at first."""

    def __init__(self, gateway):
        self.gateway, self.before, self.most, self.over = gateway, gateway.resident(), 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(0.03):
            self.most = max(self.most, self.gateway.resident())

    def end(self):
        self.over.set()
        self.thread.join(5)
        return self.most - self.before


def upload(gateway, key=KEY, body=BODY, slow=0.0):
    """Sends a request like a client that reads too: (status, retry-after, bytes sent until the answer came)."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        connection.sendall(head.encode())
        sent, view = 0, memoryview(body)
        connection.setblocking(False)
        end = time.monotonic() + 60
        while sent < len(body) and time.monotonic() < end:
            readable, writable, _ = select.select([connection], [connection], [], 5)
            if readable:
                break
            if writable:
                try:
                    sent += connection.send(view[sent : sent + 256 * 1024])
                except OSError:
                    break
                if slow:
                    time.sleep(slow)
        connection.setblocking(True)
        connection.settimeout(60)
        answer = b""
        try:
            while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
                answer += part
            rest = len(answer)
            while part := connection.recv(1 << 20):
                rest += len(part)
        except OSError:
            pass
    lines = answer.split(b"\r\n\r\n")[0].decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    status = int(lines[0].split(" ")[1]) if lines[0] else 0
    return status, fields.get("retry-after"), sent


def at_once(count, ask):
    results, threads = [], []
    for number in range(count):
        threads.append(threading.Thread(target=lambda n=number: results.append(ask(n)), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(90)
    return results


@case(7, "a key with one request a minute cannot make the gateway hold 60 bodies", alone=True)
def limits_before_bodies(folder):
    vendors = vendor.Vendors("source")
    keys = key_lines(limits="limits = { requests_per_minute = 1 }")
    with Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, serve="held_bytes_max = 67108864", keys=keys) as gateway:
        gateway.start()
        memory = Memory(gateway)
        results = at_once(60, lambda _: upload(gateway, slow=0.002))
        grown = memory.end()
        statuses = [status for status, _, _ in results]
        limited = [sent for status, _, sent in results if status == 429]
        check(len(limited) == 59, f"59 of 60 must be limited; statuses: {sorted(statuses)}")
        check(max(limited) < 8 * MB, f"one was limited only after {max(limited) / MB:.0f} MB of its body")
        check(grown < 250, f"resident memory grew by {grown:.0f} MB")
        check(gateway.end() == 0, gateway.tail())
    vendors.stop()
    return f"59 got 429, at the latest after {max(limited) / MB:.1f} MB of 31; memory grew by {grown:.0f} MB"


@case(7, "bodies beyond the budget get 503 with retry-after, and memory is bounded", alone=True)
def budget_of_bodies(folder):
    vendors = vendor.Vendors("source")
    with Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, serve="held_bytes_max = 134217728") as gateway:
        gateway.start()
        memory = Memory(gateway)
        results = at_once(30, lambda _: upload(gateway, slow=0.001))
        grown = memory.end()
        statuses = sorted(status for status, _, _ in results)
        check(set(statuses) == {200, 503}, f"30 bodies of 31 MB got {statuses}")
        check(all(after for status, after, _ in results if status == 503), "a 503 has no retry-after")
        check(grown < 128 + 250, f"resident memory grew by {grown:.0f} MB with a budget of 128 MB")
        check(gateway.ask().status == 200, "a small request is not answered afterwards")
        check(gateway.end() == 0, gateway.tail())
    vendors.stop()
    return f"{statuses.count(200)} answered, {statuses.count(503)} got 503 with retry-after; memory grew by {grown:.0f} MB with a budget of 128 MB"


@case(7, "whole answers beyond the budget get 503 with retry-after, and memory is bounded", alone=True)
def budget_of_answers(folder):
    vendors = vendor.Vendors("source")
    text = b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"'
    text += b"y" * (60 * MB) + b'"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}'
    vendors.scripts["source"] = lambda _: vendor.Reply(raw=text)
    with Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, serve="held_bytes_max = 201326592") as gateway:
        gateway.start()
        memory = Memory(gateway)
        small = b'{"model":"chat","messages":[{"role":"user","content":"hello"}]}'
        results = at_once(16, lambda _: upload(gateway, body=small))
        grown = memory.end()
        statuses = sorted(status for status, _, _ in results)
        check(set(statuses) == {200, 503}, f"16 answers of 60 MB got {statuses}")
        check(all(after for status, after, _ in results if status == 503), "a 503 has no retry-after")
        check(grown < 192 + 250, f"resident memory grew by {grown:.0f} MB with a budget of 192 MB")
        vendors.scripts.clear()
        check(gateway.ask().status == 200, "a small request is not answered afterwards")
        check(gateway.end() == 0, gateway.tail())
        accepted, rows, _ = gateway.books()
        check(accepted == rows, f"{accepted} accepted, {rows} rows")
    vendors.stop()
    return f"{statuses.count(200)} whole, {statuses.count(503)} got 503 with retry-after; memory grew by {grown:.0f} MB with a budget of 192 MB; {accepted} accepted, {rows} rows"
