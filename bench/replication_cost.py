#!/usr/bin/env python3
"""Processor time of the servers a million rows, with one copy of every slot and with two.

Jobs run in turn, so that other load on the machine meets both alike; a job is measured after its first pass, when
the table is full. Prints a line a run, and the ratio of the medians.

  bench/replication_cost.py --data train.svm [--bin build/bin] [--servers 2] [--workers 2] [--rounds 3] [--seconds 10]
"""
import argparse
import os
import shutil
import statistics
import tempfile
import time

from watched_job import WatchedJob

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(options, place, replicas):
    job = WatchedJob(options.bin, place,
                     f"data: {{train: {{files: ['{os.path.abspath(options.data)}']}}}}\ntrain: {{passes: 1000000}}\n"
                     f"cluster: {{servers: {options.servers}, workers: {options.workers}, replicas: {replicas}, "
                     "http: '127.0.0.1:0'}\n", [word for value in options.set for word in ("--set", value)])
    try:
        job.wait_for_url()
        status = job.status
        while status().get("cluster", {}).get("pass", 1) < 2 or status()["cluster"]["slots_under_replicated"] > 0:
            time.sleep(0.2)
        pids = sorted({server["pid"] for server in status()["cluster"]["servers"]})
        before, rows = [processor_seconds(pid) for pid in pids], status()["rows_learnt"]
        began = time.monotonic()
        time.sleep(options.seconds)
        learnt, seconds = status()["rows_learnt"] - rows, time.monotonic() - began
        used = sum(processor_seconds(pid) for pid in pids) - sum(before)
    finally:
        job.stop()
        shutil.rmtree(job.out, ignore_errors=True)
    cost = used / learnt * 1e6
    print(f"replicas {replicas}: {cost:6.2f} s of servers a million rows, {learnt / seconds:9,.0f} rows/s", flush=True)
    return cost


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    place = tempfile.mkdtemp(prefix="replication_cost_")
    try:
        costs = {1: [], 2: []}
        for _ in range(options.rounds):
            for replicas in costs:
                costs[replicas].append(measure(options, place, replicas))
        one, two = (statistics.median(costs[replicas]) for replicas in (1, 2))
        print(f"median: {one:.2f} and {two:.2f} s: two copies take {two / one:.2f} times the processor time of one")
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
