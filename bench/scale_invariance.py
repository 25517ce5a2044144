#!/usr/bin/env python3
"""How much the log loss moves when numeric columns are written in other units: multiplied by powers of ten.

For every set and every op of its numeric columns: the test log loss as the data are; the largest move of it when all
numeric columns are multiplied by 10^k, k in -6..6; and the largest when each column has a k of its own. The digits of a
number stay, only the point moves. "inferred" leaves `features` out. Exit 1 when a move reaches --limit. Markdown.
"""

import argparse
import decimal
import functools
import json
import os
import random
import shutil
import sys
import tempfile

import measured_run
import quality_sets

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXPONENTS = [k for k in range(-6, 7) if k != 0]
OPS = ("inferred", "numeric", "bucket", "log", "raw")
MODELS = {"ftrl": {"type": "lr", "optimizer": {"type": "ftrl", "alpha": 0.1}},
          "adagrad": {"type": "lr", "optimizer": {"type": "adagrad", "alpha": 0.1}},
          "tune": {"type": "lr", "tune": "auto"},
          "gbdt": {"type": "gbdt", "gbdt": {"trees": 30}}}


def load_higgs(directory):
    """28 columns of decimals, none of them a category."""
    columns = ["label", *[f"x{i}" for i in range(1, 29)]]
    parts = [[line.split("\t") for line in quality_sets.read_lines(directory, f"higgs7k_{part}.tsv.gz")]
             for part in ("train", "test")]
    return quality_sets.table("higgs7k", columns, "label", "1", *parts, columns[1:], separator="\t")


LOADERS = {"higgs7k": load_higgs, "adult": quality_sets.load_adult, "online_shoppers": quality_sets.load_shoppers,
           "telco_churn": quality_sets.load_telco, "criteo_raw_8k": quality_sets.load_criteo_raw}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PS_DATA_DIR", ""), help="directory of the sets")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--sets", default=",".join(LOADERS), help="comma-separated names")
    parser.add_argument("--ops", default=",".join(OPS))
    parser.add_argument("--models", default="ftrl,tune", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--random", type=int, default=6, help="how many times each column has a k of its own")
    parser.add_argument("--limit", type=float, default=0.1, help="per cent that a move must stay below")
    parser.add_argument("--out", default="", help="also write the table to this file")
    return parser.parse_args()


@functools.lru_cache(maxsize=1 << 20)
def scaled(text, k):
    """The number's text with its point moved by k digits; a text that is no number stays."""
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return text
    return format(number.scaleb(k), "f") if number.is_finite() else text


def scale_rows(table, rows, exponents):
    """The rows with column i multiplied by 10^exponents[i]."""
    places = [(table.columns.index(column), k) for column, k in exponents.items() if k != 0]
    result = []
    for row in rows:
        row = list(row)
        for place, k in places:
            row[place] = scaled(row[place], k)
        result.append(row)
    return result


class Sheet:
    """One set in one choice of units, as files."""

    def __init__(self, arguments, table, exponents):
        self.arguments = arguments
        self.table = table
        self.work = tempfile.mkdtemp(prefix="ps_scale.")
        copy = quality_sets.dataclasses.replace(table, train=scale_rows(table, table.train, exponents),
                                                test=scale_rows(table, table.test, exponents))
        self.train, self.test = copy.write(self.work)

    def remove(self):
        shutil.rmtree(self.work)

    def logloss(self, op, model):
        """Of the test rows, by ps_eval."""
        out = f"{self.work}/out"
        job = {"job": self.table.name, "data": {**self.table.data_config(), "train": {"files": [self.train]}},
               "model": MODELS[model], "train": {"threads": 1}, "output": {"dir": out}}
        if op != "inferred":
            job["features"] = self.table.feature_config(op)
        elif self.table.ignored:
            job["features"] = [{"column": column, "op": "ignore"} for column in sorted(self.table.ignored)]
        with open(f"{self.work}/job.yaml", "w", encoding="utf-8") as text:
            json.dump(job, text)  # JSON is YAML
        measured_run.quick([f"{self.arguments.bin}/ps_train", "--config", f"{self.work}/job.yaml"])
        metrics = measured_run.quick([f"{self.arguments.bin}/ps_eval", "--model", out, "--data", self.test, "--json"])
        shutil.rmtree(out)
        return json.loads(metrics)["model"]["logloss"]


def choices(table, count):
    """[(name, {column: k})]: as it is, all columns alike, each its own."""
    columns = sorted(table.numeric, key=table.columns.index)
    result = [("as it is", {})]
    result += [(f"10^{k}", dict.fromkeys(columns, k)) for k in EXPONENTS]
    for seed in range(count):
        generator = random.Random(seed)
        result.append((f"mixed {seed}", {column: generator.randint(-6, 6) for column in columns}))
    return result


def measure(arguments, table):
    """{(op, model): [(name of the choice, log loss)]}"""
    combinations = [(op, model) for op in arguments.ops.split(",") for model in arguments.models.split(",")]
    found = {combination: [] for combination in combinations}
    for name, exponents in choices(table, arguments.random):
        sheet = Sheet(arguments, table, exponents)
        for combination in combinations:
            found[combination].append((name, sheet.logloss(*combination)))
        sheet.remove()
    return found


def worst(base, losses):
    """(largest move in per cent, of which choice)"""
    return max((abs(loss / base - 1) * 100, name) for name, loss in losses)


def main():
    arguments = parse_arguments()
    if not os.path.isdir(arguments.data):
        sys.exit("give the directory of the sets with --data or PS_DATA_DIR")
    wrong = [name for name in arguments.sets.split(",") if name not in LOADERS]
    wrong += [op for op in arguments.ops.split(",") if op not in OPS]
    wrong += [model for model in arguments.models.split(",") if model not in MODELS]
    if wrong:
        sys.exit(f"unknown: {', '.join(wrong)}")
    lines = ["| set | op | model | log loss | all columns by 10^k | each by its own |", "|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    broken = False
    for set_name in arguments.sets.split(","):
        for (op, model), losses in measure(arguments, LOADERS[set_name](arguments.data)).items():
            base = losses[0][1]
            alike = worst(base, losses[1:1 + len(EXPONENTS)])
            cells = [set_name, op, model, f"{base:.5f}", f"{alike[0]:.4f} % ({alike[1]})"]
            moves = [alike]
            if arguments.random:
                moves.append(worst(base, losses[1 + len(EXPONENTS):]))
                cells.append(f"{moves[1][0]:.4f} % ({moves[1][1]})")
            broken |= max(moves)[0] >= arguments.limit
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as text:
            text.write("\n".join(lines) + "\n")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
