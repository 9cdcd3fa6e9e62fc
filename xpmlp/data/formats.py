"""The table of data sets and formats."""

from __future__ import annotations

from functools import partial

from xpmlp._records import RecordTable
from xpmlp.data.csv_file import CSV
from xpmlp.data.dataset import Dataset
from xpmlp.data.digits import DIGITS
from xpmlp.data.format import Format, Request
from xpmlp.data.image_sets import IMAGE_SETS
from xpmlp.data.mnist import load_image_set
from xpmlp.data.numpy_file import NPZ
from xpmlp.data.synth import SYNTH
from xpmlp.data.table_format import TABLE
from xpmlp.errors import DataError


def _given(request: Request) -> Dataset:
    raise DataError(
        'data.name = "arrays" is for data given in Python, as xpmlp.train(config, data=xpmlp.from_arrays(x, y)); '
        "they are saved nowhere: name a data set or a file, or use xpmlp.predict on what was trained."
    )


formats = RecordTable(
    "data set",
    Format,
    {
        **{
            name: Format(image_set.title, partial(load_image_set, name), ("root", "validation_size"))
            for name, image_set in IMAGE_SETS.items()
        },
        "synth": SYNTH,
        "digits": DIGITS,
        "csv": CSV,
        "npz": NPZ,
        "table": TABLE,
        "arrays": Format("arrays passed from Python: xpmlp.train(config, data=...)", _given, has_values=True),
    },
)
