"""Rows 1 and 2: the database cannot be written for a while. Nothing accepted is lost, nothing is silent, no cut is forgotten."""

import os
import sqlite3
import threading
import time

import vendor
from case import case, check, wait_until
from gateway import Gateway, Load
from inject import Failing, FileLimit, SmallDisk, database_files
from webhooks import Receiver

ROUTES = {"chat": ["source/m", "other/m"]}
FAULT_SECONDS = 5.0
# Accepted and refused: a row without a vendor.
BODY_OF_NOBODY = b'{"model":"none","messages":[{"role":"user","content":"hello"}]}'


def vendors_for(names=("source", "other")):
    vendors = vendor.Vendors(*names)
    return vendors, vendors.bases()


def others_can_write(gateway):
    """Another process gets the database's lock: true, or what it met."""
    try:
        connection = sqlite3.connect(gateway.database, timeout=4, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        connection.close()
        return True
    except sqlite3.Error as error:
        return str(error)


def all_written(gateway, load):
    """Every accepted request has one row."""
    def holds():
        accepted, rows, _ = gateway.books()
        return accepted == rows and load.good() <= gateway.ledger()

    def what():
        accepted, rows, gap = gateway.books()
        missing = len(load.good() - gateway.ledger())
        return f"{accepted} accepted, {rows} rows, {gap} open in gaps; {missing} of {len(load.good())} good answers have no row"

    wait_until(holds, 15, what, 0.3)


def survives(folder, make_fault, disk=None):
    """Load, a fault of some seconds, load again; returns what was seen."""
    vendors, bases = vendors_for()
    listener = Receiver()
    database = f"{disk.folder.name}/banjia.db" if disk else "banjia.db"
    with Gateway(folder, bases, ROUTES, extra=listener.config(), database=database) as gateway:
        gateway.start()
        with Load(gateway, threads=4, pause=0.004) as load:
            time.sleep(1.5)
            began = time.monotonic()
            with make_fault(gateway):
                red = wait_until(lambda: gateway.ready() == 503, 4, lambda: "/readyz stays ready while nothing can be written", 0.1)
                time.sleep(max(0.0, began + FAULT_SECONDS - time.monotonic()))
                lock = others_can_write(gateway) if disk is None else True
            lasted = time.monotonic() - began
            check(red, "never red")
            check(lock is True, f"another process met a lock that lasts: {lock}")
            wait_until(lambda: gateway.ready() == 200, 12, "/readyz does not become ready again after the fault")
            time.sleep(1.0)
        all_written(gateway, load)
        during = [a for a in load.answers if began + 1 < a[0] < began + lasted]
        refused = set(a[2] for a in during) - {200, 503}
        check(during and not refused, f"callers got {load.statuses()} during the fault")
        check({row[0] for row in gateway.rows("SELECT COUNT(*) FROM gap")} == {0}, "a gap was noted although every row was written")
        log = [line for line in gateway.said("ERROR") if "writ" in line]
        check(1 <= len(log) <= 3, f"{len(log)} error lines in {lasted:.0f} s; one is right:\n" + "\n".join(log[:6]))
        wait_until(lambda: {"store.failing", "store.recovered"} <= set(listener.kinds()), 20, lambda: f"webhooks got {listener.kinds()}")
        code = gateway.end()
        check(code == 0, f"exit code {code}:\n{gateway.tail()}")
        check(gateway.said("the ledger is closed"), f"the last lines do not say that the ledger is closed:\n{gateway.tail()}")
        accepted, rows, _ = gateway.books()
    listener.close()
    vendors.stop()
    return f"{lasted:.1f} s of fault, {accepted} accepted, {rows} rows, 0 missing; callers got {load.statuses()}; red, then ready; {len(log)} error lines"


@case(1, "a full disk (file size limit) loses no accepted request")
def full_disk_limit(folder):
    return survives(folder, lambda gateway: FileLimit(gateway.pid))


@case(1, "a full disk (tmpfs) loses no accepted request")
def full_disk_tmpfs(folder):
    if os.geteuid() != 0:
        # Only root may mount. The same error number, by strace.
        return "by strace, not root: " + survives(folder, lambda gateway: Failing(gateway.pid, database_files(gateway.database), "ENOSPC"))
    disk = SmallDisk(folder / "disk")
    try:
        return survives(folder, lambda _: disk.fill(), disk)
    finally:
        disk.close()


@case(1, "a disk that answers EIO loses no accepted request")
def eio(folder):
    return survives(folder, lambda gateway: Failing(gateway.pid, database_files(gateway.database), "EIO"))


@case(1, "a disk that became read-only loses no accepted request")
def erofs(folder):
    return survives(folder, lambda gateway: Failing(gateway.pid, database_files(gateway.database), "EROFS"))


@case(1, "failing writes are logged once and then each minute, not at each try")
def logged_each_minute(folder):
    vendors, bases = vendors_for()
    with Gateway(folder, bases, ROUTES) as gateway:
        gateway.start()
        began = time.monotonic()
        with FileLimit(gateway.pid), Load(gateway, threads=1, pause=0.05) as load:
            time.sleep(66)
        lines = [(at - began, line) for at, line in gateway.log if "ERROR" in line and "writ" in line]
        check(2 <= len(lines) <= 3, f"{len(lines)} error lines in 66 s:\n" + "\n".join(line for _, line in lines[:5]))
        all_written(gateway, load)
        gateway.end()
    vendors.stop()
    return f"error lines after {', '.join(f'{at:.0f} s' for at, _ in lines)}; {len(load.good())} answers, all written later"


@case(1, "when the bound of kept rows is reached, new requests get 503 before they are accepted", alone=True)
def bound_of_kept_rows(folder):
    vendors, bases = vendors_for()
    with Gateway(folder, bases, ROUTES) as gateway:
        gateway.start()
        ended, turned_away = [], []

        def flood():
            import http.client  # noqa: PLC0415

            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
            headers = {"authorization": "Bearer bj-faults-0", "content-type": "application/json"}
            while not turned_away:
                connection.request("POST", "/v1/chat/completions", BODY_OF_NOBODY, headers)
                answer = connection.getresponse()
                answer.read()
                ended.append(answer.status)
                if answer.status == 503:
                    turned_away.append(answer.headers.get("retry-after"))
                if len(ended) > 60_000:
                    return
            connection.close()

        before = gateway.resident()
        with FileLimit(gateway.pid):
            threads = [threading.Thread(target=flood) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(90)
            grown = gateway.resident() - before
        check(set(ended) <= {404, 503}, f"callers got {set(ended)}")
        check(turned_away, f"{len(ended)} requests were accepted and none was turned away")
        check(all(turned_away), "the 503 has no retry-after")
        check(grown < 200, f"{grown:.0f} MB for {len(ended)} rows")
        wait_until(lambda: gateway.ready() == 200, 15, "/readyz does not become ready again")
        wait_until(lambda: gateway.books()[0] == gateway.books()[1] == ended.count(404), 20, lambda: f"{ended.count(404)} accepted, books {gateway.books()}")
        check(gateway.ask().status == 200, "no request is answered after the fault")
        check(gateway.end() == 0, gateway.tail())
    vendors.stop()
    return f"{ended.count(404)} kept and all written later, then 503 with retry-after; {grown:.0f} MB"


@case(1, "captures, audit, campaigns, moves and webhooks are written again after failing writes")
def other_writers(folder):
    vendors, bases = vendors_for()
    listener = Receiver()
    extra = f"[capture]\nshare = 1.0\n[border]\nhome = \"SG\"\n{listener.config()}"
    with Gateway(folder, bases, {**ROUTES, "moving": ["source/m", "other/m"]}, extra=extra) as gateway:
        gateway.start()
        (folder / "policy.toml").write_text(POLICY)
        gateway.command("border", "activate", "policy.toml", "--yes")
        wait_until(lambda: gateway.ask().status == 403, 6, "the policy is not in force")
        gateway.command("border", "pause", "closed")
        wait_until(lambda: gateway.ask().status == 200, 6, "the policy is not paused")
        with Load(gateway, threads=2, pause=0.01) as load, Failing(gateway.pid, database_files(gateway.database), "EIO"):
            time.sleep(3)
            # Another process writes what the gateway has to take up.
            gateway.command("border", "resume", "closed", within=10)
            make_move(gateway, "late", "moving", soon(4))
            time.sleep(3)
        all_written(gateway, load)
        wait_until(lambda: gateway.ready() == 200, 12, "not ready again")
        wait_until(lambda: gateway.ask().status == 403, 10, "the policy that another process resumed is not taken up")
        gateway.command("border", "pause", "closed")
        wait_until(lambda: gateway.ask().status == 200, 6, "the policy is not paused")
        wait_until(lambda: " live " in gateway.command("move", "list"), 45, lambda: gateway.command("move", "show", "late"), 0.5)
        seen = gateway.rows("SELECT COUNT(*) FROM capture")[0][0]
        gateway.ask()
        wait_until(lambda: gateway.rows("SELECT COUNT(*) FROM capture")[0][0] > seen, 10, "no capture is recorded after the fault")
        verdicts = gateway.rows("SELECT COUNT(*) FROM audit WHERE kind = 'verdict'")[0][0]
        check(verdicts > 0, "no verdict is in the audit")
        gateway.command("audit", "verify")
        wait_until(lambda: {"policy.resumed", "move.page"} <= set(listener.kinds()), 20, lambda: f"webhooks got {set(listener.kinds())}")
        check(gateway.end() == 0, gateway.tail())
    listener.close()
    vendors.stop()
    return f"after 6 s of EIO: {seen + 1} captures, {verdicts} verdicts, the chain holds, the move is live, webhooks {sorted(set(listener.kinds()))}"


POLICY = """
id = "closed"
version = 1
title = { en = "closed", zh = "closed" }
zone = "UTC"
list = "ours"
places = ["DE"]
notice = "2024-06-25"
block = "2024-07-09"
unknown = "block"
differ = "stricter"
streams = "finish"
"""


def soon(seconds):
    """A date in a move's text, so many seconds from now."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + seconds))


def make_move(gateway, name, route, deadline, source="source/m", destination="other/m", more=""):
    text = f'id = "{name}"\ndeadline = "{deadline}"\n{more}\n[[routes]]\nroute = "{route}"\nsource = "{source}"\ndestination = "{destination}"\n'
    (gateway.folder / f"{name}.toml").write_text(text)
    gateway.command("move", "new", f"{name}.toml", within=15)


def cut_survives(folder, make_fault, how):
    """The source refuses during the fault; the process is killed in it. Returns what was seen after a new start."""
    vendors, bases = vendors_for()
    with Gateway(folder, bases, ROUTES) as gateway:
        gateway.start()
        with Load(gateway, threads=2, pause=0.01) as load:
            time.sleep(0.6)
            with make_fault(gateway):
                time.sleep(1.0)
                vendors.scripts["source"] = vendor.refuse
                wait_until(lambda: vendors.refused.get("source"), 5, "the source was not asked")
                time.sleep(2.0)
                gateway.kill()
        check(load.good(), "nobody was answered")
        asked = vendors.count("source")
        gateway.start()
        cuts = gateway.command("cuts", "list")
        answers = [gateway.ask(stream=n % 2 == 0).status for n in range(10)]
        check(vendors.count("source") == asked, f"the source refused and was asked again {vendors.count('source') - asked} times after the restart")
        check(answers == [200] * 10, f"callers got {answers} after the restart")
        check(str(vendors.ports["source"]) in gateway.command("cuts", "list"), f"`banjia cuts list` does not show it: {cuts}")
        gaps = gateway.rows("SELECT COUNT(*), SUM(writes_failed_at IS NOT NULL) FROM gap")[0]
        check(gaps == (1, 1), f"{gaps[0]} gaps, {gaps[1]} of them say since when writes failed; one that says it is right")
        check(gateway.end() == 0, gateway.tail())
    vendors.stop()
    return f"{how}: killed 2 s after the refusal; restarted, the source was asked {asked} times before and 0 times after; the gap says since when writes failed"


@case(2, "a cut during a full disk stands after kill -9")
def cut_full_disk(folder):
    return cut_survives(folder, lambda gateway: FileLimit(gateway.pid), "full disk")


@case(2, "a cut while the database answers EIO stands after kill -9")
def cut_eio(folder):
    return cut_survives(folder, lambda gateway: Failing(gateway.pid, database_files(gateway.database), "EIO"), "EIO")


@case(2, "a cut while the database is read-only stands after kill -9")
def cut_erofs(folder):
    return cut_survives(folder, lambda gateway: Failing(gateway.pid, database_files(gateway.database), "EROFS"), "EROFS")


class Locked:
    """Another program holds the database's lock."""

    def __init__(self, gateway):
        self.connection = sqlite3.connect(gateway.database, timeout=10, isolation_level=None, check_same_thread=False)
        self.connection.execute("BEGIN IMMEDIATE")

    def end(self):
        self.connection.execute("ROLLBACK")
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


@case(2, "a cut while another program locks the database stands after kill -9")
def cut_locked(folder):
    vendors, bases = vendors_for()
    with Gateway(folder, bases, ROUTES) as gateway:
        gateway.start()
        gateway.ask()
        time.sleep(0.5)
        with Locked(gateway):
            vendors.scripts["source"] = vendor.refuse
            answer = gateway.ask()
            check(answer.status == 200, f"the request that met the refusal got {answer.status}: {answer.body[:200]}")
            time.sleep(1.0)
            gateway.kill()
        asked = vendors.count("source")
        gateway.start()
        answers = [gateway.ask().status for _ in range(5)]
        check(vendors.count("source") == asked, "the source refused and was asked again after the restart")
        gateway.end()
    vendors.stop()
    return f"killed 1 s after the refusal; callers then got {answers} and the source was not asked"


@case(2, "a cut is kept in memory where the file beside the database fails too, and stored afterwards")
def cut_everything_fails(folder):
    vendors, bases = vendors_for()
    with Gateway(folder, bases, ROUTES) as gateway:
        gateway.start()
        files = [*database_files(gateway.database), f"{gateway.database}.state"]
        with Failing(gateway.pid, files, "EIO"):
            time.sleep(0.3)
            vendors.scripts["source"] = vendor.refuse
            answers = [gateway.ask().status for _ in range(5)]
            check(vendors.count("source") == 1, f"the source was asked {vendors.count('source')} times in the fault")
            wait_until(lambda: gateway.ready() == 503, 5, "/readyz is not red")
        wait_until(lambda: str(vendors.ports["source"]) in gateway.command("cuts", "list"), 12, "the cut was not stored after the fault")
        wait_until(lambda: gateway.ready() == 200, 12, "not ready again")
        gateway.kill()
        gateway.start()
        gateway.ask()
        check(vendors.count("source") == 1, "asked again after the restart")
        gateway.end()
    vendors.stop()
    return f"callers got {answers}; stored after the fault; the source was asked once in all"


@case("weak", "SIGTERM with a locked database ends within drain_ms and the gap is noted")
def stop_while_locked(folder):
    vendors, bases = vendors_for()
    with Gateway(folder, bases, ROUTES) as gateway:
        gateway.start()
        with Locked(gateway), Load(gateway, threads=2) as load:
            time.sleep(1.5)
            code = gateway.end(within=8)
        took = gateway.ended_in
        tail = gateway.tail()
        # A quarter of a second for the process itself and a busy machine.
        check(took < 4.25, f"it took {took:.2f} s, drain_ms is 4000:\n{tail}")
        check(code != 0, f"exit code {code} although rows were not written:\n{tail}")
        check(not gateway.said("the ledger is closed"), f"it says that the ledger is closed:\n{tail}")
        gateway.start()
        gaps = gateway.rows("SELECT COUNT(*) FROM gap")[0][0]
        missing = len(load.good() - gateway.ledger())
        check(gaps == 1, f"{gaps} gaps are noted; {missing} rows are missing")
        gateway.end()
    vendors.stop()
    return f"ended in {took:.1f} s with code {code} (drain_ms 4000); {missing} rows missing, 1 gap noted"
