#!/usr/bin/env python3
"""Trees on a cluster beside one process: bytes on the wire and time a tree, with rows or columns at the workers.

Rows of gbdt_datagen (made once and kept in --data): dense 2M x 28 with 31 and 255 leaves, sparse 500k x 100k with 31. One
process, rows and columns take turns on the same machine, --repeats times; each one's fastest repeat counts. Every
trees.pb must be that of one process. Prints a Markdown table.
"""

import argparse
import filecmp
import json
import os
import tempfile

import measured_run

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = {"dense31": ("dense", 31), "dense255": ("dense", 255), "sparse31": ("sparse", 31)}


def data_of(shape, rows, arguments):
    path = f"{arguments.data}/{shape}_train_{rows}_from_0"
    if not os.path.exists(path):
        os.makedirs(arguments.data, exist_ok=True)
        measured_run.quick([f"{arguments.bin}/gbdt_datagen", "--shape", shape, "--rows", str(rows), "--out", f"{path}.part"])
        os.rename(f"{path}.part", path)
    return path


def run(train, shape, leaves, trees, way, arguments, out):
    settings = ["data.train.files=['" + train + "']", f"model.gbdt.trees={trees}", f"model.gbdt.max_leaves={leaves}",
                f"output.dir='{out}'", "data.format=" + ("tsv" if shape == "dense" else "libsvm")]
    command = [f"{arguments.bin}/ps_train", "--config", f"{out}.yaml"]
    if way != "one process":
        command += ["--local", arguments.shape]
        settings.append(f"model.gbdt.distribution={way}")
    with open(f"{out}.yaml", "w", encoding="ascii") as job:
        job.write("model: {type: gbdt}\n")
    for setting in settings:
        command += ["--set", setting]
    measured_run.run(command, log_path=f"{out}.log")
    with open(f"{out}/metrics.json", encoding="utf-8") as file:
        return json.load(file)


def measure(name, arguments):
    shape, leaves = CASES[name]
    rows = arguments.dense_rows if shape == "dense" else arguments.sparse_rows
    train = data_of(shape, rows, arguments)
    best = {}
    with tempfile.TemporaryDirectory(dir=arguments.data) as work:
        for _ in range(arguments.repeats):
            for way in ("one process", "rows", "columns"):
                out = f"{work}/{way.split()[0]}"
                metrics = run(train, shape, leaves, arguments.trees, way, arguments, out)
                if not filecmp.cmp(f"{work}/one/trees.pb", f"{out}/trees.pb", shallow=False):
                    raise SystemExit(f"{name}, {way}: other trees than those of one process")
                if way not in best or metrics["median_tree_ms"] < best[way]["median_tree_ms"]:
                    best[way] = metrics
    alone = best["one process"]["median_tree_ms"]
    for way in ("rows", "columns"):
        metrics = best[way]
        estimate = metrics["estimated_wire_bytes_per_tree"][way]
        print(f"| {shape} {rows:,}, {leaves} leaves, by {way} | {metrics['wire_bytes_per_tree'] / 1e6:.2f} MB "
              f"| {estimate / 1e6:.2f} MB | {metrics['steps'] / arguments.trees:.1f} | {metrics['median_tree_ms']:.0f} "
              f"| {alone:.0f} | {metrics['median_tree_ms'] / alone:.2f} | {metrics['load_seconds']:.1f} "
              f"| {best['one process']['load_seconds']:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=f"{ROOT}/build/bin")
    parser.add_argument("--data", default=os.path.join(tempfile.gettempdir(), "ps_gbdt_runs"))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--shape", default="2x2", help="SERVERSxWORKERS")
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--dense_rows", type=int, default=2_000_000)
    parser.add_argument("--sparse_rows", type=int, default=500_000)
    arguments = parser.parse_args()
    print("| rows | bytes a tree | estimated | steps a tree | ms a tree | ms of one process | ratio | s to load | of one process |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in arguments.cases.split(","):
        measure(name, arguments)


if __name__ == "__main__":
    main()
