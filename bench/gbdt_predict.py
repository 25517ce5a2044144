#!/usr/bin/env python3
"""Prediction by the same trees side by side: ours, and XGBoost's where a Python on this machine has it.

100 trees of 31 leaves are trained on rows of gbdt_datagen, dense (28 columns) and sparse (100,000 columns, about 83 values
a row), and exported as XGBoost's JSON; both systems score the same test rows from values in memory, many at once on all
processors and one at a time (median). Ours also from text, and XGBoost's margins are compared with ours.

gbdt_predict.py --peer MODEL.json ROWS FORMAT is how the script runs XGBoost in a process of its own.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time

import gbdt_runs
import measured_run

MOST_ROWS = 20_000


def sparse_rows(path, features):
    import numpy
    import scipy.sparse
    begin, columns, values = [0], [], []
    with open(path, encoding="ascii") as lines:
        for line in itertools.islice(lines, MOST_ROWS):
            for index, value in (entry.split(":") for entry in line.split()[1:]):
                if int(index) < features:
                    columns.append(int(index))
                    values.append(float(value))
            begin.append(len(columns))
    return scipy.sparse.csr_matrix((numpy.array(values, numpy.float32), columns, begin),
                                   shape=(len(begin) - 1, features))


def xgboost_peer(model, path, text_format):
    import numpy
    import xgboost
    booster = xgboost.Booster(model_file=model)
    booster.set_param({"nthread": os.cpu_count()})
    if text_format == "libsvm":
        rows = sparse_rows(path, booster.num_features())
    else:
        rows = numpy.loadtxt(path, delimiter="\t", dtype=numpy.float32, max_rows=MOST_ROWS)[:, 1:]
    margins = booster.inplace_predict(rows, predict_type="margin")
    times = []
    for _ in range(5):
        start = time.monotonic()
        booster.inplace_predict(rows, predict_type="margin")
        times.append(time.monotonic() - start)
    singles = []
    for r in range(2_000):
        row = rows[r:r + 1]
        start = time.perf_counter()
        booster.inplace_predict(row, predict_type="margin")
        singles.append(time.perf_counter() - start)
    print(json.dumps({"rows_per_second_of_threads": rows.shape[0] / min(times), "row_us": 1e6 * statistics.median(singles),
                      "margins": [float(margin) for margin in margins[:1000]]}))


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def measure(case, arguments, work):
    model, exported, log = f"{work}/out", f"{work}/model.json", f"{work}/log"
    gbdt_runs.run_ours(case, work, arguments.bin)
    measured_run.quick([f"{arguments.bin}/ps_model", "export", "--format", "xgboost", "--model", model, "--out", exported])
    systems = {"ours": [f"{arguments.bin}/tree_score_bench", "--model", model, "--data", case["test"], "--rows",
                        str(MOST_ROWS), "--threads", str(os.cpu_count())]}
    python = gbdt_runs.xgboost_python()
    if python:
        systems["XGBoost"] = [python, os.path.abspath(__file__), "--peer", exported, case["test"], case["format"]]
    results = {}
    for _ in range(arguments.repeats):
        for name, command in systems.items():
            measured_run.run(command, log_path=log)
            with open(log, encoding="utf-8", errors="replace") as lines:
                result = last_json(lines.read())
            best = results.setdefault(name, result)
            for key, value in result.items():
                if key.startswith("rows_per_second"):
                    best[key] = max(best[key], value)
                elif key.endswith("us"):
                    best[key] = min(best[key], value)
    if python:
        compare(results["XGBoost"]["margins"], case, arguments, work)
    return results


def compare(theirs, case, arguments, work):
    part, ours = f"{work}/part", []
    with open(case["test"], encoding="ascii") as lines, open(part, "w", encoding="ascii") as out:
        out.writelines(line for _, line in zip(range(len(theirs)), lines))
    measured_run.quick([f"{arguments.bin}/ps_eval", "--model", f"{work}/out", "--data", part, "--predictions",
                        f"{work}/predictions"])
    with open(f"{work}/predictions", encoding="ascii") as lines:
        header = next(lines).strip().split(",")
        ours = [float(line.split(",")[header.index("margin")]) for line in lines]
    print(f"{case['name']}: margins differ by {max(abs(a - b) for a, b in zip(ours, theirs)):.1e} at most",
          file=sys.stderr)


def table(case, results):
    lines = [f"### {case['name']}", "",
             f"| system | rows a second, {os.cpu_count()} threads | one thread | one row, µs | one row from text, µs |",
             "|---|---|---|---|---|"]
    for name, r in results.items():
        one = f"{r['rows_per_second']:,.0f}" if "rows_per_second" in r else ""
        text = f"{r['row_from_text_us']:.2f}" if "row_from_text_us" in r else ""
        lines.append(f"| {name} | {r['rows_per_second_of_threads']:,.0f} | {one} | {r['row_us']:.2f} | {text} |")
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:2] == ["--peer"]:
        xgboost_peer(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dense_rows", type=int, default=200_000)
    parser.add_argument("--sparse_rows", type=int, default=50_000)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--data", default=os.path.join(tempfile.gettempdir(), "ps_gbdt_runs"))
    parser.add_argument("--bin", default=os.path.join(gbdt_runs.ROOT, "build", "bin"))
    parser.add_argument("--cases", default="dense31,sparse31")
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    measured_run.run(["true"])  # starts the launcher while this process is small
    for name in arguments.cases.split(","):
        shape, leaves = name.rstrip("0123456789"), int(name.lstrip("densepar"))
        case = gbdt_runs.make_case(arguments, shape, leaves, arguments.trees)
        if shape == "dense":  # columns of few values are categories otherwise, which XGBoost takes as numbers of them
            case["features"] = "features: [" + ", ".join(f"{{op: numeric, column: {c}}}" for c in range(1, 29)) + "]\n"
        with tempfile.TemporaryDirectory(prefix="gbdt_predict.") as work:
            print(table(case, measure(case, arguments, work)), flush=True)


if __name__ == "__main__":
    main()
