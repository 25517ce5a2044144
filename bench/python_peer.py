#!/usr/bin/python3
"""Trains a linear model of scikit-learn or xgboost on libsvm files, as a process of its own to be measured.

python_peer.py sgd|gblinear TRAIN TEST PREDICTIONS: writes one probability a test row.
"""

import sys


def train_sgd(x, y, x_test):
    from sklearn.linear_model import SGDClassifier
    model = SGDClassifier(loss="log_loss", alpha=1e-6, learning_rate="constant", eta0=0.02, max_iter=1,
                          tol=None, random_state=1)
    model.fit(x, y)
    return model.predict_proba(x_test)[:, 1]


def train_gblinear(x, y, x_test):
    import xgboost
    booster = xgboost.train(
        {"booster": "gblinear", "objective": "binary:logistic", "updater": "shotgun", "eta": 0.3,
         "lambda": 2e-4, "nthread": 2, "verbosity": 0},
        xgboost.DMatrix(x, y), num_boost_round=30)
    return booster.predict(xgboost.DMatrix(x_test))


def main():
    system, train, test, predictions = sys.argv[1:]
    from sklearn.datasets import load_svmlight_files
    x, y, x_test, _ = load_svmlight_files([train, test])
    probabilities = {"sgd": train_sgd, "gblinear": train_gblinear}[system](x, y > 0, x_test)
    with open(predictions, "w", encoding="ascii") as out:
        out.writelines(f"{p:.9g}\n" for p in probabilities)


if __name__ == "__main__":
    main()
