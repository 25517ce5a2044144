"""What peers reach on the sets of quality.py, measured where they are installed.

Tables become one feature a column: `column=value`, numbers as quantile buckets of the training rows, missing as a
value of its own. Vowpal Wabbit: one pass, its default and the best of nine settings chosen on the test rows.
scikit-learn: logistic regression, many passes, C chosen out of seven on a tenth of the training rows.
"""

import bisect
import importlib.util
import os
import shutil
import subprocess
import sys

import measured_run
import quality_sets
import scoring

BUCKETS = 32
VW_SETTINGS = [[], ["-l", "0.1"], ["-l", "0.25"], ["-l", "1"], ["-l", "2"], ["--coin"],
               ["--ftrl", "--ftrl_alpha", "0.05"], ["--ftrl", "--ftrl_alpha", "0.1"],
               ["--ftrl", "--ftrl_alpha", "0.3"]]
C_GRID = [0.01, 0.03, 0.1, 0.3, 1, 3, 10]

# AUC and log loss measured earlier for the same splits, for machines without the peers:
# scikit-learn, Vowpal Wabbit's default, Vowpal Wabbit's best of 9.
REFERENCE = {
    "adult": ((.91167, .30718), (.91130, .30855), (.91130, .30855)),
    "a9a": ((.90619, .32405), (.90480, .32691), (.90480, .32691)),
    "amazon_access": ((.85450, .15489), (.83697, .16914), (.83990, .16522)),
    "avazu": ((.71198, .43228), (.71925, .43067), (.71925, .43067)),
    "criteo_raw_8k": ((.73590, .46791), (.73091, .46963), (.73613, .46669)),
    "telco_churn": ((.83987, .42491), (.83957, .42620), (.83957, .42620)),
    "online_shoppers": ((.92218, .23457), (.89587, .26361), (.90554, .24928)),
    "frappe": ((.93097, .29760), (.92251, .35804), (.92587, .30283)),
    "criteo_dac80k": ((.76979, .44177), (.76420, .44633), (.76684, .44351)),
}


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def quantile_cuts(values):
    """Inner cut points of BUCKETS buckets of equal count; fewer where values repeat."""
    values = sorted(values)
    return sorted({values[len(values) * i // BUCKETS] for i in range(1, BUCKETS)}) if values else []


def features(data):
    """Features of the training and the test rows: lists of `name` strings a row, all of value 1."""
    if isinstance(data, quality_sets.Sparse):
        return [[[feature.split(":")[0] for feature in line.split()[1:]] for line in lines]
                for lines in (data.train, data.test)]
    used = [(i, column) for i, column in enumerate(data.columns)
            if column != data.label and column not in data.ignored]
    cuts = {i: quantile_cuts([x for x in (number(row[i]) for row in data.train) if x is not None])
            for i, column in used if column in data.numeric}

    def feature(row, i, column):
        if i not in cuts:
            return f"{column}={row[i]}"
        x = number(row[i])
        return f"{column}=missing" if x is None else f"{column}={bisect.bisect_right(cuts[i], x)}"

    return [[[feature(row, i, column) for i, column in used] for row in rows] for rows in (data.train, data.test)]


def labels(data, rows):
    return [data.label_of(row) for row in rows]


def vw_name(feature):
    return feature.translate(str.maketrans({" ": "_", ":": "_", "|": "_", "\t": "_"}))


def measure_vw(data, work):
    """((AUC, log loss) of the default, of the best of VW_SETTINGS), or None without vw."""
    if shutil.which("vw") is None:
        return None
    test_labels = labels(data, data.test)
    for part, rows, row_labels in zip(("train", "test"), features(data),
                                      (labels(data, data.train), test_labels)):
        with open(f"{work}/{part}.vw", "w", encoding="utf-8") as out:
            out.writelines(f"{1 if y else -1} | {' '.join(map(vw_name, row))}\n"
                           for y, row in zip(row_labels, rows))
    scores = []
    for setting in VW_SETTINGS:
        measured_run.run(["vw", "-d", f"{work}/train.vw", "--loss_function", "logistic", "-b", "24", "--no_stdin",
                          "--quiet", *setting, "-f", f"{work}/model"], log_path=f"{work}/log")
        measured_run.run(["vw", "-t", "-i", f"{work}/model", "-d", f"{work}/test.vw", "--no_stdin", "--quiet",
                          "--link", "logistic", "-p", f"{work}/predictions"], log_path=f"{work}/log")
        with open(f"{work}/predictions", encoding="ascii") as lines:
            scores.append(scoring.score(test_labels, [float(line.split()[0]) for line in lines]))
    return scores[0], min(scores, key=lambda score: score[1])


def sklearn_python():
    if importlib.util.find_spec("sklearn") is not None:
        return sys.executable
    python = "/usr/bin/python3"
    known = os.path.exists(python) and subprocess.run([python, "-c", "import sklearn"],
                                                      capture_output=True).returncode == 0
    return python if known else None


def measure_sklearn(data, work):
    """(AUC, log loss) of scikit-learn's logistic regression, or None when it is not installed."""
    python = sklearn_python()
    if python is None:
        return None
    ids = {}
    for part, rows, row_labels in zip(("train", "test"), features(data),
                                      (labels(data, data.train), labels(data, data.test))):
        with open(f"{work}/{part}.svm", "w", encoding="ascii") as out:
            for y, row in zip(row_labels, rows):
                if part == "train":
                    for name in row:
                        ids.setdefault(name, len(ids) + 1)
                known = sorted({ids[name] for name in row if name in ids})
                out.write(f"{y} {' '.join(f'{i}:1' for i in known)}\n")
    measured_run.run([python, os.path.abspath(__file__), f"{work}/train.svm", f"{work}/test.svm",
                      f"{work}/predictions"], log_path=f"{work}/log")
    with open(f"{work}/predictions", encoding="ascii") as lines:
        return scoring.score(labels(data, data.test), [float(line) for line in lines])


def sklearn_main(train, test, predictions):
    """Runs under a Python that has scikit-learn."""
    import numpy
    from sklearn.datasets import load_svmlight_files
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    x, y, x_test, _ = load_svmlight_files([train, test])

    def fit(c, rows):
        return LogisticRegression(solver="liblinear", C=c, max_iter=1000).fit(x[rows], y[rows])

    held_out = numpy.arange(x.shape[0]) % 10 == 9
    losses = [log_loss(y[held_out], fit(c, ~held_out).predict_proba(x[held_out])[:, 1]) for c in C_GRID]
    best = C_GRID[int(numpy.argmin(losses))]
    probabilities = fit(best, numpy.ones(x.shape[0], bool)).predict_proba(x_test)[:, 1]
    with open(predictions, "w", encoding="ascii") as out:
        out.writelines(f"{p:.9g}\n" for p in probabilities)
    print(f"C = {best}")


if __name__ == "__main__":
    sklearn_main(*sys.argv[1:])
