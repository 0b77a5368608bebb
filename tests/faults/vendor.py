"""Scripted vendors: each on a port of its own (a cut holds for an origin), speaking OpenAI's wire, answering as its script says.

A script is a function of the request's parsed body that returns a `Reply`. The vendor counts what it is asked, by name and
time, so a test can prove that a name was not asked again.
    python3 tests/faults/vendor.py NAME ...    # prints their addresses; POST /_script {"NAME": "answer" | "refuse" | ...} at any
"""

import asyncio
import collections
import json
import random
import sys
import threading
import time

REGION = {
    "error": {
        "code": "unsupported_country_region_territory",
        "message": "Country, region, or territory not supported",
        "param": None,
        "type": "request_forbidden",
    }
}
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
LARGEST = 2**63 - 1
# Numbers that no request can have used.
HOSTILE = [LARGEST, 2**63, 2**64 - 1, LARGEST - 1, 10**18, 2**32, -1, -LARGEST - 1, 1e300, 10**40]


class Reply:
    """One answer: a status and JSON, or pieces of a stream with a wait before each."""

    def __init__(self, body=None, status=200, pieces=None, wait=0.0, raw=None):
        self.body, self.status, self.pieces, self.wait, self.raw = body, status, pieces, wait, raw


def completion(usage=None, text="Hello."):
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage or USAGE}


def answer(request, usage=None, count=3, wait=0.0):
    """A good answer, streamed if the request says so."""
    if not request.get("stream"):
        return Reply(completion(usage), wait=wait)
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    pieces = [{**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": f"word {n} "}, "finish_reason": None}]} for n in range(count)]
    pieces.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    pieces.append({**chunk, "choices": [], "usage": usage or USAGE})
    return Reply(pieces=pieces, wait=wait)


def refuse(_):
    return Reply(REGION, status=403)


def hostile(request):
    numbers = [random.choice(HOSTILE) for _ in range(3)]
    return answer(request, dict(zip(("prompt_tokens", "completion_tokens", "total_tokens"), numbers)))


def broken(_):
    return Reply({"error": {"message": "down", "type": "server_error", "code": None, "param": None}}, status=500)


SCRIPTS = {
    "answer": answer,
    "refuse": refuse,
    "hostile": hostile,
    "broken": broken,
    "slow": lambda request: answer(request, count=8, wait=0.15),
}


class Vendors:
    """The vendors' listeners, on a thread of their own."""

    def __init__(self, *names):
        self.scripts, self.refused, self.servers, self.ports = {}, {}, [], {}
        self.asked = collections.defaultdict(list)
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        async def start():
            for name in names:
                server = await asyncio.start_server(self.connection, "127.0.0.1", 0, limit=2**20, backlog=4096)
                self.servers.append(server)
                self.ports[name] = server.sockets[0].getsockname()[1]
            started.set()

        def run():
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(start())
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        if not started.wait(10):
            raise RuntimeError("the scripted vendors did not start")

    def bases(self):
        """Each vendor's base address; its name stands in the path too."""
        return {name: f"http://127.0.0.1:{port}/{name}" for name, port in self.ports.items()}

    def count(self, name):
        return len(self.asked[name])

    def stop(self):
        for server in self.servers:
            self.loop.call_soon_threadsafe(server.close)

    async def connection(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                fields = dict(line.lower().split(":", 1) for line in lines[1:] if ":" in line)
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                name = lines[0].split(" ")[1].split("/")[1]
                if name.startswith("_"):
                    await self.control(name, body, writer)
                    continue
                self.asked[name].append(time.time())
                request = json.loads(body) if body else {}
                reply = self.scripts.get(name, answer)(request)
                if reply.status == 403:
                    self.refused.setdefault(name, time.time())
                await self.send(writer, reply)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the gateway went away, which is what these tests are about
        finally:
            writer.close()

    async def control(self, name, body, writer):
        if name == "_script":
            for vendor, script in json.loads(body).items():
                self.scripts[vendor] = SCRIPTS[script]
        await self.send(writer, Reply({"asked": self.asked, "refused": self.refused} if name == "_asked" else {}))

    async def send(self, writer, reply):
        if reply.pieces is None:
            await asyncio.sleep(reply.wait)
            body = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
            head = f"HTTP/1.1 {reply.status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode())
            writer.write(body)
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in [*map(json.dumps, reply.pieces), "[DONE]"]:
            if reply.wait:
                await asyncio.sleep(reply.wait)
            event = f"data: {piece}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


if __name__ == "__main__":
    print(json.dumps(Vendors(*sys.argv[1:]).bases()), flush=True)
    sys.stdin.read()  # ends with the program that started it
