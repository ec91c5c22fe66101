"""A model of your own in script mode: scikit-learn, on the records as they are.

Copy the folder above to models/<model>/: its model.yaml names this script, and code/ holds it.

Training: files of CSV with a header in SM_CHANNEL_TRAIN and SM_CHANNEL_VALIDATION, the target last.
Predicting: lines of JSON, a record each, without the target. Answer: CSV, the classes' probabilities in the order of
their names (or the probability of the positive class, or a class; for numbers the number).
"""

import argparse
import io
import os
from pathlib import Path

import joblib
import pandas
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def read(folder):
    return pandas.concat(pandas.read_csv(path) for path in sorted(Path(folder).glob("*.csv")))


def pipeline(learning_rate, depth):
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    features = make_column_transformer(
        (words, make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    return make_pipeline(features, HistGradientBoostingClassifier(learning_rate=learning_rate, max_depth=depth))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning_rate", type=float, default=0.1)
    parser.add_argument("--max_depth", type=int, default=4)
    given = parser.parse_args()

    rows = read(os.environ["SM_CHANNEL_TRAIN"])
    target = rows.columns[-1]
    model = pipeline(given.learning_rate, given.max_depth).fit(rows.drop(columns=target), rows[target].astype(str))
    if "SM_CHANNEL_VALIDATION" in os.environ:
        held = read(os.environ["SM_CHANNEL_VALIDATION"])
        probabilities = model.predict_proba(held.drop(columns=target))
        loss = log_loss(held[target].astype(str), probabilities, labels=model.classes_)
        print(f"validation:logloss={loss:.4f};")
    joblib.dump({"model": model, "types": rows.dtypes.drop(target).astype(str).to_dict()}, model_file())


def model_file(folder=None):
    return Path(folder or os.environ["SM_MODEL_DIR"]) / "model.joblib"


def model_fn(model_dir):
    return joblib.load(model_file(model_dir))


def input_fn(body, content_type):
    if content_type != "application/jsonlines":
        raise ValueError(f"send application/jsonlines, not {content_type}")
    text = body.decode() if isinstance(body, bytes) else body
    return pandas.read_json(io.StringIO(text), lines=True, dtype=False, convert_dates=False)


def predict_fn(records, loaded):
    # a column that is empty in a whole request has no type of its own
    return loaded["model"].predict_proba(records.astype(loaded["types"]))


def output_fn(probabilities, accept):
    return pandas.DataFrame(probabilities).to_csv(header=False, index=False), accept


if __name__ == "__main__":
    main()
