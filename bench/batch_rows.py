#!/usr/bin/env python3
"""A linear model learnt in batches, as on a GPU, by the processor: test log loss of one pass by train.batch_rows.

usage: batch_rows.py --data DIR [--bin DIR] [--sets adult,...] [--batches 1,16,64,256,1024]

Default settings but for the batches; the first column learns row by row. The sets are those of leaves_runs.py.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import yaml

import leaves_runs


def logloss(work, data, batch_rows, binary):
    job = {"data": data | {"train": {"files": [f"{work}/train"]}, "test": {"files": [f"{work}/test"]}},
           "model": {"type": "lr"}, "output": {"dir": f"{work}/out"}}
    if batch_rows is not None:
        job["train"] = {"batch_rows": batch_rows}
    with open(f"{work}/job.yaml", "w", encoding="utf-8") as file:
        yaml.safe_dump(job, file)
    done = subprocess.run([f"{binary}/ps_train", "--config", f"{work}/job.yaml"], check=False, capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    with open(f"{work}/out/metrics.json", encoding="utf-8") as file:
        return json.load(file)["test"]["logloss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bin", default=os.path.join(leaves_runs.ROOT, "build", "bin"))
    parser.add_argument("--sets", default="adult,criteo_dac80k,amazon_access")
    parser.add_argument("--batches", default="1,16,64,256,1024")
    options = parser.parse_args()
    batches = [int(rows) for rows in options.batches.split(",")]
    print("| set | row by row | " + " | ".join(f"{rows:,}" for rows in batches) + " |")
    print("|---" * (len(batches) + 2) + "|")
    for name in options.sets.split(","):
        data, header, train, test = leaves_runs.SETS[name](options.data)
        with tempfile.TemporaryDirectory() as work:
            for part, rows in (("train", train), ("test", test)):
                with open(f"{work}/{part}", "w", encoding="utf-8") as file:
                    file.write("\n".join(([header] if header else []) + rows) + "\n")
            figures = [logloss(work, data, rows, options.bin) for rows in (None, *batches)]
        print(f"| {name} ({len(train):,} rows) | " + " | ".join(f"{figure:.5f}" for figure in figures) + " |",
              flush=True)


if __name__ == "__main__":
    main()
