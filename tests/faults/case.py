"""The registry of cases, and how a case says that something does not hold."""

import time

CASES = []


class Wrong(Exception):
    """Something that must hold does not."""


class Case:
    """One promise under one fault: `run` is given an empty folder and returns a sentence about what it saw."""

    def __init__(self, row, promise, alone, run):
        self.row, self.promise, self.alone, self.run, self.name = row, promise, alone, run, run.__name__


def case(row, promise, alone=False):
    """Registers a case of a row of docs/reliability.md. A case that needs a processor for itself runs `alone`."""

    def register(run):
        CASES.append(Case(row, promise, alone, run))
        return run

    return register


def check(holds, what):
    """`what` may be a function, for texts that are dear to make."""
    if not holds:
        raise Wrong(what() if callable(what) else what)


def wait_until(holds, seconds, what, pause=0.1):
    """Waits until `holds()` returns something true, and returns that. `what` may be a function."""
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > end:
            raise Wrong(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)
