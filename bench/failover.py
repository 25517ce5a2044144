#!/usr/bin/env python3
"""How long pushes to a dead server's slots wait, from its kill -9 until one is acknowledged again.

Servers are processes that nobody watches (--listen), so that the death is noticed by silence alone, as on other
machines. Every batch has keys on every server: none can land between the death and the takeover, and the first row
that counts after the scheduler has given the server up is the first acknowledged push to the lost slots. Status is
read every 10 ms and counts rows with up to 200 ms of delay: figures are upper bounds by that much.

  bench/failover.py [--bin build/bin] [--features 20000000] [--servers 4] [--workers 2] [--rounds 9]
                    [--set cluster.failure_timeout=1 ...]
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from watched_job import WatchedJob

ROW_FEATURES = 40
POLL_SECONDS = 0.01


def make_rows(path, features):
    """About 9 of 10 features out of 1.1 times as many occur."""
    draw = random.Random(1)
    rows = int(features * 1.1 * 2.2 / ROW_FEATURES)
    with open(path, "w") as file:
        for _ in range(rows):
            keys = sorted({int(draw.random() * features * 1.1) + 1 for _ in range(ROW_FEATURES)})
            file.write(f"{draw.getrandbits(1)} " + " ".join(f"{key}:1" for key in keys) + "\n")


class Job(WatchedJob):
    """Its nodes are processes that nobody watches."""

    def __init__(self, options, place, data):
        self.scheduler = f"tcp://127.0.0.1:{20000 + os.getpid() % 20000}"
        super().__init__(options.bin, place,
                         f"data: {{train: {{files: ['{data}']}}}}\ntrain: {{passes: 1000000}}\n"
                         f"cluster: {{servers: {options.servers}, workers: {options.workers}, replicas: 2, "
                         "http: '127.0.0.1:0'}\n",
                         ["--listen", self.scheduler, *(word for value in options.set for word in ("--set", value))])
        self.nodes = {}
        for _ in range(options.servers):
            self.start("ps_server")
        for _ in range(options.workers):
            self.start("ps_worker")
        self.wait_for_url()

    def start(self, program):
        node = subprocess.Popen([f"{self.bin}/{program}", f"--scheduler={self.scheduler}"],
                                stdout=self.log, stderr=self.log)
        self.nodes[node.pid] = node

    def wait(self, condition, seconds):
        """The status of which it holds, and when it was seen."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            status = self.status()
            if condition(status):
                return status, time.monotonic()
            time.sleep(POLL_SECONDS)
        raise SystemExit(f"waited {seconds} s in vain: {json.dumps(self.status(), indent=1)}")

    def end(self):
        self.process.terminate()
        for node in [self.process, *self.nodes.values()]:
            try:
                node.wait(30)
            except subprocess.TimeoutExpired:
                node.kill()


def replicated(status):
    cluster = status.get("cluster", {})
    return cluster.get("pass", 0) > 1 and cluster["slots_under_replicated"] == 0 and cluster["slots_without_owner"] == 0


def measure(job, options, draw):
    job.wait(replicated, 600)
    time.sleep(2 + draw.random())
    alive = [s for s in job.status()["cluster"]["servers"] if s["alive"]]
    victim = draw.choice(alive)
    os.kill(victim["pid"], signal.SIGKILL)
    killed = time.monotonic()
    status, noticed = job.wait(lambda s: not next(
        server for server in s["cluster"]["servers"] if server["node"] == victim["node"])["alive"], 60)
    rows = status["rows_learnt"]
    status, learnt = job.wait(lambda s: s["rows_learnt"] > rows, 60)
    job.nodes.pop(victim["pid"]).wait()
    job.start("ps_server")
    entries = sum(server["entries"] for server in status["cluster"]["servers"] if server["alive"])
    print(f"server {victim['node']}: noticed after {noticed - killed:.2f} s, first push after {learnt - killed:.2f} s "
          f"({entries:,} entries on the others)", flush=True)
    job.wait(lambda s: sum(server["alive"] for server in s["cluster"]["servers"]) == options.servers, 60)
    return noticed - killed, learnt - killed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--features", type=int, default=20_000_000)
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", help="libsvm file; made when left out")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    place = tempfile.mkdtemp(prefix="failover_")
    data = os.path.abspath(options.data) if options.data else os.path.join(place, "train.svm")
    if not options.data:
        make_rows(data, options.features)
    job = Job(options, place, data)
    draw = random.Random(2)
    try:
        results = [measure(job, options, draw) for _ in range(options.rounds)]
        noticed, learnt = zip(*results)
        print(f"median: noticed after {statistics.median(noticed):.2f} s, first acknowledged push after "
              f"{statistics.median(learnt):.2f} s, of which {statistics.median(l - n for n, l in results):.2f} s since; "
              f"longest {max(learnt):.2f} s")
    finally:
        job.end()
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
