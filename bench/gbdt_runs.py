#!/usr/bin/env python3
"""Trees side by side: ours, XGBoost where a Python on this machine has it, LightGBM where `lightgbm` is on the PATH.

Data: rows of gbdt_datagen (made once and kept in --data): dense 2M x 28 with 31 and 255 leaves, sparse 500k x 100k with
31. All systems get the same settings, take turns, and each one's fastest repeat counts. Prints a Markdown table of ms a
tree (median), test AUC, seconds of loading and binning, resident memory, and our ratios to each peer.

gbdt_runs.py --peer xgboost TRAIN TEST FORMAT TREES LEAVES is how the script runs XGBoost in a process of its own.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import measured_run
import scoring

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETTINGS = {"learning_rate": 0.1, "max_bins": 255, "l2": 1, "min_hessian": 1}


def xgboost_peer(train, test, text_format, trees, leaves):
    import numpy
    import xgboost

    def matrix(path):
        if text_format == "libsvm":
            return xgboost.DMatrix(path)
        rows = numpy.loadtxt(path, delimiter="\t", dtype=numpy.float32)
        return xgboost.DMatrix(rows[:, 1:], rows[:, 0])

    start = time.monotonic()
    data = matrix(train)
    load = time.monotonic() - start
    booster = xgboost.Booster({"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide",
                               "max_leaves": leaves, "max_depth": 0, "eta": SETTINGS["learning_rate"],
                               "max_bin": SETTINGS["max_bins"], "lambda": SETTINGS["l2"],
                               "min_child_weight": SETTINGS["min_hessian"], "nthread": os.cpu_count(),
                               "eval_metric": "auc"}, [data])
    times = []
    for tree in range(trees):
        start = time.monotonic()
        booster.update(data, tree)
        times.append(time.monotonic() - start)
    median = statistics.median(times)
    auc = float(booster.eval(matrix(test)).split(":")[1])
    # Reading with numpy is not XGBoost's: only what it does itself counts as loading of tables.
    loading = times[0] - median + (load if text_format == "libsvm" else 0)
    print(json.dumps({"ms": 1e3 * median, "auc": auc, "load": loading}))


def xgboost_python():
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import xgboost"],
                                                     capture_output=True).returncode == 0:
            return python
    return None


def run_xgboost(case, work):
    log = f"{work}/log"
    usage = measured_run.run([xgboost_python(), os.path.abspath(__file__), "--peer", "xgboost", case["train"],
                              case["test"], case["format"], str(case["trees"]), str(case["leaves"])], log_path=log)
    with open(log, encoding="utf-8", errors="replace") as lines:
        result = json.loads([line for line in lines if line.startswith("{")][-1])
    return {**result, "rss": usage.rss_mb}


def run_lightgbm(case, work, extra=()):
    log, model, predictions = f"{work}/log", f"{work}/model", f"{work}/predictions"
    usage = measured_run.run(
        ["lightgbm", "task=train", "objective=binary", f"data={case['train']}", f"num_leaves={case['leaves']}",
         f"num_trees={case['trees']}", f"learning_rate={SETTINGS['learning_rate']}", f"max_bin={SETTINGS['max_bins']}",
         f"num_threads={os.cpu_count()}", f"lambda_l2={SETTINGS['l2']}", "min_data_in_leaf=1",
         f"min_sum_hessian_in_leaf={SETTINGS['min_hessian']}", "header=false", "label_column=0",
         f"output_model={model}", *extra], log_path=log)
    with open(log, encoding="utf-8", errors="replace") as lines:
        text = lines.read()
    ends = [float(t) for t in re.findall(r"([\d.]+) seconds elapsed, finished iteration", text)]
    times = [b - a for a, b in zip([0.0] + ends, ends)]
    load = float(re.search(r"Finished loading data in ([\d.]+)", text).group(1))
    measured_run.run(["lightgbm", "task=predict", f"data={case['test']}", f"input_model={model}",
                      f"output_result={predictions}"], log_path=log)
    with open(predictions, encoding="ascii") as lines:
        auc = scoring.score(case["labels"], [float(line) for line in lines])[0]
    return {"ms": 1e3 * statistics.median(times), "auc": auc, "load": load, "rss": usage.rss_mb}


def run_ours(case, work, binary):
    job = f"{work}/job.yaml"
    settings = ", ".join(f"{key}: {value}" for key, value in SETTINGS.items())
    with open(job, "w", encoding="ascii") as out:
        out.write(f"data: {{train: {{files: ['{case['train']}']}}, test: {{files: ['{case['test']}']}}, "
                  f"format: {case['format']}}}\n{case.get('features', '')}"
                  f"model: {{type: gbdt, gbdt: {{trees: {case['trees']}, max_leaves: {case['leaves']}, {settings}}}}}\n"
                  f"output: {{dir: '{work}/out'}}\n")
    measured_run.run([f"{binary}/ps_train", "--config", job], log_path=f"{work}/log")
    with open(f"{work}/out/metrics.json", encoding="utf-8") as file:
        metrics = json.load(file)
    return {"ms": metrics["median_tree_ms"], "auc": metrics["test"]["auc"], "load": metrics["load_seconds"],
            "rss": metrics["peak_rss_bytes"] / 2**20}


def make_case(arguments, shape, leaves, trees):
    rows = arguments.dense_rows if shape == "dense" else arguments.sparse_rows
    case = {"name": f"{shape}, {rows:,} rows, {leaves} leaves, {trees} trees", "leaves": leaves, "trees": trees,
            "format": "tsv" if shape == "dense" else "libsvm", "shape": shape}
    os.makedirs(arguments.data, exist_ok=True)
    for part, count, first in (("train", rows, 0), ("test", max(rows // 10, 1), rows)):
        path = f"{arguments.data}/{shape}_{part}_{count}_from_{first}"
        if not os.path.exists(path):
            measured_run.quick([f"{arguments.bin}/gbdt_datagen", "--shape", shape, "--rows", str(count), "--first_row",
                                str(first), "--out", f"{path}.part"])
            os.rename(f"{path}.part", path)
        case[part] = path
    with open(case["test"], encoding="ascii") as lines:
        case["labels"] = [int(line[0]) for line in lines]
    return case


def systems_for(case, arguments):
    systems = {"ours": lambda work: run_ours(case, work, arguments.bin)}
    if xgboost_python():
        systems["XGBoost hist"] = lambda work: run_xgboost(case, work)
    # On wide sparse rows LightGBM builds its bins in a loop over rows x columns and does not end.
    if shutil.which("lightgbm") and case["shape"] == "dense":
        systems["LightGBM"] = lambda work: run_lightgbm(case, work)
        if case["leaves"] > 31:
            systems["LightGBM quantised"] = lambda work: run_lightgbm(case, work, ["use_quantized_grad=true"])
    wanted = [part.strip().lower() for part in arguments.only.split(",") if part.strip()]
    return {name: run for name, run in systems.items()
            if name == "ours" or not wanted or any(part in name.lower() for part in wanted)}


def measure(case, arguments):
    best = {}
    for repeat in range(arguments.repeats):
        for name, run in systems_for(case, arguments).items():
            if repeat > 0 and name == "XGBoost hist" and case["shape"] == "sparse":
                continue  # minutes a run
            for path in (case["train"], case["test"]):
                with open(path, "rb", buffering=0) as file:
                    while file.read(1 << 24):
                        pass
            with tempfile.TemporaryDirectory(prefix="gbdt_runs.") as work:
                try:
                    result = run(work)
                except measured_run.RunFailed as failure:
                    print(f"{case['name']}: {name} FAILED: {failure}", file=sys.stderr)
                    continue
            print(f"{case['name']}: {name}: {result['ms']:.1f} ms a tree", file=sys.stderr)
            known = best.setdefault(name, result)
            best[name] = {**result, "ms": min(known["ms"], result["ms"]), "load": min(known["load"], result["load"])}
    return best


def table(case, best):
    lines = [f"### {case['name']}", "", "| system | ms a tree | AUC | load and bin s | RSS MB | ours / it: tree, load |",
             "|---|---|---|---|---|---|"]
    ours = best.get("ours")
    for name, r in best.items():
        ratio = f"{ours['ms'] / r['ms']:.2f}, {ours['load'] / r['load']:.2f}" if ours and name != "ours" else ""
        lines.append(f"| {name} | {r['ms']:.1f} | {r['auc']:.5f} | {r['load']:.2f} | {r['rss']:,.0f} | {ratio} |")
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:3] == ["--peer", "xgboost"]:
        train, test, text_format, trees, leaves = sys.argv[3:]
        xgboost_peer(train, test, text_format, int(trees), int(leaves))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dense_rows", type=int, default=2_000_000)
    parser.add_argument("--sparse_rows", type=int, default=500_000)
    parser.add_argument("--trees", type=int, default=100, help="of dense runs; sparse ones have a tenth")
    parser.add_argument("--data", default=os.path.join(tempfile.gettempdir(), "ps_gbdt_runs"))
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--cases", default="dense31,dense255,sparse31")
    parser.add_argument("--only", default="", help="comma-separated parts of peers' names")
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    measured_run.run(["true"])  # starts the launcher while this process is small
    for name in arguments.cases.split(","):
        shape, leaves = re.fullmatch(r"(dense|sparse)(\d+)", name).groups()
        trees = arguments.trees if shape == "dense" else max(1, arguments.trees // 10)
        case = make_case(arguments, shape, int(leaves), trees)
        print(table(case, measure(case, arguments)), flush=True)


if __name__ == "__main__":
    main()
