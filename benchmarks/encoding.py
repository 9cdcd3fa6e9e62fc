"""Time and memory of reading and encoding a large table, compared with pandas and scikit-learn's ColumnTransformer.

    python -m benchmarks.encoding [--rows 5_000_000] [--only xpmlp|pandas|skrub] [--folder DIR]

A table of 30 columns (20 numbers, two of them with missing values, 8 categories, a date and a truth value) is written
as Parquet; each contestant reads and encodes it in a separate process.  Memory is the peak of that process minus its
memory after the imports, compared with the size of the frame in memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

CHUNK = 500_000


def write_table(path: Path, rows: int) -> None:
    """Write the table in parts."""
    from polars import Series

    parts = []
    for start in range(0, rows, CHUNK):
        n, random = min(CHUNK, rows - start), np.random.default_rng(start)
        numbers = {f"n{place}": random.normal(size=n) for place in range(20)}
        columns: dict[str, Any] = {name: Series(values) for name, values in numbers.items()}
        for name in ("n0", "n1"):
            columns[name] = Series(np.where(random.random(n) < 0.1, np.nan, numbers[name])).fill_nan(None)
        for place, levels in enumerate((2, 3, 5, 10, 20, 50, 100, 1000)):
            columns[f"c{place}"] = Series([f"level {level}" for level in random.integers(0, levels, n)])
        columns["when"] = Series(np.datetime64("2020-01-01T00:00:00", "us") + random.integers(0, 10**14, n))
        columns["flag"] = Series(random.random(n) < 0.3)
        parts.append(pl.DataFrame(columns).lazy())
    pl.concat(parts).sink_parquet(path)


def with_xpmlp(path: Path) -> tuple[int, int]:
    from xpmlp.data.tables import fit_encoding, infer_schema, read_table

    data = read_table(path).data
    size = int(data.estimated_size())
    encoded = fit_encoding(data, infer_schema(data)).encode(data)
    return size, encoded.numbers.nbytes + encoded.codes.nbytes


def with_pandas(path: Path) -> tuple[int, int]:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder, RobustScaler

    frame = pd.read_parquet(path)
    size = int(frame.memory_usage(deep=True).sum())
    frame["flag"] = frame["flag"].astype(float)
    frame["when"] = (frame["when"] - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)
    words = [name for name in frame if name.startswith("c")]
    numbers = [name for name in frame if name not in words]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.int32)
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), RobustScaler())
    encoded = ColumnTransformer([("numbers", scaled, numbers), ("words", codes, words)]).fit_transform(frame)
    return size, encoded.nbytes


def with_skrub(path: Path) -> tuple[int, int]:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from skrub import TableVectorizer  # type: ignore[import-not-found, import-untyped, unused-ignore]

    frame = pd.read_parquet(path)
    encoded = TableVectorizer().fit_transform(frame)
    return int(frame.memory_usage(deep=True).sum()), int(encoded.memory_usage().sum())


CONTESTANTS: dict[str, Callable[[Path], tuple[int, int]]] = {
    "xpmlp": with_xpmlp,
    "pandas": with_pandas,
    "skrub": with_skrub,
}


def measured(name: str, path: Path) -> dict[str, Any]:
    """Read and encode the table in this process, and measure it."""
    if name == "xpmlp":
        import xpmlp.data.tables  # noqa: F401
    else:
        import pandas  # type: ignore[import-untyped, unused-ignore]  # noqa: F401
        import sklearn.compose  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    frame, out = CONTESTANTS[name](path)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {
        "contestant": name,
        "seconds": round(spent[0], 2),
        "cpu_seconds": round(spent[1], 2),
        "frame_mb": round(frame / 1e6),
        "encoded_mb": round(out / 1e6),
        "peak_mb": round(peak / 1e6),
        "peak_over_frame": round(peak / frame, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--only", default="xpmlp,pandas")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one[0], Path(given.one[1]))))
        return
    if given.write:
        write_table(given.write, given.rows)
        return
    with tempfile.TemporaryDirectory() as temporary:
        path = (given.folder or Path(temporary)) / f"table-{given.rows}.parquet"
        if not path.exists():  # by another process: the contestants' peaks would include this one's
            command = [sys.executable, "-m", "benchmarks.encoding", "--rows", str(given.rows), "--write", str(path)]
            subprocess.run(command, check=True)
        for name in given.only.split(","):
            command = [sys.executable, "-m", "benchmarks.encoding", "--one", name, str(path)]
            print(
                subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or f"{name} failed"
            )


if __name__ == "__main__":
    main()
