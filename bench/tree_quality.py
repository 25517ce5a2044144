#!/usr/bin/env python3
"""Trees on real sets beside LightGBM and XGBoost at the same settings: test log loss and AUC.

usage: tree_quality.py --data DIR [--bin DIR] [--sets adult,...] [--seeds 3] [--trees 100] [--ours NAME={KEY: VALUE},...]

Each seed shuffles a set's rows, the last three tenths are the test. All systems get the same columns (numbers as they
are, the other columns as categories) and settings: 31 leaves by gain, learning rate 0.1, l2 1, a hessian of 1 a leaf,
255 bins. LightGBM runs where `lightgbm` is on the PATH, XGBoost where /usr/bin/python3 has it. Differences are those to
the first of ours, with the mean over seeds of the standard error of the rows' differences; a set is behind where the
difference to a peer is above it.
"""

import argparse
import csv
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile

import quality_sets
import scoring

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KDD_CATEGORIES = {"c1", "c2", "c3"}


def load_kddcup99(directory):
    """60,000 connections of the attacks' set: attack or none."""
    rows = [line.split(",") for line in quality_sets.read_lines(directory, "kddcup99_10pct.csv.gz")]
    random.Random(5).shuffle(rows)
    rows = [[*row[:41], "0" if row[41] == "normal." else "1"] for row in rows[:60000]]
    columns = [*(f"c{i}" for i in range(41)), "label"]
    return quality_sets.table("kddcup99", columns, "label", "1", rows, [],
                              set(columns) - KDD_CATEGORIES - {"label"})


def load_higgs7k(directory):
    rows = [line.split("\t") for part in ("train", "test")
            for line in quality_sets.read_lines(directory, f"higgs7k_{part}.tsv.gz")]
    rows = [["1" if float(row[0]) == 1 else "0", *row[1:]] for row in rows]
    columns = ["label", *(f"x{i}" for i in range(28))]
    return quality_sets.table("higgs7k", columns, "label", "1", rows, [], set(columns) - {"label"})


LOADERS = {name: quality_sets.LOADERS[name] for name in
           ("adult", "amazon_access", "avazu", "criteo_raw_8k", "telco_churn", "online_shoppers", "a9a", "frappe",
            "criteo_dac80k")}
LOADERS |= {"higgs7k": load_higgs7k, "kddcup99": load_kddcup99}


def shuffled(data, seed):
    rows = data.train + data.test
    random.Random(100 + seed).shuffle(rows)
    split = len(rows) * 7 // 10
    data.train, data.test = rows[:split], rows[split:]
    return data


def used_columns(data):
    return [i for i, column in enumerate(data.columns) if column != data.label and column not in data.ignored]


def number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan


def coded(data):
    """Rows of numbers, label first: categories by number, those that are no training row's as missing."""
    used = used_columns(data)
    codes = {i: {text: n for n, text in enumerate(sorted({row[i] for row in data.train}))}
             for i in used if data.columns[i] not in data.numeric}

    def value(row, i):
        x = codes[i].get(row[i], math.nan) if i in codes else number(row[i])
        return "nan" if math.isnan(x) else f"{x:.9g}"

    rows = [[[str(data.label_of(row)), *(value(row, i) for i in used)] for row in part]
            for part in (data.train, data.test)]
    return rows, [n for n, i in enumerate(used) if i in codes]


def write_sparse(data, work):
    """As XGBoost takes it: labels 0 and 1, no index above those of the training rows."""
    entries = {part: [(data.label_of(line), [(int(entry.partition(":")[0]), entry) for entry in line.split()[1:]])
                      for line in lines] for part, lines in (("train", data.train), ("test", data.test))}
    most = max(index for _, row in entries["train"] for index, _ in row)
    for part, rows in entries.items():
        with open(f"{work}/peer.{part}", "w", encoding="ascii") as out:
            out.writelines(" ".join([str(label), *(entry for index, entry in row if index <= most)]) + "\n"
                           for label, row in rows)
    return [f"{work}/peer.{part}" for part in entries]


def write_coded(data, work):
    """Files for the peers, and which of their columns are categories."""
    if isinstance(data, quality_sets.Sparse):
        return write_sparse(data, work), []
    parts, categories = coded(data)
    paths = []
    for name, rows in zip(("train", "test"), parts):
        paths.append(f"{work}/peer.{name}")
        with open(paths[-1], "w", encoding="ascii") as out:
            out.writelines("\t".join(row) + "\n" for row in rows)
    return paths, categories


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: {done.stderr[-2000:]}{done.stdout[-2000:]}")
    return done.stdout


def run_ours(data, options, work, settings):
    train, test = data.write(work)
    job = {"data": {**data.data_config(), "train": {"files": [train]}, "test": {"files": [test]}, "max_bad_rows": 0.01},
           "model": {"type": "gbdt", "gbdt": {"trees": options.trees, **settings}},
           "train": {"threads": options.threads}, "output": {"dir": f"{work}/out"}}
    if features := data.feature_config("raw"):
        job["features"] = features
    with open(f"{work}/job.yaml", "w", encoding="utf-8") as file:
        json.dump(job, file)
    run([f"{options.bin}/ps_train", "--config", f"{work}/job.yaml"])
    run([f"{options.bin}/ps_eval", "--model", f"{work}/out", "--data", test, "--predictions", f"{work}/p.csv"])
    with open(f"{work}/p.csv", encoding="ascii") as file:
        return [float(row["probability"]) for row in csv.DictReader(file)]


def run_lightgbm(data, options, work):
    (train, test), categories = write_coded(data, work)
    common = [f"num_threads={options.threads}", "header=false", "label_column=0", "verbosity=-1"]
    run(["lightgbm", "task=train", "objective=binary", f"data={train}", "num_leaves=31", f"num_trees={options.trees}",
         "learning_rate=0.1", "max_bin=255", "lambda_l2=1", "min_data_in_leaf=1", "min_sum_hessian_in_leaf=1",
         f"categorical_feature={','.join(map(str, categories))}", f"output_model={work}/lgb", *common])
    run(["lightgbm", "task=predict", "predict_disable_shape_check=true", f"data={test}", f"input_model={work}/lgb",
         f"output_result={work}/lgb.p", *common])
    with open(f"{work}/lgb.p", encoding="ascii") as lines:
        return [float(line) for line in lines]


XGBOOST = """
import json, sys
import numpy as np, xgboost as xgb
case = json.load(open(sys.argv[1]))
def matrix(path):
    if case["sparse"]:
        return xgb.DMatrix(path)
    rows = np.loadtxt(path, delimiter="\\t", dtype=np.float32)
    kinds = ["c" if i in case["categories"] else "q" for i in range(rows.shape[1] - 1)]
    return xgb.DMatrix(rows[:, 1:], rows[:, 0], enable_categorical=True, feature_types=kinds)
model = xgb.train(dict(objective="binary:logistic", tree_method="hist", grow_policy="lossguide", max_leaves=31,
                       max_depth=0, eta=0.1, reg_lambda=1, min_child_weight=1, max_bin=256,
                       nthread=case["threads"]), matrix(case["train"]), case["trees"])
for p in model.predict(matrix(case["test"]), validate_features=False):
    print(f"{p:.9g}")
"""


def run_xgboost(data, options, work):
    (train, test), categories = write_coded(data, work)
    with open(f"{work}/case.json", "w", encoding="ascii") as file:
        json.dump({"train": train, "test": test, "categories": categories, "trees": options.trees,
                   "threads": options.threads, "sparse": isinstance(data, quality_sets.Sparse)}, file)
    return [float(p) for p in run(["/usr/bin/python3", "-c", XGBOOST, f"{work}/case.json"]).split()]


def has_xgboost():
    return os.path.exists("/usr/bin/python3") and subprocess.run(
        ["/usr/bin/python3", "-c", "import xgboost"], capture_output=True, check=False).returncode == 0


def systems(options):
    found = {}
    for name, settings in options.ours:
        found[name] = lambda data, work, of=settings: run_ours(data, options, work, of)
    if shutil.which("lightgbm") and not options.no_peers:
        found["LightGBM"] = lambda data, work: run_lightgbm(data, options, work)
    if has_xgboost() and not options.no_peers:
        found["XGBoost"] = lambda data, work: run_xgboost(data, options, work)
    return found


def losses(labels, predictions):
    return [-math.log(max(1e-15, p if y else 1 - p)) for y, p in zip(labels, predictions)]


def mean(values):
    return sum(values) / len(values)


def measure(name, options):
    results = {}
    for seed in range(options.seeds):
        data = LOADERS[name](options.data)
        if len(data.train) + len(data.test) > options.most_rows:
            data.train, data.test = (data.train + data.test)[:options.most_rows], []
        data = shuffled(data, seed)
        labels = [data.label_of(row) for row in data.test]
        for system, predict in systems(options).items():
            with tempfile.TemporaryDirectory() as work:
                predictions = predict(data, work)
            results.setdefault(system, []).append((losses(labels, predictions), scoring.auc(labels, predictions)))
    ours = results[options.ours[0][0]]
    for system, runs in results.items():
        differences, errors = [], []
        for (loss, _), (of_ours, _) in zip(runs, ours):
            rows = [a - b for a, b in zip(of_ours, loss)]
            differences.append(mean(rows))
            errors.append(math.sqrt(sum((x - differences[-1]) ** 2 for x in rows)) / len(rows))
        difference, error = mean(differences), mean(errors)
        behind = "  BEHIND" if difference > error else ""
        print(f"{name:16} {system:12} log loss {mean([mean(loss) for loss, _ in runs]):.5f}  "
              f"AUC {mean([auc for _, auc in runs]):.5f}  ours less it {difference:+.5f} ±{error:.5f}{behind}")
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--sets", default=",".join(LOADERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--most_rows", type=int, default=60000)
    parser.add_argument("--no_peers", action="store_true")
    parser.add_argument("--ours", action="append", type=lambda text: (text.split("=", 1)[0],
                                                                      json.loads(text.split("=", 1)[1])),
                        help="a name and settings of model.gbdt as JSON, several times")
    options = parser.parse_args()
    options.ours = options.ours or [("ours", {})]
    for name in options.sets.split(","):
        measure(name, options)


if __name__ == "__main__":
    main()
