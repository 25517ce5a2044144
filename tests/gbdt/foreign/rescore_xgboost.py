"""usage: rescore_xgboost.py MODEL ROWS OUT: margins that XGBoost gives the rows of a CSV without header or label."""
import sys

import numpy as np
import xgboost as xgb

model = xgb.Booster(model_file=sys.argv[1])
rows = np.genfromtxt(sys.argv[2], delimiter=",")
matrix = xgb.DMatrix(rows, feature_names=model.feature_names, feature_types=model.feature_types,
                     enable_categorical=True)
np.savetxt(sys.argv[3], model.predict(matrix, output_margin=True), fmt="%.9g")
