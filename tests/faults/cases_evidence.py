"""Row 8 and its weak neighbours: what somebody with the database changes by hand is noticed; outputs and files are safe."""

import os
import stat

import vendor
from case import case, check, wait_until
from cases_writes import POLICY
from gateway import Gateway


def with_verdicts(folder, vendors):
    """A gateway with a policy in force, an exemption and some refused requests in the audit."""
    gateway = Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, extra='[border]\nhome = "SG"\n[capture]\nshare = 1.0')
    gateway.start()
    check([gateway.ask().status for _ in range(3)] == [200] * 3, "not served before the policy")
    (folder / "policy.toml").write_text(POLICY)
    gateway.command("border", "activate", "policy.toml", "--yes")
    gateway.command("border", "exempt", "add", "account-9", "--until", "2030-01-01", "--owner", "kim", "--reason", "a test", "--id", "exempt-1")
    wait_until(lambda: gateway.ask().status == 403, 6, "the policy is not in force")
    for _ in range(5):
        gateway.ask()
    wait_until(lambda: gateway.rows("SELECT COUNT(*) FROM audit WHERE kind = 'verdict'")[0][0] > 0, 5, "no verdict is in the audit")
    check(gateway.end() == 0, gateway.tail())
    gateway.command("audit", "verify")
    return gateway


def noticed(gateway, change, undo):
    """Whether `audit verify` ends with an error after a change by hand, which is then undone."""
    gateway.change(*change)
    code, said = gateway.command("audit", "verify", codes=None)
    gateway.change(*undo)
    return code != 0, said


@case(8, "a body that was set to NULL by hand is a fault of the audit")
def audit_body_erased(folder):
    vendors = vendor.Vendors("source")
    gateway = with_verdicts(folder, vendors)
    kinds = []
    for kind, seq in gateway.rows("SELECT kind, MIN(seq) FROM audit WHERE body IS NOT NULL GROUP BY kind ORDER BY kind"):
        gateway.change("UPDATE audit SET body = NULL WHERE seq = ?", seq)
        code, said = gateway.command("audit", "verify", codes=None)
        check(code != 0, f"the body of entry {seq} ({kind}) is gone, and `audit verify` says: {said}")
        kinds.append(kind)
    vendors.stop()
    return f"noticed for {', '.join(kinds)}"


@case(8, "a body that retention erased is none, also when more is erased later")
def audit_retention(folder):
    vendors = vendor.Vendors("source")
    gateway = with_verdicts(folder, vendors)
    said = gateway.command("audit", "forget", "policy", "--days", "0", "--by", "kim")
    verified = gateway.command("audit", "verify")
    check("erased" in verified, verified)
    seq = gateway.rows("SELECT MIN(seq) FROM audit WHERE body IS NOT NULL")[0][0]
    gateway.change("UPDATE audit SET body = NULL WHERE seq = ?", seq)
    code, told = gateway.command("audit", "verify", codes=None)
    check(code != 0, f"after a true retention another body is erased by hand, and `audit verify` says: {told}")
    vendors.stop()
    return f"{said.strip()} Then {verified.splitlines()[0]}; one more erased by hand is a fault"


@case(8, "exemptions and policies that were changed by hand are noticed")
def policies_changed(folder):
    vendors = vendor.Vendors("source")
    gateway = with_verdicts(folder, vendors)
    changes = {
        "an exemption's end": (("UPDATE exemption SET until_at = until_at + 1",), ("UPDATE exemption SET until_at = until_at - 1",)),
        "an exemption's account": (("UPDATE exemption SET account = 'account-0'",), ("UPDATE exemption SET account = 'account-9'",)),
        "an exemption ended": (("UPDATE exemption SET ended_at = 1",), ("UPDATE exemption SET ended_at = NULL",)),
        "a policy paused": (("UPDATE policy SET state = 'paused'",), ("UPDATE policy SET state = 'active'",)),
        "a policy retired": (("UPDATE policy SET state = 'retired'",), ("UPDATE policy SET state = 'active'",)),
        "a policy's text": (("UPDATE policy SET text = replace(text, 'DE', 'SG')",), ("UPDATE policy SET text = replace(text, 'SG', 'DE')",)),
        "an exemption added": (
            ("INSERT INTO exemption (id, account, owner, reason, from_at, until_at, granted_at) VALUES ('forged', 'account-0', 'x', 'x', 1, 9999999999999, 1)",),
            ("DELETE FROM exemption WHERE id = 'forged'",),
        ),
        "an exemption deleted": (
            ("DELETE FROM exemption",),
            ("INSERT INTO exemption SELECT * FROM kept",),
        ),
    }
    gateway.change("CREATE TABLE kept AS SELECT * FROM exemption")
    unseen = []
    for name, (change, undo) in changes.items():
        seen, _ = noticed(gateway, change, undo)
        unseen += [] if seen else [name]
    gateway.command("audit", "verify")
    check(not unseen, f"`audit verify` does not notice: {', '.join(unseen)}")
    vendors.stop()
    return f"noticed: {', '.join(changes)}; without them the chain holds"


@case("weak", "a capture's account, route, outcome, cost and times cannot be changed unseen")
def captures_changed(folder):
    vendors = vendor.Vendors("source")
    gateway = with_verdicts(folder, vendors)
    gateway.command("captures", "export")
    changes = {
        "account": "'other'", "route": "'other'", "outcome": "'failed'", "cost_micros": "12345", "accepted_at": "accepted_at + 60000",
        "total_ms": "total_ms + 1", "first_content_ms": "COALESCE(first_content_ms, 0) + 1", "prompt_tokens": "COALESCE(prompt_tokens, 0) + 1",
        "vendor": "'other'", "model": "'other'",
    }
    gateway.change("CREATE TABLE kept AS SELECT * FROM capture")
    unseen = []
    for column, value in changes.items():
        gateway.change(f"UPDATE capture SET {column} = {value} WHERE seq = (SELECT MIN(seq) FROM capture)")
        code, said = gateway.command("captures", "export", codes=None)
        if code == 0 and "changed" not in said:
            unseen.append(column)
        gateway.change("DELETE FROM capture")
        gateway.change("INSERT INTO capture SELECT * FROM kept")
    gateway.command("captures", "export")
    check(not unseen, f"`captures export` does not notice a change of {', '.join(unseen)}")
    vendors.stop()
    return f"noticed: {', '.join(changes)}"


@case("weak", "no command prints control characters of others")
def no_control_characters(folder):
    vendors = vendor.Vendors("source")
    evil = "evil\x1b[31m\x07\u009b2J\u202e"
    with Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, extra="[capture]\nshare = 1.0") as gateway:
        gateway.start()
        for number in range(3):
            tool = {"type": "function", "function": {"name": f"t{evil}", "parameters": {}}}
            gateway.ask(more={f"p{evil}{number}": 1, "tools": [tool], "user": evil}, headers={"user-agent": "evil\u009b31m/1.0".encode()})
        gateway.ask(model=f"none{evil}")
        gateway.command("border", "appeal", "open", "account-0", f"please {evil}")
        wait_until(lambda: len(gateway.ledger()) >= 4, 5, "the rows are not written")
        gateway.end()
        log = "\n".join(line for _, line in gateway.log)
        outputs = {"the log": log}
        for command in (["survey"], ["captures", "list"], ["border", "appeal", "list"], ["audit", "list"], ["cuts", "list"]):
            outputs[" ".join(command)] = gateway.command(*command)
    shown = []
    for name, text in outputs.items():
        found = {hex(ord(c)) for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or c in "\u202e\u2066\u202a"}
        shown += [f"{name} ({', '.join(sorted(found))})"] if found else []
    check("evil" in outputs["survey"] and "evil" in outputs["border appeal list"], f"the names are not shown at all:\n{outputs['survey']}")
    check(not shown, f"control characters in {'; '.join(shown)}")
    vendors.stop()
    return f"clean: {', '.join(outputs)}"


@case("weak", "files hold their owner's rights only")
def private_files(folder):
    os.umask(0o022)
    vendors = vendor.Vendors("source")
    with Gateway(folder, vendors.bases(), {"chat": ["source/m"]}, extra="[capture]\nshare = 1.0") as gateway:
        made_before = set(folder.iterdir())
        gateway.start()
        gateway.ask()
        wait_until(lambda: gateway.ledger(), 5, "no row is written")
        made = [file for file in folder.iterdir() if file not in made_before]
        modes = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in sorted(made)}
        gateway.end()
    wide = {name: mode for name, mode in modes.items() if mode not in ("0o600", "0o700")}
    check(len(made) >= 4 and not wide, f"others may read {wide}")
    vendors.stop()
    return f"{', '.join(f'{name} {mode}' for name, mode in modes.items())}"
