#!/usr/bin/env python3
"""The programs in real containers: not root, a read-only root, no capability, a private network, limits of memory
and processors; a worker paused and resumed, another killed; a server paused for longer than it takes to be given up.
Needs root, podman and runc, else it is skipped.

No image is pulled: the root is made of this build's programs and the libraries that deploy/collect_libraries finds."""

import collections
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
import uuid

BIN = pathlib.Path(os.environ["PS_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["PS_SOURCE_DIR"])
PROGRAMS = ("ps_train", "ps_server", "ps_worker", "ps_ctl")
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--runtime", "runc")
HARDENED = ("--user", "65532:65532", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def podman(*words, check=True, timeout=60):
    done = subprocess.run(("podman",) + words, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(f"podman {' '.join(words)}: {done.stderr}")
    return done


def make_root(root):
    (root / "usr/local/bin").mkdir(parents=True)
    for name in ("tmp", "proc", "sys", "dev", "etc", "data", "models", "lib64"):
        (root / name).mkdir()
    for program in PROGRAMS:
        shutil.copy(BIN / program, root / "usr/local/bin")
    subprocess.run([SOURCE / "deploy/collect_libraries", root / "usr/lib"] +
                   [str(root / "usr/local/bin" / p) for p in PROGRAMS], check=True)
    # What collect_libraries leaves to the image's Debian comes from this machine's.
    loaded = subprocess.run(["ldd"] + [str(BIN / p) for p in PROGRAMS], capture_output=True, text=True, check=True)
    for line in loaded.stdout.splitlines():
        path = line.split("=>")[-1].split("(")[0].strip()
        if path.startswith("/lib64/"):
            shutil.copy(path, root / "lib64")
        elif path.startswith("/") and not path.endswith(":"):
            shutil.copy(path, root / "usr/lib")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files\n")


class ContainersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("containers are run as root only")
        if not shutil.which("podman") or not shutil.which("runc"):
            raise unittest.SkipTest("podman and runc are not installed")
        cls.place = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.root = cls.place / "root"
        make_root(cls.root)
        tried = podman("run", "--rm", "--network", "none", *LIMITS, *HARDENED, "--rootfs", str(cls.root),
                       "/usr/local/bin/ps_ctl", "--help", check=False)
        if tried.returncode != 0:
            raise unittest.SkipTest("podman cannot run a container here: " + tried.stderr.strip()[-300:])
        (cls.place / "data").mkdir()
        (cls.place / "models").mkdir()
        os.chmod(cls.place, 0o755)
        os.chown(cls.place / "models", 65532, 65532)
        subprocess.run([BIN / "ps_datagen", "--format", "libsvm", "--rows", "30000", "--out",
                        cls.place / "data/train.svm"], check=True, stdout=subprocess.DEVNULL)
        (cls.place / "data/job.yaml").write_text(
            "job: contained\ndata: {train: {files: [/data/train.svm]}}\ntrain: {passes: 20}\n"
            "cluster: {servers: 2, workers: 3}\noutput: {dir: /models/out}\n")

    def setUp(self):
        self.names = []
        self.run_id = uuid.uuid4().hex[:8]

    def tearDown(self):
        for name in reversed(self.names):
            podman("rm", "-f", "-t", "0", name, check=False)

    def start(self, name, network, *command, extra=()):
        name = f"ps-{self.run_id}-{name}"
        self.names.append(name)
        podman("run", "-d", "--name", name, "--network", network, *LIMITS, *HARDENED, *extra, "-v",
               f"{self.place}/data:/data:ro", "-v", f"{self.place}/models:/models", "--tmpfs", "/tmp",
               "--rootfs", str(self.root), *command)
        return name

    def status(self, scheduler):
        asked = podman("exec", scheduler, "/usr/local/bin/ps_ctl", "--job", "http://127.0.0.1:8080",
                       "status", "--json", check=False)
        return json.loads(asked.stdout) if asked.returncode == 0 else None

    def wait_for(self, what, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = what()
            if value:
                return value
            time.sleep(0.1)
        self.fail("it did not come to pass in time")

    def test_limits_of_a_container_are_seen(self):
        seen = podman("run", "--rm", "--network", "none", *LIMITS, *HARDENED, "--memory", "192m", "-v",
                      f"{self.place}/data:/data:ro", "-v", f"{self.place}/models:/models", "--tmpfs", "/tmp",
                      "--rootfs", str(self.root), "/usr/local/bin/ps_train", "--config", "/data/job.yaml",
                      "--dry_run")
        self.assertIn("192.0 MiB allowed", seen.stdout)

    def test_a_job_survives_a_paused_and_a_killed_worker(self):
        scheduler = self.start("scheduler", "none", "/usr/local/bin/ps_train", "--config=/data/job.yaml",
                               "--listen=tcp://127.0.0.1:7000", "--http=0.0.0.0:8080")
        network = "container:" + scheduler
        at = "--scheduler=tcp://localhost:7000"  # a name, to be resolved
        for i in range(2):
            self.start(f"server{i}", network, "/usr/local/bin/ps_server", at, extra=("--memory", "256m"))
        workers = [self.start(f"worker{i}", network, "/usr/local/bin/ps_worker", at, extra=("--cpus", "0.5"))
                   for i in range(3)]
        self.wait_for(lambda: (self.status(scheduler) or {}).get("rows_learnt", 0) > 30000)
        podman("pause", workers[0])
        podman("kill", "--signal", "KILL", workers[1])
        before = self.status(scheduler)["rows_learnt"]
        self.wait_for(lambda: self.status(scheduler)["rows_learnt"] > before)  # without the two
        podman("unpause", workers[0])
        code = podman("wait", scheduler, timeout=100).stdout.strip()
        self.assertEqual(code, "0", podman("logs", scheduler).stderr)
        metrics = json.loads((self.place / "models/out/metrics.json").read_text())
        self.assertEqual(metrics["rows_learnt"], 20 * 30000)
        self.assertEqual(metrics["rows_read"], metrics["rows_learnt"])

    def test_a_server_that_is_paused_for_ten_seconds_loses_nothing(self):
        # Every occurrence of a feature adds exactly 2^-61 to its weight.
        frequency = collections.Counter()
        with open(self.place / "data/train.svm") as made, open(self.place / "data/ones.svm", "w") as ones:
            for line in made:
                indices = [word.split(":")[0] for word in line.split()[1:]]
                frequency.update(indices)
                ones.write("1 " + " ".join(f"{index}:1" for index in indices) + "\n")
        (self.place / "data/grey.yaml").write_text(
            "job: grey\ndata: {train: {files: [/data/ones.svm]}}\ntrain: {passes: 60}\n"
            "model: {optimizer: {type: sgd, alpha: 8.673617379884035e-19}}\n"
            "cluster: {servers: 3, workers: 2, replicas: 2}\noutput: {dir: /models/grey}\n")
        scheduler = self.start("scheduler", "none", "/usr/local/bin/ps_train", "--config=/data/grey.yaml",
                               "--listen=tcp://127.0.0.1:7000", "--http=0.0.0.0:8080")
        network = "container:" + scheduler
        at = "--scheduler=tcp://localhost:7000"
        servers = [self.start(f"server{i}", network, "/usr/local/bin/ps_server", at) for i in range(3)]
        for i in range(2):  # slow enough for the job to outlast the pause
            self.start(f"worker{i}", network, "/usr/local/bin/ps_worker", at, extra=("--cpus", "0.1"))
        self.wait_for(lambda: (self.status(scheduler) or {}).get("rows_learnt", 0) > 30000)
        podman("pause", servers[0])
        paused = time.monotonic()
        time.sleep(2.5)  # by now it is given up
        before = self.status(scheduler)["rows_learnt"]
        self.wait_for(lambda: self.status(scheduler)["rows_learnt"] > before + 30000)
        time.sleep(max(0, paused + 10 - time.monotonic()))
        self.assertIn("is gone", podman("logs", scheduler).stderr)
        podman("unpause", servers[0])
        code = podman("wait", scheduler, timeout=200).stdout.strip()
        self.assertEqual(code, "0", podman("logs", scheduler).stderr)
        dump = subprocess.run([BIN / "ps_model", "dump", self.place / "models/grey"], capture_output=True, text=True,
                              check=True).stdout
        weights = {index: struct.unpack("f", struct.pack("f", float(weight)))[0]
                   for key, index, weight in (line.split("\t") for line in dump.splitlines()[1:]) if key != "bias"}
        self.assertEqual(weights, {index: 60 * count * 2.0**-61 for index, count in frequency.items()})


if __name__ == "__main__":
    unittest.main()
