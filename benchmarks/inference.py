"""Time of a prediction for one row and for many, compared with other models: ``python -m benchmarks.inference``.

A table of 20 numbers and 8 categories with two classes is drawn.  Every installed model is fitted on some thousand rows
(xpmlp for two epochs: the time of a prediction does not depend on the weights).  Then the models take turns predicting
probabilities from data frames, `--rounds` times, in one process.  The medians are written as Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import headed
from xpmlp._files import write_text

NUMBERS, LEVELS = 20, (2, 3, 5, 10, 20, 50, 100, 1000)

Predict = Callable[[Any], Any]


def drawn(rows: int, seed: int) -> tuple[Any, Any]:
    """Draw a pandas frame with numbers and words, and targets of two classes."""
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, NUMBERS))
    codes = [random.integers(0, levels, rows) for levels in LEVELS]
    columns: dict[str, Any] = {f"n{place}": column for place, column in enumerate(numbers.T)}
    columns |= {f"c{place}": np.asarray([f"level {one}" for one in column]) for place, column in enumerate(codes)}
    signal = numbers[:, 0] * numbers[:, 1] + (codes[3] < 4) + random.normal(size=rows)
    return pd.DataFrame(columns), (signal > 0.5).astype(int)


def words_of(frame: Any) -> list[str]:
    return [name for name in frame.columns if name.startswith("c")]


def with_xpmlp(frame: Any, y: Any, threads: int) -> Predict:
    from xpmlp import TabularClassifier

    settings = {"train.epochs": 2, "backend.threads": threads}
    return TabularClassifier(random_state=0, settings=settings).fit(frame, y).predict_proba


def with_catboost(frame: Any, y: Any, threads: int) -> Predict:
    from catboost import CatBoostClassifier  # type: ignore[import-not-found, unused-ignore]

    model = CatBoostClassifier(verbose=False, thread_count=threads, allow_writing_files=False)
    predict: Predict = model.fit(frame, y, cat_features=words_of(frame)).predict_proba
    return predict


def with_lightgbm(frame: Any, y: Any, threads: int) -> Predict:
    from lightgbm import LGBMClassifier  # type: ignore[import-not-found, unused-ignore]

    kinds = {name: frame[name].astype("category").dtype for name in words_of(frame)}
    model = LGBMClassifier(n_jobs=threads, verbose=-1).fit(frame.astype(kinds), y)
    return lambda rows: model.predict_proba(rows.astype(kinds))


def with_histogram_boosting(frame: Any, y: Any, threads: int) -> Predict:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return _pipeline(frame, HistGradientBoostingClassifier(), one_hot=False).fit(frame, y).predict_proba  # type: ignore[no-any-return]


def with_mlp(frame: Any, y: Any, threads: int) -> Predict:
    from sklearn.neural_network import MLPClassifier

    return _pipeline(frame, MLPClassifier(max_iter=2), one_hot=True).fit(frame, y).predict_proba  # type: ignore[no-any-return]


def _pipeline(frame: Any, model: Any, *, one_hot: bool) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    words = words_of(frame)
    encoder = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        if one_hot
        else OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    )
    numbers = [name for name in frame.columns if name not in words]
    return make_pipeline(ColumnTransformer([("numbers", StandardScaler(), numbers), ("words", encoder, words)]), model)


MODELS: dict[str, Callable[[Any, Any, int], Predict]] = {
    "xpmlp": with_xpmlp,
    "CatBoost": with_catboost,
    "LightGBM": with_lightgbm,
    "histogram boosting": with_histogram_boosting,
    "MLP of scikit-learn": with_mlp,
}


def fitted(names: Sequence[str], rows: int, threads: int) -> dict[str, Predict]:
    """Fit the installed models; name the others on standard error."""
    frame, y = drawn(rows, seed=0)
    models = {}
    for name in names:
        try:
            models[name] = MODELS[name](frame, y, threads)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return models


def measured(models: dict[str, Predict], rows: int, rounds: int) -> dict[str, float]:
    """Return the median seconds of a prediction for this many rows, the models taking turns."""
    frame, _ = drawn(rows, seed=1)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, predict in models.items() if turn % 2 else reversed(models.items()):
            began = time.perf_counter()
            predict(frame)
            if turn:  # the first prediction warms up
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def as_markdown(columns: dict[int, dict[str, float]], threads: int) -> str:
    """Format a table with a row for each model, in milliseconds."""
    names = list(next(iter(columns.values())))
    lines = [f"| ms, {threads} threads | " + " | ".join(f"{rows:,} rows" for rows in columns) + " |"]
    lines.append("|---|" + "---:|" * len(columns))
    lines += [
        f"| {name} | " + " | ".join(f"{1e3 * one[name]:,.2f}" for one in columns.values()) + " |" for name in names
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="names, joined by commas")
    parser.add_argument("--rows", default="1,100000", help="rows of a prediction, joined by commas")
    parser.add_argument("--train-rows", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, help="where to write the table, as Markdown")
    given = parser.parse_args(arguments)
    with warnings.catch_warnings(action="ignore"):
        models = fitted(given.models.split(","), given.train_rows, given.threads)
        columns = {
            rows: measured(models, rows, given.rounds if rows > 1_000 else 10 * given.rounds)
            for rows in map(int, given.rows.split(","))
        }
    text = as_markdown(columns, given.threads)
    print(text, end="")
    if given.out is not None:
        command = f"python -m benchmarks.inference --train-rows {given.train_rows} --rounds {given.rounds}"
        write_text(given.out, headed("Predictions for a table of 28 columns", command, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
