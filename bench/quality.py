#!/usr/bin/env python3
"""Quality on the real sets of a data directory, beside Vowpal Wabbit and scikit-learn.

One pass: the best of --alphas on the test rows, against Vowpal Wabbit's best of nine settings chosen the same way.
Several passes: alpha and l2 chosen, and training stopped, by the log loss of a tenth of the training rows; then
against scikit-learn's logistic regression with C chosen on a tenth too. AUC / log loss, Markdown.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import sys
import tempfile

import measured_run
import quality_peers
import quality_sets

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PS_DATA_DIR", ""), help="directory of the sets")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--sets", default=",".join(quality_sets.LOADERS), help="comma-separated names")
    parser.add_argument("--alphas", default=".06,.08,.12,.2,.4,.8,1.2")
    parser.add_argument("--l2s", default="0,1,10", help="tried with every alpha where there are several passes")
    parser.add_argument("--passes", type=int, default=40, help="at most; 1 leaves several passes out")
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--numeric", default="numeric", help="op of numeric columns")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="given to ps_train")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--no_peers", action="store_true", help="quote the reference figures instead")
    parser.add_argument("--out", default="", help="also write the table to this file")
    return parser.parse_args()


class Trainer:
    """Runs ps_train on one set with different settings and reads its metrics.json."""

    def __init__(self, arguments, data, work):
        self.arguments = arguments
        self.data = data
        self.work = work
        train, test = data.write(work)
        self.base = {"job": data.name,
                     "data": {**data.data_config(), "train": {"files": [train]}, "test": {"files": [test]}}}
        if data.feature_config(arguments.numeric):
            self.base["features"] = data.feature_config(arguments.numeric)
        self.runs = 0

    def train(self, alpha, l2=0.0, passes=1, valid=0.0):
        self.runs += 1
        out = f"{self.work}/out{self.runs}"
        job = json.loads(json.dumps(self.base))
        job["model"] = {"type": "lr", "optimizer": {"type": "ftrl", "alpha": alpha, "l2": l2}}
        job["train"] = {"passes": passes, "threads": 1}
        job["output"] = {"dir": out}
        if valid:
            job["data"]["split"] = {"by": "ratio", "valid": valid}
            job["train"]["early_stopping"] = {"patience": self.arguments.patience}
        with open(f"{out}.yaml", "w", encoding="utf-8") as text:
            json.dump(job, text, indent=1)  # JSON is YAML
        command = [f"{self.arguments.bin}/ps_train", "--config", f"{out}.yaml"]
        for setting in self.arguments.set:
            command += ["--set", setting]
        measured_run.quick(command)
        with open(f"{out}/metrics.json", encoding="utf-8") as text:
            metrics = json.load(text)
        shutil.rmtree(out)
        if metrics["rows_read"] != metrics["rows_learnt"] and not valid:
            raise measured_run.RunFailed(f"{self.data.name}: rows read are not rows learnt")
        return metrics

    def try_all(self, settings):
        """Metrics of each setting (keyword arguments of train), several at a time."""
        with concurrent.futures.ThreadPoolExecutor(self.arguments.jobs) as pool:
            return list(pool.map(lambda setting: self.train(**setting), settings))


def of(metrics, part):
    return metrics[part]["auc"], metrics[part]["logloss"]


def one_pass(trainer, alphas):
    """((AUC, log loss), alpha) of the best on the test rows."""
    metrics = trainer.try_all([{"alpha": alpha} for alpha in alphas])
    best = min(range(len(alphas)), key=lambda i: metrics[i]["test"]["logloss"])
    return of(metrics[best], "test"), f"alpha {alphas[best]:g}"


def many_passes(trainer, alphas, l2s, passes):
    """((AUC, log loss), settings): settings and end chosen on a tenth, then all training rows learnt so."""
    settings = [{"alpha": alpha, "l2": l2, "passes": passes, "valid": 0.1} for alpha in alphas for l2 in l2s]
    metrics = trainer.try_all(settings)
    best = min(range(len(settings)), key=lambda i: metrics[i]["valid"]["logloss"])
    chosen = settings[best]
    ended = metrics[best]["best_pass"] or metrics[best]["passes"]  # 0: the last one
    final = trainer.train(chosen["alpha"], chosen["l2"], ended)
    return of(final, "test"), f"alpha {chosen['alpha']:g}, l2 {chosen['l2']:g}, {ended} passes"


def peers(arguments, data):
    """(scikit-learn, VW default, VW best), each measured here where possible, and a mark where it was not."""
    reference = quality_peers.REFERENCE[data.name]
    if arguments.no_peers:
        return reference, "*"
    work = tempfile.mkdtemp(prefix="ps_quality_peers.")
    try:
        vw = quality_peers.measure_vw(data, work)
        learnt = quality_peers.measure_sklearn(data, work)
    finally:
        shutil.rmtree(work)
    mark = "*" if vw is None or learnt is None else ""
    return (learnt or reference[0], *(vw or reference[1:])), mark


def show(score):
    return f"{score[0]:.5f} / {score[1]:.5f}"


def percent(ours, theirs):
    return f"{100 * (ours[1] / theirs[1] - 1):+.2f} %"


def measure(arguments, name):
    """The table's row for one set."""
    data = quality_sets.load(name, arguments.data)
    if data is None:
        return f"| {name} | not in {arguments.data} |"
    alphas = [float(alpha) for alpha in arguments.alphas.split(",")]
    l2s = [float(l2) for l2 in arguments.l2s.split(",")]
    (sklearn_score, vw_default, vw_best), mark = peers(arguments, data)
    row = [f"{name} ({len(data.train):,} / {len(data.test):,})"]
    binary = os.path.join(arguments.bin, "ps_train")
    if os.access(binary, os.X_OK):
        work = tempfile.mkdtemp(prefix="ps_quality.")
        try:
            trainer = Trainer(arguments, data, work)
            score, how = one_pass(trainer, alphas)
            row += [f"{show(score)} ({how})", percent(score, vw_best)]
            if arguments.passes > 1:
                score, how = many_passes(trainer, alphas, l2s, arguments.passes)
                row += [f"{show(score)} ({how})", percent(score, sklearn_score)]
            else:
                row += ["", ""]
        finally:
            shutil.rmtree(work)
    else:
        row += ["", "", "", ""]
    row += [show(vw_default) + mark, show(vw_best) + mark, show(sklearn_score) + mark]
    return "| " + " | ".join(row) + " |"


def main():
    arguments = parse_arguments()
    if not os.path.isdir(arguments.data):
        sys.exit("give the directory of the sets with --data or PS_DATA_DIR")
    if not os.access(os.path.join(arguments.bin, "ps_train"), os.X_OK):
        print(f"{arguments.bin}/ps_train is missing: only the peers are measured", file=sys.stderr)
    lines = ["| set (train / test rows) | one pass, best alpha | log loss against VW's best | several passes | "
             "log loss against scikit-learn | VW default | VW best of 9 | scikit-learn LR |",
             "|---|---|---|---|---|---|---|---|"]
    for name in arguments.sets.split(","):
        if name not in quality_sets.LOADERS:
            sys.exit(f"no set is called {name}; there are {', '.join(quality_sets.LOADERS)}")
        lines.append(measure(arguments, name))
        print(lines[-1], file=sys.stderr)
    lines.append("\nAUC / log loss on the test rows; * reference figures, not measured in this run.")
    text = "\n".join(lines)
    print(text)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as out:
            out.write(text + "\n")


if __name__ == "__main__":
    main()
