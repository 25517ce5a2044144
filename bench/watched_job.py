"""A job under ps_train that is watched over HTTP, for the benchmarks of clusters."""
import json
import os
import subprocess
import time
import urllib.request


class WatchedJob:
    """Starts ps_train on `job` (text of a job file without output) in `place`."""

    def __init__(self, binaries, place, job, words=()):
        self.bin, self.out = binaries, os.path.join(place, "out")
        config = os.path.join(place, "job.yaml")
        with open(config, "w") as file:
            file.write(f"{job}output: {{dir: '{self.out}'}}\n")
        self.log = open(os.path.join(place, "log"), "w")
        self.process = subprocess.Popen([f"{binaries}/ps_train", "--config", config, *words],
                                        stdout=self.log, stderr=self.log)

    def wait_for_url(self):
        """It is there when the nodes are started; with --listen they must be started first."""
        while not os.path.exists(self.out + ".control_url"):
            if self.process.poll() is not None:
                with open(self.log.name) as log:
                    raise SystemExit(f"ps_train ended:\n{log.read()}")
            time.sleep(0.05)
        with open(self.out + ".control_url") as file:
            self.url = file.read().strip()

    def status(self):
        with urllib.request.urlopen(self.url + "/status") as answer:
            return json.load(answer)

    def ctl(self, *words, check=True):
        subprocess.run([f"{self.bin}/ps_ctl", "--job", self.url, *words], check=check, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
