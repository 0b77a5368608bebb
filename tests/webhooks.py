"""A receiver of webhooks, which checks each signature with Python's own library."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import threading
import time
import typing


class Event(typing.NamedTuple):
    """One delivery: when it came (monotonic), its webhook-id, the event's type and data, and whether its signature and date are right."""

    at: float
    name: str
    kind: str
    data: dict
    is_genuine: bool


class Receiver:
    """Keeps the events that it gets. While `is_silent` is set it takes an event and does not answer."""

    def __init__(self):
        receiver = self
        self.key, self.events, self.is_silent = os.urandom(32), [], False

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.events.append(receiver.event(self.headers, body))
                if receiver.is_silent:
                    time.sleep(5)
                    return
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def event(self, headers, body):
        name, at = headers["webhook-id"], headers["webhook-timestamp"]
        signature = hmac.new(self.key, b".".join([name.encode(), at.encode(), body]), hashlib.sha256).digest()
        is_ours = hmac.compare_digest(headers["webhook-signature"], "v1," + base64.b64encode(signature).decode())
        # No test steps the gateway's clock and listens, so the sender's date must be today's.
        is_now = abs(time.time() - int(at)) < 300
        event = json.loads(body)
        return Event(time.monotonic(), name, event["type"], event["data"], is_ours and is_now)

    def config(self):
        """The lines of the configuration that name this receiver."""
        secret = "whsec_" + base64.b64encode(self.key).decode()
        return f'[[webhooks]]\nname = "ops"\nurl = "http://127.0.0.1:{self.server.server_address[1]}/"\nsecret = "{secret}"\n'

    def kinds(self):
        """The types of the genuine events so far."""
        return [event.kind for event in self.events if event.is_genuine]

    def wait_for(self, kind, seconds=30):
        """The events of this type, as soon as there is one. Every signature so far must be right."""
        end = time.monotonic() + seconds
        while not (found := [event for event in self.events if event.kind == kind]):
            assert time.monotonic() < end, (kind, self.events)
            time.sleep(0.1)
        assert all(event.is_genuine for event in self.events), "a signature is wrong"
        return found

    def close(self):
        self.server.shutdown()
        self.server.server_close()
