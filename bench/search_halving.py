#!/usr/bin/env python3
"""tune: {search: {halving: true}} beside a search without it: what it finds and what it learns for that.

Three searches of the same jobs (lr and gbdt, features, settings): N trials; with halving 3 N trials, which is about as
many rows; and 3 N trials without halving. Log loss, on the validation rows that choose and on the test rows; rows in
trainings on all rows; processor time. Markdown.
"""

import argparse
import json
import os
import sys
import tempfile

import measured_run
import quality_sets

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS_OF_PART = {1: 1 + 1 / 3 + 1 / 9, 1 / 3: 1 / 3 + 1 / 9, 1 / 9: 1 / 9}  # on all rungs up to it
SETTINGS = {"model.type": ["lr", "gbdt"], "model.optimizer.alpha": [.02, .05, .1, .2, .5], "model.optimizer.l1": [0, .1, 1],
            "train.passes": [1, 2, 4, 8], "model.gbdt.max_leaves": [7, 15, 31, 63],
            "model.gbdt.learning_rate": [.05, .1, .2], "model.gbdt.min_hessian": [1, 10]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PS_DATA_DIR", ""), help="directory of the sets")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--sets", default="adult,telco_churn,avazu", help="comma-separated names; datagen:N has N rows of ps_datagen")
    parser.add_argument("--trials", type=int, default=9)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--valid", type=float, default=.2, help="part of the training rows to judge by")
    parser.add_argument("--seeds", default="1", help="comma-separated; rows to judge by, draws and trees differ")
    return parser.parse_args()


def search(arguments, job, out, trials, halving):
    """(validation loss, test loss, trainings' worth of rows, processor seconds)."""
    job = {**job, "output": {"dir": out}, "tune": {"search": {**job["tune"]["search"], "trials": trials, "halving": halving}}}
    with open(f"{out}.yaml", "w", encoding="utf-8") as text:
        json.dump(job, text)  # JSON is YAML
    usage = measured_run.run([f"{arguments.bin}/ps_train", "--config", f"{out}.yaml"], log_path=f"{out}.log")
    with open(f"{out}/search.json", encoding="utf-8") as text:
        tried = json.load(text)["trials"]
    with open(f"{out}/metrics.json", encoding="utf-8") as text:
        metrics = json.load(text)
    if halving:
        rows = sum(min((abs(part - trial["part"]), rows) for part, rows in ROWS_OF_PART.items())[1] for trial in tried)
    else:
        rows = len(tried)
    return metrics["valid"]["logloss"], metrics["test"]["logloss"], rows, usage.cpu


def job_of(arguments, name, work):
    """The job of a set, without settings that vary but those of features."""
    split = {"by": "ratio", "valid": arguments.valid}
    if name.startswith("datagen:"):
        path = f"{work}/rows.csv"
        measured_run.run([f"{arguments.bin}/ps_datagen", "--format", "csv", "--rows", name.split(":")[1], "--out", path])
        return {"data": {"train": {"files": [path]}, "format": "csv", "header": True, "label": {"column": "label"},
                         "split": {**split, "test": .1}}}
    data = quality_sets.load(name, arguments.data)
    if data is None:
        sys.exit(f"{name} is not in {arguments.data}")
    train, test = data.write(work)
    job = {"data": {**data.data_config(), "train": {"files": [train]}, "test": {"files": [test]}, "split": split}}
    features = [data.feature_config(op) for op in ("bucket", "log")]
    if features[0]:
        job["features"] = features[0]
    vary = {"features": features} if features[0] != features[1] else {}
    return {**job, "tune": {"search": {"vary": vary}}}


def main():
    arguments = parse_arguments()
    if not os.path.isdir(arguments.data) and not arguments.sets.startswith("datagen:"):
        sys.exit("give the directory of the sets with --data or PS_DATA_DIR")
    few, many = arguments.trials, 3 * arguments.trials
    print(f"| set | seed | {few} trials: valid / test | trainings, processor time | {many}, halving | | {many} | |\n"
          "|---|---|---|---|---|---|---|---|", flush=True)
    for name in arguments.sets.split(","):
        with tempfile.TemporaryDirectory(prefix="ps_search_halving.") as work:
            job = job_of(arguments, name, work)
            vary = {**SETTINGS, **job.get("tune", {"search": {"vary": {}}})["search"]["vary"]}
            job = {**job, "job": "search", "model": {"gbdt": {"trees": arguments.trees}}, "tune": {"search": {"vary": vary}}}
            for seed in arguments.seeds.split(","):
                job["train"] = {"seed": int(seed), "early_stopping": {"patience": max(5, arguments.trees // 10)}}
                # The larger one goes on from the smaller one.
                first = search(arguments, job, f"{work}/whole-{seed}", few, False)
                halved = search(arguments, job, f"{work}/halving-{seed}", many, True)
                rest = search(arguments, job, f"{work}/whole-{seed}", many, False)
                whole = (*rest[:3], first[3] + rest[3])
                cells = [name, seed]
                for valid_loss, test_loss, rows, cpu in (first, halved, whole):
                    cells += [f"{valid_loss:.5f} / {test_loss:.5f}", f"{rows:.1f}, {cpu:.0f} s"]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
