#!/usr/bin/env python3
"""tune: {trainings: N} for trees, beside the defaults and a random search of whole trainings, one ps_train each.

The random search draws from the same ranges and judges by the same validation rows; its best is what it would
choose. Neither sees the test rows. Log loss; Markdown.
"""

import argparse
import json
import math
import os
import random
import shutil
import sys
import tempfile
import time

import measured_run
import quality_sets

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PS_DATA_DIR", ""), help="directory of the sets")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--sets", default="adult,online_shoppers,a9a,criteo_raw_8k", help="comma-separated names")
    parser.add_argument("--trials", type=int, default=100, help="of the random search")
    parser.add_argument("--trainings", type=int, default=10, help="budget of tuning")
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--valid", type=float, default=.2, help="part of the training rows to judge by")
    parser.add_argument("--seeds", default="1", help="comma-separated; rows to judge by, draws and trees differ")
    return parser.parse_args()


def draw(numbers, trees):
    """A setting out of the ranges that docs/tuning.md names."""
    low, high = min(.3, max(.005, 3 / trees)), min(1, max(.2, 12 / trees))
    log_uniform = lambda a, b: float(f"{a * math.exp(numbers.random() * math.log(b / a)):.3g}")
    setting = {"learning_rate": log_uniform(low, high), "max_leaves": round(log_uniform(4, 255)),
               "min_hessian": log_uniform(.1, 50), "l2": log_uniform(.1, 100)}
    if numbers.random() < .5:
        setting["max_depth"] = numbers.randint(2, 10)
    if numbers.random() < .5:
        setting["l1"] = log_uniform(.01, 10)
    for name, least in (("row_sample", .4), ("column_sample", .3)):
        if numbers.random() < .75:
            setting[name] = round(least + (1 - least) * numbers.random(), 2)
    return setting


class OneSet:
    """Runs ps_train on one set with one seed, whose job is `base` without a model."""

    def __init__(self, arguments, base, work):
        self.arguments = arguments
        self.base = base
        self.work = work

    def train(self, gbdt, **more):
        """(log loss on validation rows, on test rows, seconds, trees grown)."""
        out = f"{self.work}/out"
        job = {**self.base, "model": {"type": "gbdt", "gbdt": {"trees": self.arguments.trees, **gbdt}},
               "output": {"dir": out}, **more}
        with open(f"{out}.yaml", "w", encoding="utf-8") as text:
            json.dump(job, text)  # JSON is YAML
        start = time.monotonic()
        measured_run.quick([f"{self.arguments.bin}/ps_train", "--config", f"{out}.yaml"])
        seconds = time.monotonic() - start
        with open(f"{out}/metrics.json", encoding="utf-8") as text:
            metrics = json.load(text)
        shutil.rmtree(out)
        return metrics["valid"]["logloss"], metrics["test"]["logloss"], seconds, metrics["trees_grown"]

    def row(self, name, seed):
        trees = self.arguments.trees
        one = {"train": {"seed": seed, "early_stopping": {"patience": max(5, trees // 10)}}}
        default = self.train({}, **one)
        numbers = random.Random(seed)
        trials = [self.train(draw(numbers, trees), **one) for _ in range(self.arguments.trials)]
        best = min(trials)
        tuned = self.train({}, train={"seed": seed}, tune={"trainings": self.arguments.trainings})
        change = lambda i: f"{100 * (tuned[i] / best[i] - 1):+.2f} %"
        grown = sum(trial[3] for trial in trials) / trees
        cells = [name, str(seed), f"{default[0]:.5f} / {default[1]:.5f}", f"{best[0]:.5f} / {best[1]:.5f}",
                 f"{tuned[0]:.5f} / {tuned[1]:.5f}", change(0), change(1),
                 f"{grown:.1f}, {sum(trial[2] for trial in trials):.0f} s", f"{tuned[3] / trees:.1f}, {tuned[2]:.1f} s"]
        return "| " + " | ".join(cells) + " |"


def main():
    arguments = parse_arguments()
    if not os.path.isdir(arguments.data):
        sys.exit("give the directory of the sets with --data or PS_DATA_DIR")
    print("| set | seed | defaults, valid / test | random search | tuned | valid, against it | test, against it "
          "| its trainings grown | tuned |\n|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in arguments.sets.split(","):
        data = quality_sets.load(name, arguments.data)
        if data is None:
            sys.exit(f"{name} is not in {arguments.data}")
        with tempfile.TemporaryDirectory(prefix="ps_tree_tuning.") as work:
            train, test = data.write(work)
            split = {"by": "ratio", "valid": arguments.valid}
            base = {"job": name, "data": {**data.data_config(), "train": {"files": [train]},
                                          "test": {"files": [test]}, "split": split}}
            if data.feature_config("numeric"):
                base["features"] = data.feature_config("numeric")
            for seed in arguments.seeds.split(","):
                print(OneSet(arguments, base, work).row(name, int(seed)), flush=True)


if __name__ == "__main__":
    main()
