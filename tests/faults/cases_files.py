"""Rows 4, 5, 9 and 10: configuration files that are cut off, hang, hold secrets in wrong places, or are bad in one part."""

import functools
import os
import random
import signal
import subprocess
import time

import vendor
from case import case, check, wait_until
from cases_writes import POLICY, make_move, soon, vendors_for
from gateway import BANJIA, Gateway, Load, key_lines

KEYS = [f"bj-faults-{n}" for n in range(8)]
MODELS = [f"model-{n}" for n in range(8)]


def many(folder, bases, **more):
    return Gateway(folder, bases, {model: ["source/m", "other/m"] for model in MODELS}, keys=key_lines(len(KEYS)), **more)


def refused(load):
    return {status: count for status, count in load.statuses().items() if status != 200}


@case(4, "a configuration that is emptied or cut off while it is written takes no key and no route away")
def rewritten_in_place(folder):
    vendors, bases = vendors_for()
    with many(folder, bases) as gateway:
        gateway.start()
        whole = gateway.text
        keys_at, chance, rewrites = whole.index("[[keys]]"), random.Random(4), 0
        with Load(gateway, MODELS, threads=4, pause=0.005, keys=KEYS) as load:
            # Emptied; all but the keys; a third of the keys; no routes. Each stands until it was read twice. Then anywhere.
            cuts = [(0, 4.5), (keys_at, 4.5), (keys_at + (len(whole) - keys_at) // 3, 4.5), (whole.index("[[routes]]"), 4.5)]
            for at, stands in [*cuts, *((chance.randrange(len(whole)), 1.5) for _ in range(4))]:
                with open(gateway.file, "w", buffering=1) as file:
                    file.write(whole[:at])
                    file.flush()
                    time.sleep(stands)
                    file.write(whole[at:])
                rewrites += 1
                time.sleep(0.3)
        check(len(load.answers) > 100, "too few requests to tell")
        check(not refused(load), f"of {len(load.answers)} requests {refused(load)} were refused during {rewrites} rewrites")
        told = gateway.said("allow_shrink")
        check(told, f"no line of the log names allow_shrink:\n{gateway.tail()}")
        gateway.end()
    vendors.stop()
    return f"{rewrites} rewrites in place, {len(load.answers)} requests, every one answered; logged {len(told)} times: {told[0][28:180]}"


@case(4, "a configuration that takes keys away is taken with allow_shrink = true, and with SIGUSR1")
def shrinks_by_word(folder):
    vendors, bases = vendors_for()
    with many(folder, bases) as gateway:
        gateway.start()
        small = gateway.text[: gateway.text.index("[[keys]]")] + key_lines(1).split("\n", 2)[2]
        gateway.file.write_text(small)
        time.sleep(3.5)
        check(gateway.ask(MODELS[0], key=KEYS[7]).status == 200, "keys were taken away without a word")
        gateway.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: gateway.ask(MODELS[0], key=KEYS[7]).status == 401, 6, lambda: f"SIGUSR1 does not take the file up:\n{gateway.tail()}")
        check(gateway.ask(MODELS[0], key=KEYS[0]).status == 200, "the key that stays does not work")
        gateway.file.write_text(gateway.text)
        wait_until(lambda: gateway.ask(MODELS[0], key=KEYS[7]).status == 200, 6, "a file with more keys is not taken up")
        gateway.file.write_text("allow_shrink = true\n" + small)
        wait_until(lambda: gateway.ask(MODELS[0], key=KEYS[7]).status == 401, 6, lambda: f"allow_shrink = true does not take the file up:\n{gateway.tail()}")
        check(gateway.end() == 0, gateway.tail())
    vendors.stop()
    return "refused without a word; taken with SIGUSR1 and with allow_shrink = true"


@case(4, "a reload does not take away a route of a running move")
def moving_route_stays(folder):
    vendors, bases = vendors_for()
    with many(folder, bases) as gateway:
        gateway.start()
        make_move(gateway, "going", MODELS[0], "2027-01-01T00:00")
        time.sleep(2.5)
        gateway.file.write_text(gateway.text.replace(f'[[routes]]\nname = "{MODELS[0]}"\ntargets = ["source/m", "other/m"]\n', ""))
        time.sleep(3.5)
        status = gateway.ask(MODELS[0]).status
        check(status == 200, f"the moving route answers {status}")
        check(gateway.said("allow_shrink"), gateway.tail())
        gateway.end()
    vendors.stop()
    return "the route still answers, and the log says why the file was not taken"


def still_works(gateway):
    """The border and moves go on, and SIGTERM ends the process in time; what was seen."""
    # Commands would read the file too, so they run in another folder.
    beside = gateway.folder / "beside"
    beside.mkdir()
    (beside / "policy.toml").write_text(POLICY)

    def command(*arguments):
        return gateway.command(*arguments, "--store", str(gateway.database), beside=beside)

    command("border", "activate", "policy.toml", "--yes")
    wait_until(lambda: gateway.ask(MODELS[1]).status == 403, 6, "the border does not take up a policy")
    command("border", "retire", "closed")
    wait_until(lambda: gateway.ask(MODELS[1]).status == 200, 6, "the border does not take up that a policy is retired")
    wait_until(lambda: " live " in command("move", "list"), 12, "the move is not live", 0.5)
    resident = gateway.resident()
    code = gateway.end(within=8)
    check(code == 0, f"exit code {code}:\n{gateway.tail()}")
    return f"policy in force, move live, {resident:.0f} MB resident, SIGTERM ended it in {gateway.ended_in:.1f} s"


@case(5, "a configuration file that hangs stops neither SIGTERM nor border nor moves")
def hanging_file(folder):
    vendors, bases = vendors_for()
    with many(folder, bases, extra='[border]\nhome = "SG"') as gateway:
        gateway.start()
        make_move(gateway, "going", MODELS[0], soon(9))
        time.sleep(1)
        gateway.file.unlink()
        os.mkfifo(gateway.file)
        time.sleep(1.5)
        gateway.process.send_signal(signal.SIGHUP)
        time.sleep(2)
        check(gateway.ask(MODELS[0]).status == 200, "not served")
        seen = still_works(gateway)
    vendors.stop()
    return f"with a FIFO in place of the file: {seen}"


@case(5, "a secret's file without an end costs neither memory nor the process")
def endless_secret(folder):
    vendors, bases = vendors_for()
    with many(folder, bases, extra='[border]\nhome = "SG"') as gateway:
        gateway.start()
        make_move(gateway, "going", MODELS[0], soon(9))
        (folder / "zero").symlink_to("/dev/zero")
        before = gateway.resident()
        gateway.file.write_text(gateway.text.replace('credential = "none"', 'credential = "file:zero"', 1))
        most, end = 0.0, time.monotonic() + 5
        while time.monotonic() < end:
            most = max(most, gateway.resident())
            check(most - before < 200, f"memory grew by {most - before:.0f} MB")
            time.sleep(0.05)
        check(gateway.ask(MODELS[0]).status == 200, "not served")
        checked = subprocess.run([BANJIA, "check", "banjia.toml"], cwd=folder, capture_output=True, text=True, timeout=20, preexec_fn=None)
        check(checked.returncode == 1 and "zero" in checked.stdout + checked.stderr, f"check says: {checked.stdout + checked.stderr}")
        seen = still_works(gateway)
    vendors.stop()
    return f"file:zero linked to /dev/zero: memory grew by {most - before:.0f} MB, the old settings stay, {seen}"


@case(5, "commands that read the file by themselves end with a sentence where it hangs; check can be stopped")
def hanging_commands(folder):
    os.mkfifo(folder / "banjia.toml")
    seen = []
    for command in (["serve"], ["cuts", "list"], ["move", "list"]):
        began = time.monotonic()
        try:
            done = subprocess.run([BANJIA, *command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=25)
        except subprocess.TimeoutExpired:
            check(False, f"banjia {' '.join(command)} hangs")
        check(done.returncode != 0 and "banjia.toml" in done.stderr + done.stdout, f"banjia {command} ended with {done.returncode}: {done.stderr}")
        seen.append(f"{' '.join(command)} {time.monotonic() - began:.1f} s")
    # A person may give `check` a pipe, so it waits for one for two minutes; Ctrl-C ends it.
    # A shell that runs the tests in the background has them ignore SIGINT, and children inherit that.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    waiting = subprocess.Popen([BANJIA, "check"], cwd=folder, preexec_fn=heed, **quiet)
    time.sleep(1)
    waiting.send_signal(signal.SIGINT)
    try:
        waiting.wait(5)
    except subprocess.TimeoutExpired:
        waiting.kill()
        check(False, "Ctrl-C does not end `banjia check`")
    return ", ".join(seen)


# No secret: it looks like one, and must be starred.
SECRET = "sk-" + "proj-Qm7Zx2Vn9Kd4Lp8Rt6Wy3Bc5"
LOOKS = {
    "a misspelt key": f'[[vendors]]\nname = "zhipu"\ncredental = "{SECRET}"\n',
    "an unknown table": f'[vendorz]\nname = "zhipu"\ntoken = "{SECRET}"\n',
    "an inline table": f'[[vendors]]\nname = "zhipu"\nauth = {{ credental = "{SECRET}" }}\n',
    "an array": f'[[vendors]]\nname = "zhipu"\ncredentials = ["{SECRET}", "b"]\n',
    "a multi-line string": f'[[vendors]]\nname = "zhipu"\ncredental = """\n{SECRET}\n"""\n',
    "a key in place of its hash": f'[[accounts]]\nid = "a"\n[[keys]]\nid = "k"\naccount = "a"\nhash = "{SECRET}"\n',
    "a key in place of its id": f'[[accounts]]\nid = "a"\n[[keys]]\nid = "{SECRET}"\naccount = "b"\nhash = "x"\n',
    "a key in place of a vendor": f'[[routes]]\nname = "r"\ntargets = ["{SECRET}/m"]\n',
    "a key as the vendor's name": f'[[vendors]]\nname = "{SECRET}"\n',
    "a password in a base URL": f'[[vendors]]\nname = "own"\nprofile = "openai-compatible"\nbase = "https://kim:{SECRET}@10.0.0.1/v1?x= y"\n',
    "a password in a base URL that is no key": '[[vendors]]\nname = "own"\nprofile = "openai-compatible"\nbase = "ftp://kim:correct-horse-battery@10.0.0.1/v1"\n',
    "a token in a webhook's URL": f'[[webhooks]]\nname = "ops"\nurl = "http://example.com/{SECRET}"\nsecret = "x"\n',
    "text that is no TOML": f'[[vendors]\nname = "zhipu"\ncredental = {SECRET}\n',
    "a string that does not end": f'[[vendors]]\nname = "zhipu"\ncredental = "{SECRET}\n',
    "a mail password misspelt": f'[mail]\nhost = "h"\nfrom = "a@b.c"\npasword = "{SECRET}"\n',
    "a wrong type": f'[serve]\nbind = "{SECRET}"\n',
    "a number's place": f'[serve]\ndrain_ms = "{SECRET}"\n',
}


@case(9, "no output of check, serve or a reload shows a value that could be a secret")
def secrets_in_wrong_places(folder):
    shown = []
    for name, text in LOOKS.items():
        (folder / "banjia.toml").write_text(text)
        for command in (["check", "--without-secrets"], ["serve", "--listen", "127.0.0.1:0"], ["cuts", "list"], ["move", "list"]):
            try:
                done = subprocess.run([BANJIA, *command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5)
                said = done.stdout + done.stderr
            except subprocess.TimeoutExpired as late:
                said = ((late.stdout or b"") + (late.stderr or b"")).decode(errors="replace")
            joined = "".join(said.replace("│", "").split())
            if any(secret in joined for secret in (SECRET, SECRET[:20], "correct-horse")):
                shown.append(f"{name} by `{' '.join(command[:1])}`")
    check(not shown, f"{len(shown)} outputs show the secret: {'; '.join(shown)}")
    return f"{len(LOOKS)} files, 4 commands each: nothing shown"


HOOK = '[[webhooks]]\nname = "ops"\nurl = "https://127.0.0.1/x"\nsecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="\n'
BAD_HOOKS = {
    "a secret that cannot sign": HOOK.replace("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "short"),
    "http to another machine": HOOK.replace("https://127.0.0.1/x", "http://192.0.2.1/x"),
    "a password in the url": HOOK.replace("https://127.0.0.1/x", "https://a:b@127.0.0.1/x"),
    "a fragment in the url": HOOK.replace("https://127.0.0.1/x", "https://127.0.0.1/x#y"),
    "another scheme": HOOK.replace("https://127.0.0.1/x", "ftp://127.0.0.1/x"),
    "no url": HOOK.replace("https://127.0.0.1/x", "nonsense"),
    "a name twice": HOOK + HOOK,
    "an event that is not there": HOOK + 'events = ["no.such"]\n',
    "an empty name": HOOK.replace('"ops"', '""'),
}


@case(10, "what serve refuses, check refuses; a reload with one bad part changes nothing")
def one_builder(folder):
    vendors, bases = vendors_for()
    with many(folder, bases) as gateway:
        gateway.start()
        differ, taken = [], []
        for number, (name, hook) in enumerate(BAD_HOOKS.items()):
            bad = gateway.text.replace("[[vendors]]", f"{hook}\n[[vendors]]", 1) + f'[[routes]]\nname = "new-{number}"\ntargets = ["source/m"]\n'
            (folder / "bad.toml").write_text(bad)
            checked = subprocess.run([BANJIA, "check", "bad.toml"], cwd=folder, capture_output=True, text=True, timeout=20)
            try:
                # Port 0 and another database: only the file decides.
                (folder / "alone.toml").write_text(bad.replace('path = "banjia.db"', f'path = "alone-{number}.db"'))
                served = subprocess.run([BANJIA, "serve", "--config", "alone.toml", "--listen", "127.0.0.1:0"], cwd=folder, capture_output=True, text=True, timeout=3)
                refuses = served.returncode != 0
            except subprocess.TimeoutExpired:
                refuses = False
            if refuses != (checked.returncode != 0):
                differ.append(name)
            if not refuses:
                continue
            gateway.file.write_text(bad)
            gateway.process.send_signal(signal.SIGHUP)
            wait_until(lambda: gateway.ask(f"new-{number}").status == 200 or gateway.said("old settings stay") or gateway.said("stays"), 4, "the reload is not logged")
            time.sleep(0.5)
            if gateway.ask(f"new-{number}").status == 200:
                taken.append(name)
        check(not differ, f"check and serve differ on: {', '.join(differ)}")
        check(not taken, f"a reload took part of a bad file up: {', '.join(taken)}")
        gateway.end()
    vendors.stop()
    return f"{len(BAD_HOOKS)} bad webhooks: check and serve agree on each, and no reload took anything of such a file"
