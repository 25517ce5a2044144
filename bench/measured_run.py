"""Runs a command and measures it: wall time, processor time and the largest resident set."""

import dataclasses
import os
import subprocess
import time


@dataclasses.dataclass
class Usage:
    wall: float = 0.0      # seconds
    cpu: float = 0.0       # user + system seconds, with children that were waited for
    rss_mb: float = 0.0    # of the largest single process


class RunFailed(Exception):
    pass


def run(command, cwd=None, log_path=None):
    """Runs `command` (a list) to its end. RunFailed quotes the end of its output when it exits non-zero."""
    log_path = log_path or os.devnull
    with open(log_path, "wb") as log:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    if code != 0:
        tail = ""
        if log_path != os.devnull:
            with open(log_path, "rb") as log:
                tail = log.read()[-1500:].decode(errors="replace")
        raise RunFailed(f"{' '.join(command)}: exit {code}\n{tail}")
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def quick(command, cwd=None):
    """Standard output of a short command; RunFailed when it exits non-zero."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunFailed(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-1500:]}")
    return done.stdout
