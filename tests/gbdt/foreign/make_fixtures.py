"""Makes the models of real tools that the tests read, and what those tools predict with them.

usage: make_fixtures.py LIGHTGBM_PROGRAM     (needs python3-xgboost; run in this folder; it leaves *.tmp)
"""
import csv
import subprocess
import sys

import numpy as np
import xgboost as xgb

random = np.random.default_rng(3)
rows = 400
x = np.floor(random.random((rows, 3)) * 64) / 16
x[:, 2] = random.integers(0, 12, rows)
x[random.random((rows, 3)) < 0.1] = np.nan
y = ((x[:, 0] > 2) ^ np.isin(x[:, 2], [1, 3, 5])).astype(int)
names, shown = ["a", "b", "c"], 80


def text(value):
    return "" if value != value else str(int(value)) if value == int(value) else repr(float(value))


def write(path, count, header):
    with open(path, "w") as out:
        if header:
            out.write("label,a,b,c\n")
        for label, row in zip(y[:count], x[:count]):
            out.write(",".join([str(label)] + [text(v) for v in row]) + "\n")


write("rows.csv", shown, True)
matrix = xgb.DMatrix(x, y, feature_names=names, feature_types=["q", "q", "c"], enable_categorical=True)
model = xgb.train(dict(objective="binary:logistic", tree_method="hist", max_depth=3, max_cat_to_onehot=2,
                       base_score=0.3), matrix, 3)
model.save_model("xgboost.json")
np.savetxt("xgboost.margins", model.predict(matrix, output_margin=True)[:shown], fmt="%.9g")
# dart, with trees that were dropped and scaled; a random forest.
more = dict(objective="binary:logistic", tree_method="hist", max_depth=2, max_cat_to_onehot=2, base_score=0.3, seed=4)
for kind, rounds, settings in (("dart", 6, dict(booster="dart", rate_drop=0.5, one_drop=1, skip_drop=0)),
                               ("forest", 1, dict(num_parallel_tree=5, subsample=0.6, colsample_bynode=0.7, eta=1))):
    model = xgb.train(more | settings, matrix, rounds)
    model.save_model(f"xgboost_{kind}.json")
    np.savetxt(f"xgboost_{kind}.margins", model.predict(matrix, output_margin=True)[:shown], fmt="%.9g")
write("all.tmp", rows, True)
write("shown.tmp", shown, True)
common = ["header=true", "verbosity=-1", "num_threads=1"]
for name, settings in (("lightgbm", []),
                       ("lightgbm_forest", ["boosting=rf", "bagging_freq=1", "bagging_fraction=0.6"]),
                       ("lightgbm_dart", ["boosting=dart", "drop_rate=0.5", "skip_drop=0"])):
    subprocess.run([sys.argv[1], "task=train", "data=all.tmp", "label_column=0", "categorical_feature=2",
                    "objective=binary", "num_leaves=8", "num_iterations=4", "min_data_in_leaf=5", "max_cat_to_onehot=1",
                    "min_data_per_group=5", "cat_smooth=1", f"output_model={name}.txt"] + settings + common, check=True)
    subprocess.run([sys.argv[1], "task=predict", "data=shown.tmp", f"input_model={name}.txt",
                    "predict_raw_score=true", f"output_result={name}.margins"] + common, check=True)
