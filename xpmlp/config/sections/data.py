"""``[data]``: the examples, and the parts that they are split in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xpmlp.config.names import NameOf
from xpmlp.config.sections.section import Section
from xpmlp.config.value_types import (
    AbsolutePath,
    ColumnTypes,
    Count,
    Fraction,
    Names,
    OrNone,
    Seed,
    Text,
)


class DataConfig(Section):
    """Which examples to learn from, and which to judge by.

    `split = "validation"` holds out a part of the training set and evaluates it after each epoch; `"test"` trains
    on all of the training set and evaluates the test set once, at the end; `"three-way"` holds out a validation
    part and evaluates the test set once, at the end. With `train.folds`, which judge the epochs by themselves, `"test"`
    loses no rows, and goes with `test_fraction = 0`, too.
    """

    @model_validator(mode="before")
    @classmethod
    def _name_a_table(cls, given: Any) -> Any:
        """A path alone is that of a table."""
        named = isinstance(given, dict) and "path" in given and given["path"] not in (None, "none")
        return {"name": "table", **given} if named else given

    name: Annotated[str, NameOf("data set")]
    """The data set. `table` reads a table of your own, with columns of any kind; `digits` is scikit-learn's and needs
    no download, `synth` is generated, `csv` and `npz` read a file of your own, `arrays` are given in Python:
    `xpmlp.train(config, data=...)`. A path without a name is a table's.
    """

    root: OrNone[AbsolutePath] = None
    """The folder with the four IDX files, gzipped or not, or with torchvision's `MNIST/raw` or `FashionMNIST/raw` in it
    (mnist, fashion-mnist). Relative to the config file. Where files are missing there, nothing is downloaded. "none":
    look in `XPMLP_DATA_DIR`, then in the usual places, then download.
    """

    path: OrNone[AbsolutePath] = None
    """The file to read: required for table, csv and npz, refused for the others. Of a table it may be a folder of
    Parquet files. Relative to the config file.
    """

    target: Names = "target"
    """The column (csv) or array (npz) with the targets: labels of any type, or values to predict, as `model.loss` says.
    Several columns, or an array (n, k), are values, or yes and no as 1 and 0; with a single 1 in each row they are
    classes.
    """

    features: Names = "features"
    """The array with the features, one row per example (npz); or a list of columns (table). The features of csv, and of
    a table where none are listed, are all columns but the target.
    """

    drop: list[Text] = []
    """Columns that are no features (table)."""

    weights: OrNone[Text] = None
    """The column that says how much each row counts, in training and in scores (table)."""

    group: OrNone[Text] = None
    """The column of groups, as persons or cars: the rows of one are never on both sides of a split (table)."""

    time: OrNone[Text] = None
    """The column by which the newest rows are the test part, and of the others validate (table)."""

    types: ColumnTypes = None
    """Kinds of columns that overrule what is inferred, as `{ zip = "category", size = "small<medium<large" }`; kinds
    are number, category, truth, date, clock, text, id and constant (table).
    """

    task: Literal["auto", "classes", "values"] = "auto"
    """The kind of a table's target; `auto`: values if it has fractions or over 20 distinct numbers, else classes."""

    log_target: bool = False
    """Learn the logarithm of values, all of them above 0; predictions are values again (table)."""

    test: OrNone[AbsolutePath] = None
    """A file with the test part, which is then not drawn (table)."""

    validation: OrNone[AbsolutePath] = None
    """A file with the validation part, which is then not drawn (table)."""

    separator: OrNone[Text] = None
    """The separator of the fields of a table in a CSV file: a character, or "blanks". "none", here and below: found
    out, and reported.
    """

    quote: OrNone[Annotated[str, Field(max_length=1)]] = None
    """The character around fields of a CSV file (table); "": none."""

    decimal: OrNone[Literal[".", ","]] = None
    """The sign before a fraction in a CSV file (table)."""

    encoding: OrNone[Text] = None
    """The encoding of a CSV file, as "cp1250" (table)."""

    header: OrNone[bool] = None
    """Whether a CSV file's first line names the columns (table)."""

    comment: OrNone[str] = None
    """How lines of a CSV file begin that are comments (table); "": there are none."""

    missing: list[Text] = ["?", "NA", "N/A", "null", "NaN", "-"]
    """The texts of a table or csv file that mean a gap, besides an empty field: as they are, in capitals or in small
    letters. csv refuses a gap, in the target and in the features; `[]`: in the target they are classes. `-` is no gap
    in a target that has `+`, too.
    """

    split: Literal["validation", "test", "three-way"] = "validation"
    """The parts that are held out, and when each is evaluated: see above."""

    validation_size: OrNone[Count] = None
    """Examples held out for validation. "none": the data set's own: the last 5,000 of the training set for mnist and
    fashion-mnist, the last 10,000 for synth, 10% for digits, csv and npz. Unused by `split = "test"`.
    """

    test_fraction: Fraction = 0.2
    """The part of the examples that is set aside as the test set before anything else, whatever the split; stratified
    by class (digits, csv, npz; the others bring their own). 0: no test set.
    """

    seed: Seed = 0
    """Seed of the stratified split (digits, csv, npz); apart from that of the training."""

    standardize: OrNone[bool] = None
    """Shift and scale each feature to mean 0 and standard deviation 1, fitted on the training part only (csv, npz).
    "none": true for csv and npz, except for uint8 images in an npz file; false for the others.
    """
