"""Shows on the real binary what docs/reliability.md promises, one case for each promise and fault.

    python3 tests/faults/run.py [--only NAME ...] [--jobs 4] [--list]

Each case prints what it saw. Cases run beside each other, apart from those that need the processor for themselves. Plain
Python only; strace and libfaketime are used from BANJIA_FAULT_TOOLS (tests/run unpacks Debian's packages there) or as installed.
"""

import argparse
import concurrent.futures
import pathlib
import signal
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import case  # noqa: E402
import cases_bodies  # noqa: E402, F401
import cases_clock  # noqa: E402, F401
import cases_connections  # noqa: E402, F401
import cases_evidence  # noqa: E402, F401
import cases_files  # noqa: E402, F401
import cases_moves  # noqa: E402, F401
import cases_writes  # noqa: E402, F401
import inject  # noqa: E402


def run(one):
    """Whether it holds, and the line about it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"banjia-{one.name}-") as name:
        try:
            said, holds = one.run(pathlib.Path(name)), True
        except case.Wrong as wrong:
            said, holds = str(wrong), False
        except Exception:  # noqa: BLE001, a case that fell over does not hold
            said, holds = traceback.format_exc(), False
    mark = "holds" if holds else "BROKEN"
    return holds, f"{mark:6} {one.row}: {one.promise} [{one.name}, {time.monotonic() - began:.0f} s]\n       {said}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    chosen = [one for one in case.CASES if not arguments.only or one.name in arguments.only]
    unknown = set(arguments.only) - {one.name for one in case.CASES}
    if unknown or arguments.list:
        print("\n".join(f"{one.name}: {one.row}: {one.promise}" for one in case.CASES))
        sys.exit(f"there is no case {', '.join(sorted(unknown))}" if unknown else 0)
    inject.strace_program()
    inject.libfaketime()
    # So that a test command that is stopped leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, broken = time.monotonic(), []
    beside = [one for one in chosen if not one.alone]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        done = {pool.submit(run, one): one for one in beside}
        results = ((future.result(), done[future]) for future in concurrent.futures.as_completed(done))
        for (holds, line), one in results:
            print(line, flush=True)
            broken += [] if holds else [one.name]
    for one in chosen:
        if one.alone:
            holds, line = run(one)
            print(line, flush=True)
            broken += [] if holds else [one.name]
    print(f"{len(chosen)} cases, {len(broken)} broken, {time.monotonic() - began:.0f} s")
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")


if __name__ == "__main__":
    main()
