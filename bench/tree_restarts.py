#!/usr/bin/env python3
"""What keeping finished trees costs, and how fast a scheduler that was killed is back: runs in turn, on rows of gbdt_datagen.

usage: tree_restarts.py [--bin DIR] [--rows 200000] [--trees 100] [--runs 3] [--kills 2]

Prints the median milliseconds of a tree and the seconds of growing, without and with a state (servers and workers as
processes, 2x2) and without and with a checkpoint a second (one process). Then kills the scheduler in mid-job, starts it
again, and prints the time until it waits for its nodes, and the trees that it had. Models must be the same bytes.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

JOB = """data: {{train: {{files: [rows.tsv]}}, format: tsv, split: {{by: ratio, valid: 0.1}}}}
model: {{type: gbdt, gbdt: {{trees: {trees}}}}}
cluster: {{servers: {servers}, workers: {workers}}}
output: {{dir: {out}}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bench:
    def __init__(self, args, place):
        self.args, self.place = args, place
        self.trees = None
        self.runs = 0

    def program(self, name, arguments, **more):
        return subprocess.Popen([os.path.join(self.args.bin, name)] + arguments, cwd=self.place, **more)

    def job(self, cluster, **overrides):
        """The arguments of ps_train, the directory of the model, and the nodes' endpoint."""
        self.runs += 1
        out = f"out{self.runs}"
        shape = (2, 2) if cluster else (0, 0)
        with open(os.path.join(self.place, f"job{self.runs}.yaml"), "w") as file:
            file.write(JOB.format(trees=self.args.trees, servers=shape[0], workers=shape[1], out=out))
        arguments = ["--config", f"job{self.runs}.yaml"]
        for key, value in overrides.items():
            arguments += ["--set", f"{key.replace('__', '.')}={value.format(run=self.runs)}"]
        endpoint = None
        if cluster:
            endpoint = f"tcp://127.0.0.1:{free_port()}"
            arguments += ["--listen", endpoint]
        return arguments, os.path.join(self.place, out), endpoint

    def nodes(self, endpoint):
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [self.program(name, [f"--scheduler={endpoint}"], **quiet)
                for name in ("ps_server", "ps_server", "ps_worker", "ps_worker")]

    def finish(self, process, out, nodes):
        error = process.communicate(timeout=600)[1]
        if process.returncode != 0:
            raise SystemExit(f"ps_train: exit {process.returncode}\n{error.decode()[-2000:]}")
        for node in nodes:
            node.wait(timeout=60)
        with open(os.path.join(out, "trees.pb"), "rb") as file:
            trees = file.read()
        if self.trees is None:
            self.trees = trees
        if trees != self.trees:
            raise SystemExit(f"{out}/trees.pb is another model")
        with open(os.path.join(out, "metrics.json")) as file:
            return json.load(file), error.decode()

    def measure(self, name, cluster, **overrides):
        arguments, out, endpoint = self.job(cluster, **overrides)
        nodes = self.nodes(endpoint) if cluster else []
        process = self.program("ps_train", arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        metrics, _ = self.finish(process, out, nodes)
        print(f"{name:28} {metrics['median_tree_ms']:8.2f} ms a tree, {metrics['train_seconds']:7.2f} s for all", flush=True)

    def kill(self):
        arguments, out, endpoint = self.job(True, cluster__state="state{run}/job")
        nodes = self.nodes(endpoint)
        for _ in range(self.args.kills):
            process = self.program("ps_train", arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for line in process.stderr:
                if b"32/" in line or b"64/" in line:
                    break
            process.send_signal(signal.SIGKILL)
            process.communicate()
        start = time.time()
        process = self.program("ps_train", arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        trees = ""
        for line in process.stderr:
            if b"going on after" in line:
                trees = line.decode().strip()
            if b"the scheduler is back" in line:
                break
        back = time.time() - start
        metrics, _ = self.finish(process, out, nodes)
        print(f"killed {self.args.kills} times: back after {back:.2f} s; {trees}; {metrics['attempts']} attempts, the same bytes",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/bin"))
    parser.add_argument("--rows", type=int, default=200000)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([os.path.join(args.bin, "gbdt_datagen"), "--shape", "dense", "--rows", str(args.rows), "--out",
                        os.path.join(place, "rows.tsv")], check=True, stdout=subprocess.DEVNULL)
        bench = Bench(args, place)
        for _ in range(args.runs):
            bench.measure("cluster", True)
            bench.measure("cluster, state in a file", True, cluster__state="state{run}/job")
            bench.measure("one process", False)
            bench.measure("one process, checkpoints", False, checkpoint__dir="ckpt{run}", checkpoint__every="1")
        bench.kill()


if __name__ == "__main__":
    main()
