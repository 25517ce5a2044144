#!/usr/bin/env python3
"""Softmax of trees beside XGBoost on real sets of several classes: test log loss and error rate at the same settings.

usage: softmax_runs.py --data DIR [--bin DIR] [--rounds 100] [--sets kddcup99,...] [--threads 2]

Rows are shuffled by a fixed seed, the last three tenths are the test. Both get the same columns: numbers as they are,
categories as categories, 31 leaves by gain, learning rate 0.1, l2 1, a hessian of 1 a leaf. Without XGBoost in
/usr/bin/python3 only ours runs.
"""

import argparse
import csv
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ADULT = ("age workclass fnlwgt education education_num marital_status occupation relationship race sex capital_gain "
         "capital_loss hours_per_week native_country income").split()
ADULT_NUMBERS = {"age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"}


def kddcup99(directory):
    """100,000 connections: which attack, or none. Classes of fewer than 20 rows are left out."""
    with gzip.open(f"{directory}/kddcup99_10pct.csv.gz", "rt") as file:
        rows = [line.rstrip("\n").split(",") for line in file]
    random.Random(5).shuffle(rows)
    rows = rows[:100000]
    counts = {}
    for row in rows:
        counts[row[41]] = counts.get(row[41], 0) + 1
    columns = [f"c{i}" for i in range(41)] + ["label"]
    return columns, "label", {"c1", "c2", "c3"}, [row for row in rows if counts[row[41]] >= 20]


def adult_occupation(directory):
    """Which of 14 occupations a person of the census has."""
    with gzip.open(f"{directory}/adult.data.csv.gz", "rt") as file:
        rows = [[field.strip() for field in line.split(",")] for line in file if line.strip()]
    rows = [row for row in rows if len(row) == 15 and row[6] not in ("?", "Armed-Forces")]
    return ADULT, "occupation", set(ADULT) - ADULT_NUMBERS - {"occupation"}, rows


def telco_payment(directory):
    """Which of four ways a customer pays."""
    with gzip.open(f"{directory}/telco_churn.csv.gz", "rt") as file:
        rows = list(csv.reader(file))
    columns, rows = rows[0][1:], [row[1:] for row in rows[1:]]
    numbers = {"SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges", "PaymentMethod"}
    return columns, "PaymentMethod", set(columns) - numbers, rows


def shoppers_month(directory):
    """In which month of ten a visit to a shop was."""
    with gzip.open(f"{directory}/online_shoppers.csv.gz", "rt") as file:
        rows = list(csv.reader(file))
    return rows[0], "Month", {"VisitorType", "Weekend", "Revenue"}, rows[1:]


SETS = {of.__name__: of for of in (kddcup99, adult_occupation, telco_payment, shoppers_month)}

PEER = """
import csv, json, math, sys, time
import numpy as np, xgboost as xgb
case = json.load(open(sys.argv[1]))
def read(path):
    rows = list(csv.reader(open(path)))
    return rows[0], rows[1:]
columns, train = read(case["train"])
_, test = read(case["test"])
at = columns.index(case["label"])
classes = sorted({row[at] for row in train})
used = [i for i in range(len(columns)) if i != at]
codes = {i: {text: n for n, text in enumerate(sorted({row[i] for row in train}))} for i in used if columns[i] in case["categories"]}
def value(row, i):
    if i in codes:
        return codes[i].get(row[i], math.nan)
    try:
        return float(row[i])
    except ValueError:
        return math.nan
def matrix(rows):
    return xgb.DMatrix(np.array([[value(row, i) for i in used] for row in rows], dtype=np.float32),
                       [classes.index(row[at]) for row in rows], enable_categorical=True,
                       feature_types=["c" if i in codes else "q" for i in used])
train_matrix, test_matrix = matrix(train), matrix(test)
start = time.time()
model = xgb.train(dict(objective="multi:softprob", num_class=len(classes), tree_method="hist", grow_policy="lossguide",
                       max_leaves=31, max_depth=0, eta=0.1, reg_lambda=1, min_child_weight=1, max_bin=256,
                       max_cat_to_onehot=2, nthread=case["threads"]), train_matrix, case["rounds"])
seconds = time.time() - start
p = model.predict(test_matrix)
labels = test_matrix.get_label().astype(int)
loss = -np.log(np.clip(p[np.arange(len(labels)), labels], 1e-15, 1)).mean()
print(json.dumps({"logloss": float(loss), "error_rate": float((p.argmax(1) != labels).mean()), "seconds": seconds}))
"""


def write(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns] + rows)


def run_ours(case, options, work):
    job = {"data": {"train": {"files": [case["train"]]}, "test": {"files": [case["test"]]}, "format": "csv",
                    "header": True, "label": {"column": case["label"]}, "max_bad_rows": 0.01},
           "features": [{"column": column, "op": "hash" if column in case["categories"] else "raw"}
                        for column in case["columns"] if column != case["label"]],
           "model": {"type": "gbdt", "gbdt": {"objective": "softmax", "trees": options.rounds}},
           "train": {"threads": options.threads}, "output": {"dir": f"{work}/out"}}
    with open(f"{work}/job.yaml", "w", encoding="utf-8") as file:
        yaml.safe_dump(job, file)
    subprocess.run([f"{options.bin}/ps_train", "--config", f"{work}/job.yaml"], check=True, capture_output=True)
    with open(f"{work}/out/metrics.json", encoding="utf-8") as file:
        metrics = json.load(file)
    test = metrics["test"]
    return {"logloss": test["logloss"], "stderr": test["logloss_stderr"], "error_rate": test["error_rate"],
            "seconds": metrics["train_seconds"]}


def run_peer(case, options, work):
    with open(f"{work}/case.json", "w", encoding="utf-8") as file:
        json.dump(case | {"rounds": options.rounds, "threads": options.threads}, file)
    done = subprocess.run(["/usr/bin/python3", "-c", PEER, f"{work}/case.json"], capture_output=True, text=True,
                          check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sets", default=",".join(SETS))
    options = parser.parse_args()
    for name in options.sets.split(","):
        columns, label, categories, rows = SETS[name](options.data)
        random.Random(7).shuffle(rows)
        with tempfile.TemporaryDirectory() as work:
            case = {"train": f"{work}/train.csv", "test": f"{work}/test.csv", "label": label, "columns": columns,
                    "categories": sorted(categories)}
            split = len(rows) * 7 // 10
            write(case["train"], columns, rows[:split])
            write(case["test"], columns, rows[split:])
            ours = run_ours(case, options, work)
            peer = run_peer(case, options, work)
        print(f"{name:16} ours     log loss {ours['logloss']:.5f} ±{ours['stderr']:.5f}  error {ours['error_rate']:.5f}"
              f"  {ours['seconds']:6.1f} s")
        if peer is not None:
            print(f"{'':16} XGBoost  log loss {peer['logloss']:.5f}           error {peer['error_rate']:.5f}"
                  f"  {peer['seconds']:6.1f} s")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
