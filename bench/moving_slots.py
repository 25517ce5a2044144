#!/usr/bin/env python3
"""Training throughput while slots move, against that before and after, in one run.

A job on this machine is scaled out and in again, several times, by ps_ctl. A move lasts from the command until every
server has its share of the slots. Prints a line a move, with how far table bytes of servers are from their mean
afterwards, and the medians.

  bench/moving_slots.py --data train.svm [--bin build/bin] [--servers 2] [--more 3] [--workers 1] [--rounds 6]
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time

from watched_job import WatchedJob

STILL_SECONDS = 5.0


class Job(WatchedJob):
    def __init__(self, options, place):
        super().__init__(options.bin, place,
                         f"data: {{train: {{files: ['{os.path.abspath(options.data)}']}}}}\n"
                         "train: {passes: 1000000}\n"
                         f"cluster: {{servers: {options.servers}, workers: {options.workers}, "
                         f"replicas: {options.replicas}, http: '127.0.0.1:0'}}\n")
        self.wait_for_url()

    def even(self, servers):
        cluster = self.status()["cluster"]
        living = [s for s in cluster["servers"] if s["alive"]]
        return len(living) == servers and all(s["primary_slots"] >= cluster["slots"] // servers for s in living)

    def rows_a_second(self, over):
        """Learnt while over() is false, and how long that was."""
        rows, begin = self.status()["rows_learnt"], time.monotonic()
        while not over(time.monotonic() - begin):
            time.sleep(0.05)
        time.sleep(0.2)  # the status is that much behind
        seconds = time.monotonic() - begin
        return (self.status()["rows_learnt"] - rows) / seconds, seconds

    def uneven(self):
        """How far from the mean the table of a server is at most, in percent."""
        sizes = [server["table_bytes"] for server in self.status()["cluster"]["servers"] if server["alive"]]
        mean = statistics.mean(sizes)
        return max(abs(size / mean - 1) for size in sizes) * 100

    def still(self):
        return self.rows_a_second(lambda seconds: seconds > STILL_SECONDS)[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--more", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    place = tempfile.mkdtemp(prefix="moving_slots_")
    job = Job(options, place)
    try:
        while job.status().get("cluster", {}).get("pass", 1) < 3:
            time.sleep(0.2)
        ratios = {"out": [], "in": []}
        before = job.still()
        for _ in range(options.rounds):
            for way, servers in (("out", options.more), ("in", options.servers)):
                job.ctl("scale", "--servers", str(servers))
                moving, seconds = job.rows_a_second(lambda _: job.even(servers))
                after = job.still()
                ratios[way].append(2 * moving / (before + after))
                print(f"{way:4} {seconds:5.2f} s: {moving:9,.0f} rows/s moving, {before:9,.0f} before, "
                      f"{after:9,.0f} after: {ratios[way][-1]:.2f}; tables within {job.uneven():.1f} %", flush=True)
                before = after
        for server in job.status()["cluster"]["servers"]:
            if server["alive"]:
                print(f"server {server['node']}: {server['primary_slots']} slots, {server['entries']:,} entries, "
                      f"{server['table_bytes']:,} bytes")
        print("median: " + ", ".join(f"{way} {statistics.median(r):.2f}" for way, r in ratios.items()))
    finally:
        job.stop()
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
