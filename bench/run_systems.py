"""The systems that whole_runs.py compares: how each is trained and how its predictions are read.

A system is trained by one measured command; predicting is a second command, not measured (the Python peers
predict in the same process, which their wall time then includes).
"""

import dataclasses
import json
import os
import shutil
import subprocess

import measured_run
import scoring

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclasses.dataclass
class DataSet:
    name: str
    train_svm: str
    test_svm: str
    train_vw: str
    test_vw: str
    train_rows: int
    labels: list           # of the test rows


@dataclasses.dataclass
class Result:
    usage: measured_run.Usage
    probabilities: list
    rows: int              # learnt in usage.wall, counted once a pass
    note: str = ""


class System:
    name = ""
    max_rows = 1 << 62     # larger training files are left out

    def available(self):
        raise NotImplementedError

    def run(self, data, work):
        """Trains in the empty directory `work` and returns a Result."""
        raise NotImplementedError


class VowpalWabbit(System):
    def __init__(self, name, arguments):
        self.name = name
        self.arguments = arguments

    def available(self):
        return shutil.which("vw") is not None

    def run(self, data, work):
        model, predictions = f"{work}/model", f"{work}/predictions"
        usage = measured_run.run(
            ["vw", "-d", data.train_vw, "--loss_function", "logistic", "-b", "24", "--no_stdin",
             *self.arguments, "-f", model], cwd=work, log_path=f"{work}/log")
        measured_run.run(["vw", "-t", "-i", model, "-d", data.test_vw, "--no_stdin", "--link", "logistic",
                          "-p", predictions], cwd=work, log_path=f"{work}/log_test")
        return Result(usage, read_numbers(predictions), data.train_rows)


class VowpalWabbitCachePass(System):
    """A later pass of Vowpal Wabbit, from its own cache, which an unmeasured run writes first."""
    name = "Vowpal Wabbit, cache pass"

    def available(self):
        return shutil.which("vw") is not None

    def run(self, data, work):
        common = ["--loss_function", "logistic", "-b", "24", "--no_stdin", "--cache_file", f"{work}/cache"]
        measured_run.run(["vw", "-d", data.train_vw, *common, "-f", f"{work}/first"], log_path=f"{work}/log")
        usage = measured_run.run(["vw", "-d", data.train_vw, *common, "-f", f"{work}/second"],
                                 log_path=f"{work}/log_cached")
        return Result(usage, [], data.train_rows, "scores as the text pass")


class Liblinear(System):
    name = "LIBLINEAR -s 7 -c .05"
    max_rows = 1_000_000

    def available(self):
        return shutil.which("liblinear-train") is not None

    def run(self, data, work):
        model, predictions = f"{work}/model", f"{work}/predictions"
        usage = measured_run.run(["liblinear-train", "-q", "-s", "7", "-c", "0.05", data.train_svm, model],
                                 log_path=f"{work}/log")
        measured_run.run(["liblinear-predict", "-b", "1", "-q", data.test_svm, model, predictions],
                         log_path=f"{work}/log_test")
        with open(predictions, encoding="ascii") as lines:
            # "labels 0 1", then "label p p" with one p a class in that order
            positive = 1 + lines.readline().split()[1:].index("1")
            probabilities = [float(line.split()[positive]) for line in lines]
        return Result(usage, probabilities, data.train_rows, "many passes")


class PythonPeer(System):
    max_rows = 1_000_000

    def __init__(self, name, system, module):
        self.name = name
        self.system = system
        self.module = module

    def python(self):
        for python in (shutil.which("python3"), "/usr/bin/python3"):
            if python and subprocess.run([python, "-c", f"import {self.module}"],
                                         capture_output=True).returncode == 0:
                return python
        return None

    def available(self):
        return self.python() is not None

    def run(self, data, work):
        predictions = f"{work}/predictions"
        usage = measured_run.run([self.python(), f"{HERE}/python_peer.py", self.system, data.train_svm,
                                  data.test_svm, predictions], log_path=f"{work}/log")
        return Result(usage, read_numbers(predictions), data.train_rows, "wall includes prediction")


class PsTrain(System):
    def __init__(self, binaries, name, threads, arguments=()):
        self.binaries = binaries
        self.name = name
        self.threads = threads
        self.arguments = list(arguments)

    def available(self):
        return all(os.access(f"{self.binaries}/{b}", os.X_OK) for b in ("ps_train", "ps_eval"))

    def train(self, data, work, passes, out):
        job = f"{work}/job.yaml"
        with open(job, "w", encoding="utf-8") as text:
            text.write(f"job: whole-run\n"
                       f"data:\n  train: {{files: [{json.dumps(data.train_svm)}], format: libsvm}}\n"
                       f"model: {{type: lr, optimizer: {{type: ftrl, alpha: 0.1}}}}\n"
                       f"train: {{passes: {passes}, threads: {self.threads}}}\n"
                       f"output: {{dir: {json.dumps(out)}}}\n")
        usage = measured_run.run([f"{self.binaries}/ps_train", "--config", job, *self.arguments],
                                 log_path=f"{out}.log")
        with open(f"{out}/metrics.json", encoding="utf-8") as text:
            metrics = json.load(text)
        if metrics["rows_read"] != metrics["rows_learnt"]:
            raise measured_run.RunFailed(f"{self.name}: {metrics['rows_read']} rows read, "
                                         f"{metrics['rows_learnt']} learnt")
        return usage, metrics

    def predict(self, data, work, model):
        predictions = f"{work}/predictions.csv"
        measured_run.run([f"{self.binaries}/ps_eval", "--model", model, "--data", data.test_svm,
                          "--predictions", predictions], log_path=f"{work}/log_eval")
        return read_csv_probabilities(predictions)

    def run(self, data, work):
        usage, _ = self.train(data, work, 1, f"{work}/model")
        return Result(usage, self.predict(data, work, f"{work}/model"), data.train_rows)


class PsTrainLaterPass(PsTrain):
    """A later pass from the row cache: the last of three, as metrics.json times it."""

    def run(self, data, work):
        usage, metrics = self.train(data, work, 3, f"{work}/three")
        usage = measured_run.Usage(metrics["last_pass_seconds"], usage.cpu, usage.rss_mb)
        return Result(usage, self.predict(data, work, f"{work}/three"), data.train_rows,
                      "the last of 3 passes; processor time and scores of all")


def read_numbers(path):
    with open(path, encoding="ascii") as lines:
        return [float(line.split()[0]) for line in lines]


def read_csv_probabilities(path):
    with open(path, encoding="utf-8") as lines:
        names = lines.readline().rstrip("\n").split(",")
        wanted = [i for i, name in enumerate(names) if name in ("probability", "prediction", "p")]
        if not wanted:
            raise ValueError(f"{path}: no column of probabilities among {names}")
        return [float(line.rstrip("\n").split(",")[wanted[0]]) for line in lines]


def all_systems(binaries):
    return [
        PsTrain(binaries, "ps_train, 1 thread", 1),
        PsTrain(binaries, "ps_train, 2 threads", 2),
        PsTrainLaterPass(binaries, "ps_train, 1 thread, later pass", 1),
        PsTrainLaterPass(binaries, "ps_train, 2 threads, later pass", 2),
        PsTrain(binaries, "ps_train --local 2x2", 2, ["--local", "2x2"]),
        VowpalWabbit("Vowpal Wabbit --ftrl", ["--ftrl", "--ftrl_alpha", "0.1", "--ftrl_beta", "1"]),
        VowpalWabbit("Vowpal Wabbit", []),
        VowpalWabbit("Vowpal Wabbit --coin", ["--coin"]),
        VowpalWabbitCachePass(),
        Liblinear(),
        PythonPeer("XGBoost gblinear, 30 rounds", "gblinear", "xgboost, sklearn"),
        PythonPeer("scikit-learn SGDClassifier, 1 pass", "sgd", "sklearn"),
    ]


def score(result, data):
    """(AUC, log loss), or (None, None) where a system was run for its speed only."""
    if not result.probabilities:
        return None, None
    return scoring.score(data.labels, result.probabilities)
