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
write("all.tmp", rows, True)
write("shown.tmp", shown, True)
common = ["header=true", "verbosity=-1", "num_threads=1"]
subprocess.run([sys.argv[1], "task=train", "data=all.tmp", "label_column=0", "categorical_feature=2",
                "objective=binary", "num_leaves=8", "num_iterations=4", "min_data_in_leaf=5", "max_cat_to_onehot=1",
                "min_data_per_group=5", "cat_smooth=1", "output_model=lightgbm.txt"] + common, check=True)
subprocess.run([sys.argv[1], "task=predict", "data=shown.tmp", "input_model=lightgbm.txt",
                "predict_raw_score=true", "output_result=lightgbm.margins"] + common, check=True)
