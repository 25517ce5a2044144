#!/usr/bin/env python3
"""A linear model, trees, and a linear model on the leaves of trees, on real sets: test log loss and AUC, rows a second.

usage: leaves_runs.py --data DIR [--bin DIR] [--sets a9a,...] [--threads 2]

  lr       a linear model on all training rows
  gbdt     trees on all training rows
  later    trees on the first half of the training rows, a linear model on the second half: columns and leaves
  same     both on all training rows
  based    trees on all training rows that begin with the margins of `lr` (model.gbdt.base_model)

Linear models: tune: auto, 5 passes at most; trees: 200 at most; both stop early by a tenth of their rows. Rows a second
are those of processor time of the whole last job (user and system, reading and evaluating included).
"""

import argparse
import csv
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ADULT = ("age workclass fnlwgt education education_num marital_status occupation relationship race sex capital_gain "
         "capital_loss hours_per_week native_country income").split()


def lines_of(path):
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def criteo_dac80k(directory):
    """Hashed Criteo, in order of time."""
    lines = lines_of(f"{directory}/criteo_dac80k_vwhash.svm.gz")
    return {"format": "libsvm"}, None, lines[:64000], lines[64000:]


def a9a(directory):
    """The census as indicators; every fifth row is of the test."""
    lines = lines_of(f"{directory}/a9a_train.svm.gz")
    return ({"format": "libsvm"}, None, [line for r, line in enumerate(lines) if r % 5 != 4],
            [line for r, line in enumerate(lines) if r % 5 == 4])


def adult(directory):
    """The census as it is."""
    train, test = (["," .join(field.strip().rstrip(".") for field in line.split(","))
                    for line in lines_of(f"{directory}/adult.{part}.csv.gz") if line.count(",") == 14]
                   for part in ("data", "test"))
    return ({"format": "csv", "columns": ADULT, "label": {"column": "income", "positive": ">50K"}}, None, train, test)


def criteo_raw_8k(directory):
    """Raw Criteo; the last fifth is the test."""
    lines = lines_of(f"{directory}/criteo_raw_8k.tsv.gz")
    return {"format": "criteo"}, None, lines[:6400], lines[6400:]


def online_shoppers(directory):
    """Visits to a shop, shuffled by a fixed seed; the last three tenths are the test."""
    lines = lines_of(f"{directory}/online_shoppers.csv.gz")
    rows = lines[1:]
    random.Random(7).shuffle(rows)
    split = len(rows) * 7 // 10
    return ({"format": "csv", "header": True, "label": {"column": "Revenue", "positive": "TRUE"}}, lines[0],
            rows[:split], rows[split:])


def amazon_access(directory):
    """Nine identities of many values, shuffled by a fixed seed; the last three tenths are the test."""
    lines = lines_of(f"{directory}/amazon_access_train.csv.gz")
    rows = lines[1:]
    random.Random(7).shuffle(rows)
    split = len(rows) * 7 // 10
    columns = next(csv.reader([lines[0]]))
    return ({"format": "csv", "header": True, "label": {"column": columns[0]}}, lines[0], rows[:split], rows[split:])


SETS = {of.__name__: of for of in (criteo_dac80k, a9a, adult, criteo_raw_8k, online_shoppers, amazon_access)}


class Runs:
    def __init__(self, data, options, work):
        self.data, self.options, self.work = data, options, work

    def train(self, name, rows, model, features=None):
        """Metrics of the job, and its rows a second of processor time."""
        data = self.data | {"train": {"files": [f"{self.work}/{rows}"]}, "test": {"files": [f"{self.work}/test"]},
                            "split": {"valid": 0.1}, "max_bad_rows": 0.01}
        trees = model.get("type") == "gbdt"
        job = {"data": data, "model": model, "output": {"dir": f"{self.work}/{name}"},
               "train": {"threads": self.options.threads, "early_stopping": {"patience": 10 if trees else 1}}}
        if not trees:
            job["train"]["passes"] = 5
        if features is not None:
            job["features"] = features
        with open(f"{self.work}/job.yaml", "w", encoding="utf-8") as file:
            yaml.safe_dump(job, file)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([f"{self.options.bin}/ps_train", "--config", f"{self.work}/job.yaml"], check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(f"{self.work}/{name}/metrics.json", encoding="utf-8") as file:
            metrics = json.load(file)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return metrics["test"], metrics["rows_read"] / seconds

    def all(self):
        linear = {"type": "lr", "tune": "auto"}
        trees = {"type": "gbdt", "gbdt": {"trees": 200}}
        yield "lr", self.train("lr", "train", linear)
        yield "gbdt", self.train("gbdt", "train", trees)
        self.train("early", "first", trees)
        for name, rows, of in (("later", "second", "early"), ("same", "train", "gbdt")):
            leaves = {"op": "tree_leaves", "model": f"{self.work}/{of}"}
            yield name, self.train(name, rows, linear, [{"op": "rest"}, leaves])
        yield "based", self.train("based", "train",
                                  {"type": "gbdt", "gbdt": {"trees": 200, "base_model": f"{self.work}/lr"}})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sets", default=",".join(SETS))
    options = parser.parse_args()
    for name in options.sets.split(","):
        data, header, train, test = SETS[name](options.data)
        half = len(train) // 2
        with tempfile.TemporaryDirectory() as work:
            for part, rows in (("train", train), ("first", train[:half]), ("second", train[half:]), ("test", test)):
                with open(f"{work}/{part}", "w", encoding="utf-8") as file:
                    file.write("\n".join(([header] if header else []) + rows) + "\n")
            for model, (metrics, rate) in Runs(data, options, work).all():
                print(f"{name:16} {model:6} log loss {metrics['logloss']:.5f} ±{metrics['logloss_stderr']:.5f}  "
                      f"AUC {metrics['auc']:.5f}  {rate:9.0f} rows/s")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
