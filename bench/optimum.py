#!/usr/bin/env python3
"""optimizer newton_cg on real sets: one L2 penalty for all features, or one a column by the evidence. Test log loss.

usage: optimum.py --data DIR [--bin DIR] [--sets adult,...] [--rows N]

The one penalty is the best of six *chosen on the test rows*. --rows N: time and objective on N rows of ps_datagen beside
LIBLINEAR's trust region Newton (-s 0), where liblinear-train is installed.
"""

import argparse
import json
import math
import os
import re
import shutil
import sys
import tempfile

import measured_run
import quality_peers
import quality_sets
import tuning

L2S = (.3, 1, 3, 10, 30, 100)
FACTORS = (1, .5, .25)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PS_DATA_DIR", ""), help="directory of the sets")
    parser.add_argument("--bin", default=os.path.join(tuning.ROOT, "build", "bin"))
    parser.add_argument("--sets", default=",".join(quality_sets.LOADERS), help="comma-separated names; may be empty")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.set_defaults(passes=1, seed=1)
    return parser.parse_args()


def row(arguments, name):
    data = quality_sets.load(name, arguments.data)
    if data is None:
        return f"| {name} | not in {arguments.data} |"
    with tempfile.TemporaryDirectory(prefix="ps_optimum.") as work:
        one = tuning.OneSet(arguments, tuning.job_of(name, data, work), work)

        def loss(**settings):
            return one.train({"optimizer": {"type": "newton_cg", **settings}})[0]["test"]["logloss"]
        plain = {l2: loss(l2=l2) for l2 in L2S}
        best = min(plain, key=plain.get)
        cells = [name, f"{plain[best]:.5f} ({best:g})"]
        for factor in FACTORS:
            found = loss(l2_evidence=True, l2=factor)
            cells.append(f"{found:.5f} ({100 * (found / plain[best] - 1):+.2f} %)")
        cells.append(f"{quality_peers.REFERENCE[name][0][1]:.5f}")
    return "| " + " | ".join(cells) + " |"


def peer_objective(model, train):
    """Of LIBLINEAR's: log loss of the rows and half the square of the weights, the bias's too."""
    with open(model, encoding="ascii") as lines:
        text = lines.read().split("\nw\n")
    positive = text[0].split("label ")[1].split()[0] == "1"
    weights = [float(line) for line in text[1].split()]
    loss = 0.0
    with open(train, encoding="ascii") as rows:
        for line in rows:
            label, *features = line.split()
            margin = weights[-1]
            for feature in features:
                index, value = feature.split(":")
                margin += weights[int(index) - 1] * float(value)
            margin = margin if positive else -margin
            margin = margin if float(label) > 0 else -margin
            loss += math.log1p(math.exp(-abs(margin))) + max(0.0, -margin)
    return loss + sum(weight * weight for weight in weights) / 2


def peer_rows(arguments):
    with tempfile.TemporaryDirectory(prefix="ps_optimum.") as work:
        train = f"{work}/train.svm"
        measured_run.run([f"{arguments.bin}/ps_datagen", "--format", "libsvm", "--rows", str(arguments.rows), "--out", train])
        for threads in (1, 2):
            job = {"data": {"train": {"files": [train]}}, "output": {"dir": f"{work}/out"}, "train": {"threads": threads},
                   "model": {"type": "lr", "optimizer": {"type": "newton_cg", "l2": 1}}}
            with open(f"{work}/job.yaml", "w", encoding="utf-8") as text:
                json.dump(job, text)
            usage = measured_run.run([f"{arguments.bin}/ps_train", "--config", f"{work}/job.yaml"], log_path=f"{work}/log")
            with open(f"{work}/log", encoding="utf-8", errors="replace") as log:
                said = re.search(r"(\d+) products with the rows; objective ([\d.e+-]+) a row", log.read())
            print(f"| ps_train, {threads} thread{'s' * (threads > 1)} | {usage.wall:.1f} | {usage.cpu:.1f} | {usage.rss_mb:.0f} | {said[1]} | "
                  f"{float(said[2]):.6f} |", flush=True)
        if shutil.which("liblinear-train") is None:
            return
        for tolerance in ("0.01", "0.001"):
            model = f"{work}/model"
            usage = measured_run.run(["liblinear-train", "-s", "0", "-c", "1", "-B", "1", "-e", tolerance, train, model], log_path=f"{work}/log")
            with open(f"{work}/log", encoding="utf-8") as log:
                products = sum(int(number) for number in re.findall(r"CG +(\d+)", log.read()))
            print(f"| LIBLINEAR -s 0 -e {tolerance} | {usage.wall:.1f} | {usage.cpu:.1f} | {usage.rss_mb:.0f} | {products} | "
                  f"{peer_objective(model, train) / arguments.rows:.6f} |", flush=True)


def main():
    arguments = parse_arguments()
    names = [name for name in arguments.sets.split(",") if name]
    if names and not os.path.isdir(arguments.data):
        sys.exit("give the directory of the sets with --data or PS_DATA_DIR, or --sets= for none")
    if names:
        factors = " | ".join(f"evidence, l2 {factor:g}" for factor in FACTORS)
        print(f"| set | best one l2 of {len(L2S)} | {factors} | scikit-learn |\n{'|---' * (len(FACTORS) + 3)}|", flush=True)
        for name in names:
            print(row(arguments, name), flush=True)
    if arguments.rows:
        print("\n| system | wall s | cpu s | RSS MB | products | objective a row |\n|---|---|---|---|---|---|", flush=True)
        peer_rows(arguments)


if __name__ == "__main__":
    main()
