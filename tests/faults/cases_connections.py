"""Weak points of the listener and of the database's file: idle and half-closed clients, odd framing, wrong keys, a lost file."""

import os
import selectors
import shutil
import socket
import time

import vendor
from case import case, check, wait_until
from gateway import KEY, Gateway

BODY = b'{"model":"chat","messages":[{"role":"user","content":"hello"}]}'


def request(extra=b"", body=BODY, length=True, host=b"host: gateway\r\n"):
    size = b"content-length: %d\r\n" % len(body) if length else b""
    return b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"authorization: Bearer " + KEY.encode() + b"\r\n" + extra + size + b"\r\n" + body


def raw(gateway, data, half_close=False, timeout=10, address="127.0.0.1"):
    """Everything that comes back, or an empty text when the connection is refused or nothing comes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout, source_address=(address, 0)) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
                if b"\r\n\r\n" in answer and not half_close:
                    break
            return answer
        except OSError:
            return b""


def status(answer):
    # An interim answer comes before the true one, and every client skips it.
    while answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.split(b"\r\n\r\n", 1)[1]
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def plain(folder, serve=""):
    vendors = vendor.Vendors("source")
    return vendors, Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, serve=serve)


@case("weak", "two Host headers and odd transfer encodings are 400")
def odd_framing(folder):
    vendors, gateway = plain(folder)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    odd = {
        "gzip, chunked": request(b"transfer-encoding: gzip, chunked\r\n", chunked, length=False),
        "chunked, gzip": request(b"transfer-encoding: chunked, gzip\r\n", chunked, length=False),
        "chunked twice": request(b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", chunked, length=False),
        "identity": request(b"transfer-encoding: identity\r\n", BODY),
        "two hosts": request(host=b"host: a\r\nhost: b\r\n"),
        "no host": request(host=b""),
        "two lengths": request(b"content-length: 5\r\n"),
        "a length and chunked": request(b"transfer-encoding: chunked\r\n", chunked),
    }
    with gateway:
        gateway.start()
        check(status(raw(gateway, request(b"transfer-encoding: chunked\r\n", chunked, length=False))) == 200, "a chunked body is refused")
        seen = {name: status(raw(gateway, data)) for name, data in odd.items()}
        wrong = {name: code for name, code in seen.items() if code != 400}
        check(not wrong, f"not 400: {wrong}")
        gateway.end()
    vendors.stop()
    return f"400 for {', '.join(odd)}"


@case("weak", "a client that closes its sending half gets its answer")
def half_closed(folder):
    vendors, gateway = plain(folder)
    vendors.scripts["source"] = lambda body: vendor.answer(body, wait=0.8)
    with gateway:
        gateway.start()
        whole = raw(gateway, request(b"connection: close\r\n"), half_close=True)
        stream = raw(gateway, request(b"connection: close\r\n", BODY[:-1] + b',"stream":true}'), half_close=True)
        check(status(whole) == 200 and b"Hello." in whole, f"whole: {whole[:200]}")
        check(status(stream) == 200 and b"[DONE]" in stream, f"stream: {stream[-200:]}")
        gateway.end()
    vendors.stop()
    return f"{len(whole)} and {len(stream)} bytes after the client's half was closed"


@case("weak", "idle connections of one address keep nobody else out")
def idle_connections(folder):
    vendors, gateway = plain(folder, serve="connections_max = 120\nconnections_per_address_max = 60")
    with gateway:
        gateway.start()
        idle = []
        for address in ("127.0.0.1", "127.0.0.2"):
            for _ in range(100):
                connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=5, source_address=(address, 0))
                connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n")
                idle.append(connection)
        began = time.monotonic()
        answer = wait_until(lambda: status(raw(gateway, request(), timeout=12, address="127.0.0.3")) == 200, 15, "a third address is not served")
        took = time.monotonic() - began
        check(answer and took < 12, f"a third address waited {took:.1f} s")
        for connection in idle:
            connection.close()
        wait_until(lambda: status(raw(gateway, request())) == 200, 5, "the first address is not served after it closed its connections")
        gateway.end()
    vendors.stop()
    return f"200 idle connections of two addresses (60 each allowed, 120 in all): a third was served after {took:.1f} s"


@case("weak", "wrong keys are answered more and more slowly, leave a trace, and slow nobody else")
def wrong_keys(folder):
    vendors, gateway = plain(folder)
    with gateway:
        gateway.start()
        bad, codes, took = request().replace(KEY.encode(), b"bj-wrong"), [], []
        for _ in range(8):
            began = time.monotonic()
            codes.append(status(raw(gateway, bad, address="127.0.0.9")))
            took.append(time.monotonic() - began)
        check(set(codes) <= {401, 429}, f"wrong keys got {set(codes)}")
        check(took[0] < 0.1 < 0.5 < took[-1], f"the first wrong key was answered after {took[0]:.2f} s, the eighth after {took[-1]:.2f} s")
        began = time.monotonic()
        good = [status(raw(gateway, request(), address="127.0.0.9")) for _ in range(5)]
        check(good == [200] * 5 and time.monotonic() - began < 1, f"a right key of the same address got {good} in {time.monotonic() - began:.1f} s")
        told = wait_until(lambda: [line for line in gateway.said("WARN") if "key" in line and "plain text" not in line], 65, lambda: f"no line of the log tells of wrong keys:\n{gateway.tail()}", 0.5)
        check(len(told) <= 2 and not gateway.said("bj-wrong"), f"{len(told)} lines for 8 wrong keys: {told}")
        gateway.end()
    vendors.stop()
    return f"answered after {took[0]:.2f} s at first and {took[-1]:.2f} s at last, a right key at once; the log: {told[0][28:160]}"


def measure(gateway, count, seconds):
    """Good answers a second over `count` connections that are kept, and the other statuses."""
    chosen, data, good, other = selectors.DefaultSelector(), request(), 0, {}
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
        connection.setblocking(False)
        connection.send(data)
        chosen.register(connection, selectors.EVENT_READ)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for key, _ in chosen.select(0.5):
            try:
                code = status(key.fileobj.recv(65536))
                good += code == 200
                if code != 200:
                    other[code] = other.get(code, 0) + 1
                if code in (200, 503):
                    key.fileobj.send(data)
            except OSError:
                chosen.unregister(key.fileobj)
                other["closed"] = other.get("closed", 0) + 1
    took = time.monotonic() - began
    for key in list(chosen.get_map().values()):
        key.fileobj.close()
    return good / took, other


@case("weak", "2,000 connections keep the good answers of 256", alone=True)
def many_connections(folder):
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    vendors, gateway = plain(folder)
    with gateway:
        gateway.start()
        # In turns, and the better one of each: the client and the vendor share the processors with the gateway.
        turns = [(measure(gateway, 256, 3), measure(gateway, 2000, 4)) for _ in range(2)]
        few, many = (max(turn[which][0] for turn in turns) for which in (0, 1))
        other = sum(count for turn in turns for count in turn[1][1].values())
        check(other < 0.02 * many * 8, f"{other} of about {many * 8:.0f} answers over 2,000 connections were not good: {turns}")
        check(many >= 0.5 * few, f"{few:.0f} good answers a second over 256 connections, {many:.0f} over 2,000")
        gateway.end()
    vendors.stop()
    return f"{few:.0f} good answers a second over 256 connections, {many:.0f} over 2,000 with {other} others (client and vendor are Python: a sanity check; bench/ measures it)"


def lose(folder, take_away):
    vendors, gateway = plain(folder)
    with gateway:
        gateway.start()
        check(gateway.ask().status == 200, "not served at first")
        time.sleep(0.6)
        take_away(gateway)
        wait_until(lambda: gateway.ready() == 503, 8, "/readyz stays ready")
        code = gateway.ask().status
        check(code == 503, f"a request is still accepted: {code}")
        told = gateway.said("ERROR")
        check(told, gateway.tail())
        check(len(told) <= 4, f"{len(told)} error lines")
        gateway.end(within=10)
    vendors.stop()
    return f"/readyz red, requests 503, the log: {told[0][28:200]}"


@case("weak", "a database that is deleted while it is used stops acceptance")
def database_deleted(folder):
    return lose(folder, lambda gateway: gateway.database.unlink())


@case("weak", "a database that is replaced while it is used stops acceptance")
def database_replaced(folder):
    def replace(gateway):
        shutil.copy(gateway.database, folder / "copy.db")
        os.replace(folder / "copy.db", gateway.database)

    return lose(folder, replace)


@case("weak", "a second gateway cannot use the database, even when its lock file was deleted")
def second_gateway(folder):
    vendors, gateway = plain(folder)
    with gateway:
        gateway.start()
        gateway.ask()
        for lock in folder.glob("*.lock"):
            lock.unlink()
        second = Gateway(folder, vendors.bases(), {"chat": ["source/m"]})
        with second:
            second.start(ready=False)
            wait_until(lambda: second.process.poll() is not None, 15, "a second gateway runs on the same database")
            code, tail = second.process.poll(), second.tail()
        check(code != 0 and tail, f"exit code {code}: {tail}")
        check(gateway.ask().status == 200, "the first gateway does not serve any more")
        gateway.end()
    vendors.stop()
    return f"the second ended with {code}: {tail.splitlines()[-1][:160]}"
