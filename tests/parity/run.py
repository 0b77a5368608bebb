"""Parity of a real model with itself and with a worse setting of itself.

    python3 tests/parity/run.py FOLDER      (the folder that tests/real_model/build prints)

The source is SmolLM2 at a low temperature, asked twice; the equal destination is the same with other seeds, the worse one is so hot
that it loses the thread. With many prompts equal must be called equal and worse worse; with few neither may be said. The model is
tiny, so what is asked of it is small: a short sentence about a given thing, which must name the thing.
Plain Python; the verdicts are those of the real binary (BANJIA).
"""

import concurrent.futures
import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import rig  # noqa: E402

THINGS = """apple river castle horse garden bridge candle mountain violin ship bread forest train clock mirror window
baker teacher doctor farmer sailor painter king queen lion tiger elephant rabbit eagle owl whale dolphin
rose tulip oak desert island village city library school hospital market museum theatre harbour lighthouse
rain snow storm rainbow sun moon star winter summer autumn spring morning night fire
piano guitar drum trumpet book letter lamp chair table door key hammer ladder basket blanket
coffee tea milk cheese honey soup pizza cake lemon orange banana potato tomato onion
dog cat mouse bear wolf fox deer cow sheep goat duck frog turtle spider bee butterfly
car bicycle truck bus plane rocket robot computer camera phone""".split()
ASKS = ["Write one short sentence about a {}.", "Tell me one fact about the word {}. Use the word {}."]
COOL = {"temperature": 0.2, "top_p": 0.95}
HOT = {"temperature": 3.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
FEW = 24
TOKENS = 12
MANY = 160
JUDGED = ["--margin", "answered=0.05", "--margin", "assertions=0.12", "--margin", "length=0.15", "--margin", "language=0.12", "--margin", "refusal=0.1"]
# The machine is shared with other tests, so times say nothing here.
UNJUDGED = [f"--margin={axis}=off" for axis in ("first_content", "latency", "latency_tail")]
SEEDS = {"live": 1_000, "repeat": 200_000, "equal": 400_000, "worse": 600_000}


def ask(base, prompt, seed, setting):
    body = {"model": "smollm2", "messages": [{"role": "user", "content": prompt}], "max_tokens": TOKENS, "seed": seed, **setting}
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=120) as answer:
        said = json.load(answer)
    return {"choices": said["choices"]}, max(1, round((time.monotonic() - begun) * 1000))


def line(number, prompt, leg, target, answer):
    said, ms = answer
    request = {"model": "smollm2", "messages": [{"role": "user", "content": prompt}], "max_tokens": TOKENS}
    return {"id": f"p{number}", "leg": leg, "at": number, "route": "smollm2", "target": target, "endpoint": "chat", "request": request, "answer": said, "outcome": "answered", "total_ms": ms}


def gather(base, prompts):
    """The lines of the source, of its equal and of the worse setting, by number of prompt."""
    legs = [("live", "live", "local/cool", COOL), ("repeat", "repeat", "local/cool", COOL), ("equal", "replay", "local/again", COOL), ("worse", "replay", "local/hot", HOT)]

    def one(job):
        number, (name, leg, target, setting) = job
        return name, line(number, prompts[number], leg, target, ask(base, prompts[number], SEEDS[name] + number, setting))

    found = {name: [] for name in SEEDS}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, made in pool.map(one, [(number, leg) for number in range(len(prompts)) for leg in legs]):
            found[name].append(made)
    return found


def judge(folder, name, captures):
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(capture) + "\n" for capture in captures))
    command = [rig.BANJIA, "parity", f"{name}.jsonl", "--expect", "expect.jsonl", "--json", f"{name}.json", "--html", f"{name}.html", *JUDGED, *UNJUDGED]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    print(f"\n{name}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.returncode, json.loads((folder / f"{name}.json").read_text())


def check(base, folder):
    things = [(thing, ask) for ask in ASKS for thing in THINGS][:MANY]
    prompts = [ask.format(*[thing] * ask.count("{}")) for thing, ask in things]
    expectations = [{"id": f"p{number}", "contains": thing} for number, (thing, _) in enumerate(things)]
    (folder / "expect.jsonl").write_text("".join(json.dumps(expect) + "\n" for expect in expectations))
    begun = time.monotonic()
    found = gather(base, prompts)
    print(f"{len(prompts)} prompts, {4 * len(prompts)} answers in {time.monotonic() - begun:.0f} s")
    source = found["live"] + found["repeat"]
    few = {capture["id"] for capture in found["live"][:FEW]}
    wanted = [("equal", "equal", 0), ("worse", "worse", 1), ("equal", "not_enough_data", 3)]
    failed = []
    for number, (destination, verdict, code) in enumerate(wanted):
        captures = source + found[destination]
        name = destination
        if number == 2:
            captures, name = [capture for capture in captures if capture["id"] in few], "few"
        left, report = judge(folder, name, captures)
        judged = {axis["axis"] for axis in report["axes"] if axis["margin"] is not None and axis["pairs"] >= len(captures) / 6}
        if (left, report["verdict"]) != (code, verdict) or not {"assertions", "length", "refusal"} <= judged:
            failed.append(f"{name}: wanted {verdict} ({code}), found {report['verdict']} ({left}), judged {sorted(judged)}")
    return failed


def main(folder):
    port = rig.free_port()
    model = glob.glob(f"{folder}/models/*.gguf")[0]
    # One thread: two would wait for each other in circles whenever anything else runs, and take eight times as long.
    command = [f"{folder}/build/bin/llama-server", "-m", model, "--host", "127.0.0.1", "--port", str(port), "--alias", "smollm2", "--jinja", "-c", "4096", "-np", "4", "-t", "1", "--seed", "1"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, **quiet)
    try:
        rig.wait_for(f"http://127.0.0.1:{port}/v1/models", server, 60)
        with tempfile.TemporaryDirectory() as made:
            keep = os.environ.get("PARITY_FOLDER")
            failed = check(f"http://127.0.0.1:{port}/v1", pathlib.Path(keep or made))
    finally:
        server.terminate()
        server.wait()
    print("\n".join(failed) or "equal is called equal, worse is called worse, and few are not enough")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
