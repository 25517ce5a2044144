#!/usr/bin/env python3
"""Real processes under random schedules: killed, stopped for a while, scaled out and in, the whole job
killed and started again; every occurrence of every feature must count exactly once.

  bench/random_schedules.py [--bin build/bin] [--schedules 50] [--first 1] [--rows 20000] [--passes 60] [--partitions]

With --partitions every node has a network namespace of its own (root only), and nodes are also cut off from all others
for up to six seconds: long enough to be given up, and to come back with what they hold. A node that ends is started anew.

Odd schedules have two copies of every slot, even ones a single copy and checkpoints. All labels are 1,
the optimiser is SGD with a rate of 2^-60, so each occurrence adds exactly 2^-61 to a weight. A schedule
is a seed; one that fails is printed with the command that replays it (timing differs, of course).
"""
import argparse
import collections
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from node_network import NodeNetwork, available


def children(pid):
    """Living children of a process: [(pid, name)]."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
            state, parent = rest.split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == pid and state != "Z":
            found.append((int(entry), name))
    return found


def make_data(binaries, directory, rows):
    subprocess.run([f"{binaries}/ps_datagen", "--format", "libsvm", "--rows", str(rows), "--out",
                    f"{directory}/made.svm"], check=True, capture_output=True)
    frequency = collections.Counter()
    with open(f"{directory}/made.svm") as made, open(f"{directory}/train.svm", "w") as train:
        for line in made:
            indices = [word.split(":")[0] for word in line.split()[1:]]
            frequency.update(indices)
            train.write("1 " + " ".join(f"{index}:1" for index in indices) + "\n")
    return frequency


class Schedule:
    """One whose nodes are ps_train's children."""

    def __init__(self, args, directory, seed):
        self.args, self.directory, self.random = args, directory, random.Random(seed)
        self.replicas = 2 if seed % 2 else 1
        self.out = f"{directory}/out{seed}"
        self.checkpoints = f"{directory}/ckpt{seed}"
        self.done = collections.Counter()

    def start(self):
        self.write_job()
        return self.start_trainer([])

    def start_trainer(self, words):
        self.log = open(f"{self.directory}/log", "ab")
        return subprocess.Popen([f"{self.args.bin}/ps_train", "--config", f"{self.directory}/job.yaml", *words],
                                stdout=subprocess.DEVNULL, stderr=self.log)

    def write_job(self):
        checkpoint = f"checkpoint: {{dir: {self.checkpoints}, every: 0.5}}\n"
        with open(f"{self.directory}/job.yaml", "w") as job:
            job.write(f"data: {{train: {{files: [{self.directory}/train.svm]}}}}\n"
                      "model: {optimizer: {type: sgd, alpha: 8.673617379884035e-19}}\n"
                      f"train: {{passes: {self.args.passes}}}\n"
                      f"cluster: {{servers: 4, workers: 3, replicas: {self.replicas}, http: '127.0.0.1:0'}}\n"
                      + (checkpoint if self.replicas == 1 else "") + f"output: {{dir: {self.out}}}\n")

    def wait_for_training(self, job):
        """A process that dies before is a failure to start."""
        for _ in range(600):
            with open(f"{self.directory}/log", errors="replace") as log:
                if "training begins" in log.read() or job.poll() is not None:
                    break
            time.sleep(0.05)
        time.sleep(self.random.uniform(0, 0.5))

    def ctl(self, *words):
        return subprocess.run([f"{self.args.bin}/ps_ctl", *words, "--dir", self.out],
                              capture_output=True, timeout=30).returncode == 0

    def act(self, job):
        """One mishap or command; returns the job's process, which may be another one."""
        nodes = children(job.pid)
        kind = self.random.choice(["kill", "kill", "stop", "scale", "drain"] +
                                  (["restart", "kill"] if self.replicas == 1 else []))
        if kind in ("kill", "stop") and nodes:
            pid, name = self.random.choice(nodes)
            kind += " " + name
            try:
                os.kill(pid, signal.SIGKILL if kind.startswith("kill") else signal.SIGSTOP)
                if kind.startswith("stop"):
                    time.sleep(self.random.uniform(0.2, 3))
                    os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                kind = "too late"
        elif kind == "scale":
            servers = self.random.randint(max(2, self.replicas), 5)
            if not self.ctl("scale", "--servers", str(servers), "--workers", str(self.random.randint(1, 4))):
                kind = "too late"
        elif kind == "drain":
            if not self.ctl("drain", str(self.random.randint(1, 8))):
                kind = "too late"
        elif kind == "restart":
            everybody = [pid for pid, _ in nodes] + [job.pid]
            for pid in everybody:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if job.wait() == 0:
                return job
            self.done[kind] += 1
            return self.start()
        self.done[kind] += 1
        return job

    def run(self, frequency):
        """What is wrong, or nothing."""
        job = self.start()
        deadline = time.monotonic() + self.args.limit
        self.wait_for_training(job)
        for _ in range(self.random.randint(2, 6)):
            if job.poll() is not None:
                break
            job = self.act(job)
            time.sleep(self.random.uniform(0.1, 1.5))
        code = self.wait(job, deadline)
        if code is None:
            job.kill()
            return "it hangs"
        if code != 0:
            return f"exit code {code}"
        dump = subprocess.run([f"{self.args.bin}/ps_model", "dump", self.out], capture_output=True, text=True,
                              check=True).stdout
        return self.check(dump, frequency)

    def wait(self, job, deadline):
        """The exit code, or None when the deadline comes first."""
        try:
            return job.wait(timeout=max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None

    def close(self):
        pass

    def check(self, dump, frequency):
        weights = {}
        for line in dump.splitlines()[1:]:
            key, index, weight = line.split("\t")
            weights["bias" if key == "bias" else index] = struct.unpack("f", struct.pack("f", float(weight)))[0]
        expected = {index: 2.0**-61 * count * self.args.passes for index, count in frequency.items()}
        expected["bias"] = 2.0**-61 * self.args.rows * self.args.passes
        wrong = [index for index in expected if weights.get(index) != expected[index]]
        if wrong or len(weights) != len(expected):
            return f"{len(wrong)} of {len(expected)} features have another count, {len(weights)} are there"
        return ""


class PartitionedSchedule(Schedule):
    """One whose nodes come by themselves, each from a host of its own."""

    KINDS = ["ps_server"] * 4 + ["ps_worker"] * 3

    def __init__(self, args, directory, seed):
        super().__init__(args, directory, seed)
        self.network = NodeNetwork()
        self.nodes = {}

    def start(self):
        self.write_job()
        self.scheduler = f"tcp://{self.network.address}:{20000 + os.getpid() % 20000}"
        job = self.start_trainer(["--listen", self.scheduler])
        for kind in self.KINDS:
            self.start_node(self.network.add_host(), kind)
        return job

    def start_node(self, host, kind):
        words = [f"{self.args.bin}/{kind}", f"--scheduler={self.scheduler}", f"--bind=tcp://{self.network.address_of(host)}:0"]
        self.nodes[host] = self.network.start(host, words, self.log)

    def replace_ended(self):
        for host, kind in enumerate(self.KINDS):
            if self.nodes[host].poll() is not None:
                self.start_node(host, kind)

    def act(self, job):
        self.replace_ended()
        host = self.random.randrange(len(self.KINDS))
        kind = self.random.choice(["kill", "stop", "partition", "partition", "partition"])
        node, seconds = self.nodes[host], self.random.uniform(0.2, 6)
        if kind == "kill":
            node.kill()
            node.wait()
        elif kind == "stop":
            node.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            node.send_signal(signal.SIGCONT)
        else:
            self.network.cut(host)
            time.sleep(seconds)
            self.network.join(host)
        self.done[f"{kind} {self.KINDS[host]}"] += 1
        return job

    def wait(self, job, deadline):
        while time.monotonic() < deadline:
            if job.poll() is not None:
                return job.returncode
            self.replace_ended()
            time.sleep(0.2)
        return None

    def close(self):
        for node in self.nodes.values():
            node.kill()
            node.wait()
        self.network.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=os.path.join(os.path.dirname(__file__), "..", "build", "bin"))
    parser.add_argument("--schedules", type=int, default=50)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--passes", type=int, default=60)
    parser.add_argument("--limit", type=float, default=180, help="seconds for a schedule")
    parser.add_argument("--partitions", action="store_true")
    args = parser.parse_args()
    if args.partitions and available():
        parser.error(f"--partitions: {available()}")
    args.bin = os.path.abspath(args.bin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nodes and namespaces are cleared away
    directory = tempfile.mkdtemp(prefix="random_schedules.")
    failed, done = 0, collections.Counter()
    try:
        frequency = make_data(args.bin, directory, args.rows)
        for seed in range(args.first, args.first + args.schedules):
            schedule = (PartitionedSchedule if args.partitions else Schedule)(args, directory, seed)
            began = time.monotonic()
            try:
                wrong = schedule.run(frequency)
            finally:
                schedule.close()
            done.update(schedule.done)
            failed += bool(wrong)
            what = ", ".join(f"{kind} x{count}" for kind, count in sorted(schedule.done.items()))
            print(f"{seed}: replicas {schedule.replicas}; {what}; {time.monotonic() - began:.1f} s"
                  f"{': FAILED: ' + wrong if wrong else ''}", flush=True)
            if wrong:
                print(f"  replay: bench/random_schedules.py --first {seed} --schedules 1 "
                      f"--rows {args.rows} --passes {args.passes}{' --partitions' if args.partitions else ''}")
                shutil.copy(f"{directory}/log", f"random_schedule_{seed}.log")
            shutil.rmtree(schedule.out, ignore_errors=True)
            shutil.rmtree(schedule.checkpoints, ignore_errors=True)
            os.truncate(f"{directory}/log", 0)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{args.schedules} schedules, {failed} failed; " +
          ", ".join(f"{kind} {count}" for kind, count in sorted(done.items())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
