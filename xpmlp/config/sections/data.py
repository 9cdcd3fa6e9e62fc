"""``[data]``: the examples, and their split into parts."""

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
    """The examples to train on, and those to evaluate.

    `split = "validation"` holds out a part of the training set and evaluates it after each epoch. `"test"` trains on
    the whole training set and evaluates the test set once, at the end. `"three-way"` holds out a validation part
    and also evaluates the test set once, at the end. With `train.folds`, whose left-out folds replace the
    validation part, `"test"` is also allowed with `test_fraction = 0`: then every row is used for training.
    """

    @model_validator(mode="before")
    @classmethod
    def _name_a_table(cls, given: Any) -> Any:
        """Take a path without a name for a table."""
        named = isinstance(given, dict) and "path" in given and given["path"] not in (None, "none")
        return {"name": "table", **given} if named else given

    name: Annotated[str, NameOf("data set")]
    """The data set. `table` reads a table of your own, with columns of any kind; `digits` comes with scikit-learn and
    needs no download; `synth` is generated; `csv` and `npz` read a file of your own; `arrays` are passed from Python:
    `xpmlp.train(config, data=...)`. A path without a name means a table.
    """

    root: OrNone[AbsolutePath] = None
    """The folder with the four IDX files, gzipped or not, or with torchvision's `MNIST/raw` or `FashionMNIST/raw`
    (mnist, fashion-mnist). Relative to the config file. If files are missing there, they are not downloaded. "none":
    look in `XPMLP_DATA_DIR`, then in the usual places, then download.
    """

    path: OrNone[AbsolutePath] = None
    """The file to read: required for table, csv and npz, refused for the others. For a table it may be a folder of
    Parquet files. Relative to the config file.
    """

    target: Names = "target"
    """The column (table, csv) or array (npz) with the targets: labels of any type, or values to predict, as
    `model.loss` says. Several columns, or an array (n, k), are values, or yes and no as 1 and 0; with a single 1 in
    each row they are classes.
    """

    features: Names = "features"
    """The array with the features, one row per example (npz); or a list of columns (table). The features of csv, and by
    default those of a table, are all columns but the target.
    """

    drop: list[Text] = []
    """Columns not used as features (table)."""

    weights: OrNone[Text] = None
    """The column with the weight of each row in training and in scores (table)."""

    group: OrNone[Text] = None
    """The column with the group of each row, such as a person or a car: the rows of a group stay on one side of every
    split (table).
    """

    time: OrNone[Text] = None
    """The column for a split by time: the newest rows are the test part, the newest of the others the validation part
    (table).
    """

    types: ColumnTypes = None
    """Kinds of columns, overriding the inferred ones, such as `{ zip = "category", size = "small<medium<large" }`; the
    kinds are number, category, truth, date, clock, text, id and constant (table).
    """

    task: Literal["auto", "classes", "values"] = "auto"
    """The kind of a table's target. `auto`: values if it has fractions or more than 20 distinct numbers, else classes.
    """

    log_target: bool = False
    """Learn the logarithm of the values, which must all be above 0; predictions are values again (table)."""

    test: OrNone[AbsolutePath] = None
    """A file with the test part, instead of drawing it (table)."""

    validation: OrNone[AbsolutePath] = None
    """A file with the validation part, instead of drawing it (table)."""

    separator: OrNone[Text] = None
    """The field separator of a table in a CSV file: a character, or "blanks". "none", here and below: detected and
    reported.
    """

    quote: OrNone[Annotated[str, Field(max_length=1)]] = None
    """The quotation mark around fields of a CSV file (table); "": none."""

    decimal: OrNone[Literal[".", ","]] = None
    """The decimal mark of a CSV file (table)."""

    encoding: OrNone[Text] = None
    """The encoding of a CSV file, such as "cp1250" (table)."""

    header: OrNone[bool] = None
    """Whether the first line of a CSV file holds the column names (table)."""

    comment: OrNone[str] = None
    """The beginning of comment lines in a CSV file (table); "": there are none."""

    missing: list[Text] = ["?", "NA", "N/A", "null", "NaN", "-"]
    """The texts that mark a missing value in a table or csv file, besides an empty field: as given, in upper case or in
    lower case. csv refuses missing values in features and targets; with `[]`, these texts are classes in its target.
    `-` is no such mark in a column that also has `+`.
    """

    split: Literal["validation", "test", "three-way"] = "validation"
    """The parts held out, and when each is evaluated: see above."""

    validation_size: OrNone[Count] = None
    """Examples held out for validation. "none": the data set's default: the last 5,000 of the training set for mnist
    and fashion-mnist, the last 10,000 for synth, 10% for digits, csv and npz, 10% for table, but at least 100 and at
    most 20%. Unused with `split = "test"`.
    """

    test_fraction: Fraction = 0.2
    """The share of the examples set aside as the test set before anything else, whatever the split; stratified by
    class, unless `group` or `time` is given (digits, csv, npz, table; the others have a fixed test set or none). 0: no
    test set.
    """

    seed: Seed = 0
    """Seed of the random split (digits, csv, npz, table) and of `train.folds`; independent of that of the training."""

    standardize: OrNone[bool] = None
    """Scale each feature to mean 0 and standard deviation 1, as measured on the training part (csv, npz). "none": true
    for csv and npz, except for uint8 images in an npz file; false for the others.
    """
