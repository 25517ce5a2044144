"""Runs a command and measures it: wall time, processor time and the largest resident set."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
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
    answer = _launcher().ask({"command": command, "cwd": cwd, "log": log_path or os.devnull})
    if "error" in answer:
        raise RunFailed(f"{' '.join(command)}: {answer['error']}")
    if answer["code"] != 0:
        tail = ""
        if log_path:
            with open(log_path, "rb") as log:
                tail = log.read()[-1500:].decode(errors="replace")
        raise RunFailed(f"{' '.join(command)}: exit {answer['code']}\n{tail}")
    return Usage(answer["wall"], answer["cpu"], answer["rss_mb"])


class Launcher:
    """A small process that starts and measures the commands.

    Linux counts the memory of the process that forks towards the child's largest resident set, so the commands
    must not be children of a script that holds millions of labels. One request at a time.
    """

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-S", os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RunFailed("the launcher of measured commands has died")
        return json.loads(answer)


@functools.lru_cache(maxsize=None)
def _launcher():
    return Launcher()


def _launch(request):
    with open(request["log"], "wb") as log:
        start = time.monotonic()
        try:
            process = subprocess.Popen(request["command"], cwd=request["cwd"], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        except OSError as error:
            return {"error": str(error)}
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    return {"code": process.returncode, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime,
            "rss_mb": usage.ru_maxrss / 1024}


def quick(command, cwd=None):
    """Standard output of a short command; RunFailed when it exits non-zero."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunFailed(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-1500:]}")
    return done.stdout


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_launch(json.loads(line))), flush=True)
