"""Row 3: numbers that no request can have used, and rows that cannot be read, stop no deadline and no command."""

import time

import vendor
from case import case, check, wait_until
from cases_writes import POLICY, make_move, soon
from gateway import Gateway, Load
from webhooks import Receiver

# A move is looked at every two seconds; a step takes less than one.
LATE_AT_MOST = 8


@case(3, "a destination that reports impossible token counts does not freeze its move")
def hostile_numbers(folder):
    vendors, listener = vendor.Vendors("source", "other", "good"), Receiver()
    vendors.scripts["other"] = vendor.hostile
    routes = {"moving": ["source/m", "other/m"], "calm": ["source/m", "good/m"]}
    with Gateway(folder, vendors.bases(), routes, extra=f'[border]\nhome = "SG"\n{listener.config()}') as gateway:
        gateway.start()
        deadline = time.time() + 16
        make_move(gateway, "storm", "moving", soon(16))
        make_move(gateway, "calm", "calm", soon(16), destination="good/m")
        gateway.command("move", "override", "storm", "--to", "canary", "--share", "90%", "--reason", "a test")
        time.sleep(2.5)
        answers = [gateway.ask("moving", stream=n % 2 == 0, content=f"question {n}") for n in range(80)]
        check({a.status for a in answers} == {200}, f"callers got {sorted(a.status for a in answers)}")
        check(vendors.count("other") > 40, f"the destination was asked {vendors.count('other')} times of 80")
        wait_until(lambda: len(gateway.ledger()) >= 80, 5, "the rows are not written")
        (folder / "policy.toml").write_text(POLICY)
        for command in (["move", "show", "storm"], ["border", "affected", "--policy", "policy.toml", "--days", "1", "--requests", "1"], ["border", "activate", "policy.toml", "--yes"]):
            gateway.command(*command)
        gateway.command("border", "retire", "closed")
        largest = gateway.rows("SELECT MAX(MAX(ABS(COALESCE(prompt_tokens, 0)), ABS(COALESCE(completion_tokens, 0)))) FROM ledger")[0][0]
        check(largest < 10**7, f"{largest} tokens stand in the ledger for a request of a few words")
        left = deadline - time.time()
        time.sleep(max(0, left))
        wait_until(lambda: gateway.command("move", "list").count(" live ") == 2, LATE_AT_MOST, lambda: gateway.command("move", "list"), 0.5)
        late = time.time() - deadline
        time.sleep(1)
        asked = vendors.count("source")
        check({gateway.ask("moving", content=f"later {n}").status for n in range(20)} == {200}, "callers are not answered after the deadline")
        check(vendors.count("source") == asked, "the source was asked after the deadline")
        wait_until(lambda: "move.page" in listener.kinds(), 10, "nobody was paged")
        gateway.command("move", "show", "storm")
        check(gateway.end() == 0, gateway.tail())
    listener.close()
    vendors.stop()
    return f"80 answers, at most {largest} tokens in the ledger; both moves live {late:.1f} s after their deadline, people paged, every command worked"


@case(3, "a move that cannot be read stops no other move, and people are paged")
def unreadable_move(folder):
    vendors, listener = vendor.Vendors("source", "other"), Receiver()
    routes = {name: ["source/m", "other/m"] for name in ("bad", "good")}
    with Gateway(folder, vendors.bases(), routes, extra=listener.config()) as gateway:
        gateway.start()
        deadline = time.time() + 10
        for name in routes:
            make_move(gateway, name, name, soon(10))
        time.sleep(2.5)
        wait_until(lambda: gateway.said("bad", "deadline"), 5, "the notice of the near deadline is not in the log")
        garbled = time.monotonic()
        unreadable = "INSERT INTO move_event (move, seq, at, actor, body) SELECT 'bad', MAX(seq) + 1, MAX(at), 'a hand', ? FROM move_event WHERE move = 'bad'"
        gateway.change(unreadable, '{"kind": "no event at all"}')
        gateway.change("UPDATE move_change SET number = number + 1")
        time.sleep(max(0, deadline - time.time()))

        def stage():
            return [row for row in gateway.rows("SELECT body FROM move_event WHERE move = 'good'") if '"cut"' in row[0]]

        wait_until(stage, LATE_AT_MOST, lambda: f"the good move is not past its deadline:\n{gateway.tail()}", 0.3)
        late = time.time() - deadline
        time.sleep(1)
        asked = vendors.count("source")
        answers = [gateway.ask("good", content=f"{n}").status for n in range(10)]
        check(answers == [200] * 10 and vendors.count("source") == asked, f"{answers}; the source was asked {vendors.count('source') - asked} times")

        def errors():
            return [line for at, line in gateway.log if at > garbled and "ERROR" in line and "bad" in line]

        paged = wait_until(errors, 30, lambda: f"no error names the bad move:\n{gateway.tail()}", 0.3)
        wait_until(lambda: [1 for event in listener.events if event.at > garbled and event.kind == "move.page" and event.data.get("move") == "bad"], 10, lambda: f"webhooks got {listener.kinds()}")
        check(len(errors()) <= 10, f"{len(errors())} error lines")
        # A new process reads everything from the database, the unreadable row too.
        gateway.kill()
        gateway.start()
        asked = vendors.count("source")
        again = [gateway.ask("good", content=f"again {n}").status for n in range(10)]
        check(again == [200] * 10 and vendors.count("source") == asked, f"after a restart: {again}; the source was asked {vendors.count('source') - asked} times")
        gateway.command("move", "show", "good")
        gateway.end()
    listener.close()
    vendors.stop()
    return f"the good move was live {late:.1f} s after its deadline; the log says of the bad one: {paged[0][28:150]}"


@case(3, "a move whose database cannot be written at its deadline does not ask the source")
def deadline_while_failing(folder):
    from inject import FileLimit  # noqa: PLC0415

    vendors = vendor.Vendors("source", "other")
    with Gateway(folder, vendors.bases(), {"moving": ["source/m", "other/m"]}) as gateway:
        gateway.start()
        deadline = time.time() + 7
        make_move(gateway, "late", "moving", soon(7))
        time.sleep(3)
        with Load(gateway, models=("moving",), threads=2, pause=0.02) as load, FileLimit(gateway.pid):
            time.sleep(max(0, deadline + 2 - time.time()))
            asked = vendors.count("source")
            time.sleep(3)
            more = vendors.count("source") - asked
        check(asked > 10, "the source was not asked before the deadline")
        check(more == 0, f"the source was asked {more} times after its date")
        wait_until(lambda: " live " in gateway.command("move", "list"), 15, lambda: gateway.command("move", "show", "late"), 0.5)
        gateway.end()
    vendors.stop()
    return f"{asked} questions before the date, 0 after it; live after the fault; callers got {load.statuses()}"


@case(3, "a restart asks no source after its date and serves nobody whom a policy refuses")
def restarts(folder):
    vendors = vendor.Vendors("source", "other")
    routes = {"moving": ["source/m", "other/m"], "calm": ["other/m"]}
    with Gateway(folder, vendors.bases(), routes, extra='[border]\nhome = "SG"') as gateway:
        gateway.start()
        make_move(gateway, "late", "moving", soon(2))
        wait_until(lambda: " live " in gateway.command("move", "list"), 10, "the move is not live", 0.3)
        asked, answers = vendors.count("source"), 0
        for _ in range(8):
            gateway.kill()
            with Load(gateway, models=("moving",), threads=6, wait=0.0005) as load:
                gateway.start()
                time.sleep(0.1)
            answers += len(load.answers)
            check(load.good(), "nobody was answered after a restart")
            check(vendors.count("source") == asked, f"a restart asked the source {vendors.count('source') - asked} times after its date")
        (folder / "policy.toml").write_text(POLICY)
        gateway.command("border", "activate", "policy.toml", "--yes")
        for _ in range(8):
            gateway.kill()
            with Load(gateway, models=("calm",), threads=6, wait=0.0005) as load:
                gateway.start()
                time.sleep(0.1)
            answers += len(load.answers)
            check(not load.good(), f"a restart served {len(load.good())} callers whom the policy refuses")
        gateway.end()
    vendors.stop()
    return f"16 restarts under load, {answers} answers: the source was not asked, and nobody was served against the policy"
