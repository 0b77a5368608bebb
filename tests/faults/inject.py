"""Faults put into a running process: failing system calls (strace), a limit of file sizes, a full tmpfs, a false clock.

Everything is real: the program under test is the released binary and knows nothing of it. The programs come from Debian's
packages; tests/run fetches them. Nothing here can be skipped: a missing program ends the suite with what to install.
"""

import os
import pathlib
import resource
import shutil
import subprocess
import time

from case import Wrong, check

WRITES = "pwrite64,pwritev,write,writev,fsync,fdatasync,ftruncate"
TOOLS = pathlib.Path(os.environ.get("BANJIA_FAULT_TOOLS", "/nonexistent"))


def strace_program():
    unpacked = TOOLS / "usr/bin/strace"
    program = str(unpacked) if unpacked.exists() else shutil.which("strace")
    if not program:
        raise SystemExit("strace is not here and could not be fetched: apt-get install strace")
    return program


def libfaketime():
    for root in (TOOLS, pathlib.Path("/")):
        for found in sorted(root.glob("usr/lib/*/faketime/libfaketimeMT.so.1")):
            return str(found)
    raise SystemExit("libfaketime is not here and could not be fetched: apt-get install libfaketime")


def database_files(path):
    return [f"{path}{ending}" for ending in ("", "-wal", "-shm", "-journal")]


class Failing:
    """While it lasts, every write of `pid` to these files fails with `error` (EIO, EROFS, ENOSPC)."""

    def __init__(self, pid, files, error):
        which = [part for file in files for part in ("-P", os.path.realpath(file))]
        rule = f"inject={WRITES}:error={error}"
        environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(str(folder) for folder in TOOLS.glob("usr/lib/*"))}
        # Without a trace of all else: only what can fail is stopped for.
        command = [strace_program(), "-f", "-q", "-p", str(pid), "-o", "/dev/null", "-e", f"trace={WRITES}", "-e", rule, *which]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 10
        while not self.is_attached(pid):
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                said = self.process.stderr.read().strip()
                raise Wrong(f"strace could not be attached, which these tests need (as root, or with ptrace allowed): {said}")
            time.sleep(0.02)

    def is_attached(self, pid):
        try:
            tasks = [task.read_text() for task in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]
        except OSError:
            return False  # a thread has ended meanwhile: look again
        return bool(tasks) and all(f"TracerPid:\t{self.process.pid}" in task for task in tasks)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class FileLimit:
    """A disk that is full for one process: no file may grow beyond `limit` bytes. What lies below can be written over."""

    def __init__(self, pid, limit=96 * 1024):
        self.pid = pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        check(hard == resource.RLIM_INFINITY, "the limit of file sizes is set already, and cannot be lifted again: ulimit -f")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))

    def end(self):
        try:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except ProcessLookupError:
            pass  # it was killed meanwhile

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class SmallDisk:
    """A tmpfs for the database, which `fill` fills to the last byte. Only root may mount it."""

    def __init__(self, folder, size="48m"):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)], check=True, capture_output=True)

    def fill(self):
        with open(self.folder / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"\0" * 4096)
            except OSError:
                return self

    def end(self):
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class FalseClock:
    """The wall clock of one process, moved while it runs. Its monotonic clock stays true."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.set(0)

    def set(self, seconds):
        # Replaced in one step: a half-written file would be another time.
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, self.file)

    def environment(self):
        return {
            "LD_PRELOAD": libfaketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
