#!/usr/bin/env python3
"""model.tune: auto beside an exhaustive grid of 7 x 5 (alpha, l1), one pass each, and Vowpal Wabbit's best of nine.

The grid's best is chosen on the test rows, tune: auto never sees them. Real sets of --data; with --rows also three
synthetic ones of ps_datagen. Markdown.

--passes N: at most N passes, a tenth of the training rows for validation, beside scikit-learn's reference figure; with
the validation rows learnt in the end, and without; with --resplit K instead on K other splits of all rows into training and
test rows, beside scikit-learn on each, which says what of a difference is the luck of a test part. --local SxW: one pass on a cluster beside the best of 7 x 3 settings
there, chosen on the test rows, and beside one process. Both: tune: auto of several passes there beside one process, and
beside scikit-learn, without learning the validation rows.
"""

import argparse
import csv
import dataclasses
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

import measured_run
import quality_peers
import quality_sets

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ALPHAS = (.06, .08, .12, .2, .4, .8, 1.2)
L1S = (0, .03, .1, .3, 1)
SYNTHETIC = {"ps_datagen": [], "2 % positive, many rare": ["--positive_rate", "0.02", "--zipf", "0.8", "--seed", "5"],
             "2^16 features": ["--hash_bits", "16", "--zipf", "1.4", "--seed", "9"]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PS_DATA_DIR", ""), help="directory of the sets")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--sets", default=",".join(quality_sets.LOADERS), help="comma-separated names; may be empty")
    parser.add_argument("--rows", type=int, default=0, help="training rows of the synthetic sets; 0 leaves them out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="train.seed: with --passes, also which rows are validation rows")
    parser.add_argument("--local", default="", metavar="SxW", help="servers and workers")
    parser.add_argument("--resplit", type=int, default=0, metavar="K")
    return parser.parse_args()


class OneSet:
    """Runs ps_train on one set, whose job is `base` without a model."""

    def __init__(self, arguments, base, work):
        self.arguments = arguments
        self.base = base
        self.work = work

    def train(self, model, flags=()):
        """metrics.json of a pass (or of several), and the setting that it ended with as text."""
        out = self.run(model, flags)
        with open(f"{out}/metrics.json", encoding="utf-8") as text:
            metrics = json.load(text)
        with open(f"{out}/manifest.json", encoding="utf-8") as text:
            setting = json.load(text)["optimizer"]
        shutil.rmtree(out)
        return metrics, setting

    def margins(self, model):
        """Of the test rows."""
        out = self.run(model)
        predictions = f"{self.work}/predictions"
        measured_run.quick([f"{self.arguments.bin}/ps_eval", "--model", out, "--data",
                            self.base["data"]["test"]["files"][0], "--predictions", predictions])
        shutil.rmtree(out)
        with open(predictions, encoding="ascii") as lines:
            return [float(row["margin"]) for row in csv.DictReader(lines)]

    def run(self, model, flags=()):
        """The model's directory."""
        out = f"{self.work}/out"
        job = {**self.base, "model": {"type": "lr", **model}, "output": {"dir": out},
               "train": {"threads": self.arguments.threads, "seed": self.arguments.seed}}
        if self.arguments.passes > 1:
            job["train"].update(passes=self.arguments.passes, early_stopping={"patience": 3})
            job["data"] = {**job["data"], "split": {"by": "ratio", "valid": .1}}
        with open(f"{out}.yaml", "w", encoding="utf-8") as text:
            json.dump(job, text)  # JSON is YAML
        measured_run.quick([f"{self.arguments.bin}/ps_train", "--config", f"{out}.yaml", *flags])
        return out

    def passes_row(self, name, sklearn):
        """The table's row for the set, of several passes."""
        cells = [name]
        for all_rows in (True, False):
            tuned, setting = self.train({"tune": "auto", "tune_all_rows": all_rows})
            logloss = tuned["test"]["logloss"]
            cells += [f"{logloss:.5f}", f"{100 * (logloss / sklearn - 1):+.2f} %"]
            if all_rows:
                passes = "" if "newton_cg" in setting else f", {tuned['passes']} passes"
                cells.append(setting.replace("ftrl ", "").replace(" newton=0.2", "") + passes)
        return "| " + " | ".join(cells) + " |"

    def passes_cluster_row(self, name, sklearn):
        """The table's row for the set, of several passes on a cluster beside one process."""
        losses = []
        for flags in ((), ("--local", self.arguments.local)):
            tuned, _ = self.train({"tune": "auto", "tune_all_rows": False}, flags)
            losses.append(tuned["test"]["logloss"])
        cells = [name, *(f"{loss:.5f}" for loss in losses), f"{100 * (losses[1] / losses[0] - 1):+.2f} %",
                 f"{100 * (losses[1] / sklearn - 1):+.2f} %"]
        return "| " + " | ".join(cells) + " |"

    def cluster_row(self, name):
        """The table's row for the set, of a cluster beside one process."""
        cells = [name]
        losses = []
        for flags in ((), ("--local", self.arguments.local)):
            tuned, setting = self.train({"tune": "auto"}, flags)
            losses.append(tuned["test"]["logloss"])
            cells += [f"{losses[-1]:.5f}", setting.replace("ftrl ", "").replace(" newton=0.2", "")]
        grid = {}
        for alpha in ALPHAS:
            for l1 in (0, .1, 1):
                model = {"optimizer": {"type": "ftrl", "alpha": alpha, "l1": l1}}
                grid[alpha, l1] = self.train(model, ("--local", self.arguments.local))[0]["test"]["logloss"]
        best = min(grid, key=grid.get)
        cells += [f"{grid[best]:.5f} ({best[0]:g}, {best[1]:g})", f"{100 * (losses[1] / grid[best] - 1):+.2f} %",
                  f"{100 * (losses[1] / losses[0] - 1):+.2f} %"]
        return "| " + " | ".join(cells) + " |"

    def row(self, name, vw_best=None):
        """The table's row for the set."""
        tuned, setting = self.train({"tune": "auto"})
        grid = {}
        for alpha in ALPHAS:
            for l1 in L1S:
                model = {"optimizer": {"type": "ftrl", "alpha": alpha, "l1": l1}}
                grid[alpha, l1] = self.train(model)[0]["test"]["logloss"]
        best = min(grid, key=grid.get)
        logloss = tuned["test"]["logloss"]
        cells = [name, f"{logloss:.5f}", setting.replace("ftrl ", "").replace(" newton=0.2", ""),
                 f"{grid[best]:.5f} ({best[0]:g}, {best[1]:g})", f"{100 * (logloss / grid[best] - 1):+.3f} %"]
        if vw_best:
            cells += [f"{vw_best:.5f}", f"{100 * (logloss / vw_best - 1):+.2f} %"]
        else:
            cells += ["", ""]
        return "| " + " | ".join(cells) + " |"


def job_of(name, data, work):
    """The job of a real set, without a model."""
    train, test = data.write(work)
    base = {"job": name, "data": {**data.data_config(), "train": {"files": [train]}, "test": {"files": [test]}}}
    if data.feature_config("numeric"):
        base["features"] = data.feature_config("numeric")
    return base


def real_row(arguments, name, work):
    data = quality_sets.load(name, arguments.data)
    if data is None:
        return f"| {name} | not in {arguments.data} |"
    base = job_of(name, data, work)
    if arguments.passes > 1:
        one = OneSet(arguments, base, work)
        sklearn = quality_peers.REFERENCE[name][0][1]
        return one.passes_cluster_row(name, sklearn) if arguments.local else one.passes_row(name, sklearn)
    if arguments.local:
        return OneSet(arguments, base, work).cluster_row(name)
    vw = quality_peers.measure_vw(data, work)  # (default, best of nine), or None without Vowpal Wabbit
    reference = quality_peers.REFERENCE[name][2][1]
    return OneSet(arguments, base, work).row(name, min(reference, vw[1][1]) if vw else reference)


def resplit_row(arguments, name):
    """The table's row for the set, over other splits into training and test rows."""
    data = quality_sets.load(name, arguments.data)
    if data is None:
        return f"| {name} | not in {arguments.data} |"
    rows = [*data.train, *data.test]
    ours, peers = [], []
    for seed in range(1, arguments.resplit + 1):
        order = random.Random(seed).sample(rows, len(rows))
        part = dataclasses.replace(data, train=order[:len(data.train)], test=order[len(data.train):])
        with tempfile.TemporaryDirectory(prefix="ps_tuning.") as work:
            ours.append(OneSet(arguments, job_of(name, part, work), work).train({"tune": "auto"})[0]["test"]["logloss"])
        with tempfile.TemporaryDirectory(prefix="ps_tuning.") as work:
            peers.append(quality_peers.measure_sklearn(part, work)[1])
    against = [100 * (a / b - 1) for a, b in zip(ours, peers)]
    error = statistics.stdev(against) / len(against) ** .5
    return (f"| {name} | {statistics.mean(ours):.5f} | {statistics.mean(peers):.5f} | {min(against):+.2f} to {max(against):+.2f} % | "
            f"{statistics.mean(against):+.2f} ± {error:.2f} % |")


def synthetic_row(arguments, name, work):
    files = []
    for part, rows, first in (("train", arguments.rows, 0), ("test", 200_000, 20_000_000)):
        files.append(f"{work}/{part}.svm")
        command = [f"{arguments.bin}/ps_datagen", "--format", "libsvm", "--rows", str(rows), "--first_row", str(first),
                   "--out", files[-1], *SYNTHETIC[name]]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    base = {"job": "synthetic", "data": {"format": "libsvm", "train": {"files": files[:1]},
                                         "test": {"files": files[1:]}}}
    return OneSet(arguments, base, work).row(f"{name}, {arguments.rows:,} rows")


def main():
    arguments = parse_arguments()
    names = [name for name in arguments.sets.split(",") if name]
    if names and not os.path.isdir(arguments.data):
        sys.exit("give the directory of the sets with --data or PS_DATA_DIR, or --sets= for none")
    wrong = [name for name in names if name not in quality_sets.LOADERS]
    if wrong:
        sys.exit(f"no set is called {wrong[0]}; there are {', '.join(quality_sets.LOADERS)}")
    columns = ["set", "tune: auto", "its setting", "grid's best (alpha, l1)", "against it", "VW best of 9", "against it"]
    if arguments.resplit:
        columns = ["set", "tune: auto, mean", "scikit-learn, mean", f"against it on {arguments.resplit} splits", "mean, and its standard error"]
    elif arguments.passes > 1 and arguments.local:
        columns = ["set", "one process", arguments.local, "against one process", "against scikit-learn"]
    elif arguments.passes > 1:
        columns = ["set", "tune: auto", "against scikit-learn", "what was chosen", "validation rows not learnt",
                   "against scikit-learn"]
    elif arguments.local:
        columns = ["set", "one process", "its setting", arguments.local, "its setting", "best of 7 x 3 there",
                   "against it", "against one process"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for name in names if arguments.resplit else ():
        print(resplit_row(arguments, name), flush=True)
    for name in names if not arguments.resplit else ():
        with tempfile.TemporaryDirectory(prefix="ps_tuning.") as work:
            print(real_row(arguments, name, work), flush=True)
    for name in SYNTHETIC if arguments.rows else ():
        with tempfile.TemporaryDirectory(prefix="ps_tuning.") as work:
            print(synthetic_row(arguments, name, work), flush=True)


if __name__ == "__main__":
    main()
