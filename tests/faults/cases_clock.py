"""Row 6: the wall clock is set back and forward while the gateway serves; its monotonic clock stays true."""

import json
import threading
import time

import vendor
from case import case, check
from gateway import Gateway, key_lines
from inject import FalseClock

HOUR = 3600
LIMITS = "limits = { requests_per_minute = 600, tokens_per_minute = 100000, concurrency_max = 20 }"


def step(gateway, clock, seconds):
    """Steps the clock in the middle of a stream and asks before and after; what was wrong."""
    streams = []

    def stream():
        answer = gateway.ask("slow", stream=True, timeout=60)
        streams.append((answer.status, answer.body.rstrip().endswith(b"[DONE]") and b'"error"' not in answer.body))

    threads = [threading.Thread(target=stream) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    clock.set(seconds)
    statuses = []
    for _ in range(20):
        time.sleep(0.1)
        statuses.append(gateway.ask().status)
    for thread in threads:
        thread.join(30)
    check(statuses == [200] * 20, f"after a step to {seconds:+d} s a limited account got {statuses}")
    check(streams == [(200, True)] * 3, f"streams under way at a step to {seconds:+d} s ended as {streams}")


@case(6, "a clock set back or forward an hour locks nobody out and cuts no stream")
def clock_steps(folder):
    vendors = vendor.Vendors("source", "slow")
    vendors.scripts["slow"] = lambda request: vendor.answer(request, count=12, wait=0.25)
    clock = FalseClock(folder)
    routes = {"chat": ["source/m"], "slow": ["slow/m"]}
    with Gateway(folder, vendors.bases(), routes, keys=key_lines(limits=LIMITS), environment=clock.environment()) as gateway:
        gateway.start()
        check(gateway.ask().status == 200, "not served before the step")
        for seconds in (-HOUR, 0, HOUR, 0, -2 * HOUR):
            step(gateway, clock, seconds)
        clock.set(0)
        check(gateway.end() == 0, gateway.tail())
        low, high, spans = gateway.rows("SELECT MIN(first_content_ms), MAX(first_content_ms), COUNT(first_content_ms) FROM ledger")[0]
        check(spans > 0 and low >= 0 and high < 5000, f"first-content times from {low} to {high} ms in the ledger")
        took = gateway.rows("SELECT MIN(ended_at - accepted_at), MAX(ended_at - accepted_at) FROM ledger")[0]
        check(0 <= took[0] and took[1] < 20_000, f"requests that took from {took[0]} to {took[1]} ms in the ledger")
    vendors.stop()
    return f"five steps of up to two hours: 100 limited requests served, 15 streams whole, first content {low} to {high} ms, requests {took[0]} to {took[1]} ms"


@case(6, "a limit stays a limit when the clock steps")
def clock_steps_limits(folder):
    vendors = vendor.Vendors("source")
    clock = FalseClock(folder)
    keys = key_lines(limits="limits = { requests_per_minute = 6 }")
    with Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, keys=keys, environment=clock.environment()) as gateway:
        gateway.start()
        first = [gateway.ask().status for _ in range(8)]
        check(first.count(200) <= 7 and 429 in first, f"six a minute let {first} through")
        waits = []
        for seconds in (HOUR, -HOUR, 0):
            clock.set(seconds)
            time.sleep(0.2)
            answer = gateway.ask()
            check(answer.status == 429, f"a step to {seconds:+d} s gave a used-up limit back: {answer.status}")
            waits.append(int(answer.headers["retry-after"]))
        check(all(0 < wait <= 60 for wait in waits), f"callers are told to wait {waits} s")
        time.sleep(11)
        check(gateway.ask().status == 200, f"not served after the wait that was told: {waits}")
        gateway.end()
    vendors.stop()
    return f"statuses {json.dumps(first)}, then 429 after each step with retry-after {waits}, and served after the wait"
