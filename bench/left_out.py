#!/usr/bin/env python3
"""What the race of lanes leaves out, beside it, one pass: AdaGrad at its best of 24 settings, and mean margins of FTRL's
settings. All but model.tune: auto is chosen on the test rows: the most that could be gained. Markdown.
"""

import argparse
import math
import os
import sys
import tempfile

import quality_sets
import tuning

ADAGRAD = [(alpha, beta) for alpha in (.03, .06, .08, .12, .2, .4, .8, 1.2) for beta in (.15, .5, 1)]
FTRL = [(alpha, l1, beta) for alpha in (.05, .1, .2, .4, .8) for l1, beta in ((.05, .15), (1, .5))]


def logloss(margins, labels):
    return sum(max(z, 0) - y * z + math.log1p(math.exp(-abs(z))) for z, y in zip(margins, labels)) / len(labels)


def row_of(name, data, arguments, work):
    one = tuning.OneSet(arguments, tuning.job_of(name, data, work), work)
    tuned = one.train({"tune": "auto"})[0]["test"]["logloss"]
    adagrad = min(one.train({"optimizer": {"type": "adagrad", "alpha": alpha, "beta": beta}})[0]["test"]["logloss"]
                  for alpha, beta in ADAGRAD)
    labels = [data.label_of(row) for row in data.test]
    ranked = sorted((one.margins({"optimizer": {"type": "ftrl", "alpha": alpha, "l1": l1, "beta": beta}})
                     for alpha, l1, beta in FTRL), key=lambda margins: logloss(margins, labels))
    best = logloss(ranked[0], labels)
    cells = [name, f"{tuned:.5f}", f"{adagrad:.5f}", f"{100 * (tuned / adagrad - 1):+.2f} %"]
    for count in (2, 4):
        mean = [sum(of_row) / count for of_row in zip(*ranked[:count])]
        cells.append(f"{100 * (logloss(mean, labels) / best - 1):+.2f} %")
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PS_DATA_DIR", ""), help="directory of the sets")
    parser.add_argument("--bin", default=os.path.join(tuning.ROOT, "build", "bin"))
    parser.add_argument("--sets", default=",".join(quality_sets.LOADERS), help="comma-separated names")
    arguments = parser.parse_args()
    arguments.threads, arguments.passes, arguments.seed = 1, 1, 1
    columns = ["set", "tune: auto", "AdaGrad, best of 24", "against it", "mean of the best 2 of 10, against the best", "of 4"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for name in arguments.sets.split(","):
        data = quality_sets.load(name, arguments.data)
        if data is None:
            print(f"bench: {name} is not in {arguments.data}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="ps_left_out.") as work:
            print(row_of(name, data, arguments, work), flush=True)


if __name__ == "__main__":
    main()
