"""`TableEncoder`: a scikit-learn transformer of a table's columns to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from xpmlp.data.labels import MISSING
from xpmlp.data.messages import quoted
from xpmlp.data.tables import Encoded, TableEncoding, fit_encoding, infer_schema
from xpmlp.data.tables.columns import type_pairs
from xpmlp.data.tables.features import MISSING_CODE
from xpmlp.estimator.parameters import COUNT, DeclaredParameters, parameter
from xpmlp.estimator.tables import TableInput, as_value_errors, given_frame


@dataclass(eq=False, repr=False)
class TableEncoder(TransformerMixin, TableInput, DeclaredParameters):
    """Encode a table of numbers, categories, truth values, dates and text as numbers, by rules that are reported.

    ``schema_`` gives the inferred kind of each column, and the reason; ``types`` overrides it.

    Parameters
    ----------
    types : str or dict, optional
        Kinds of columns: ``"zip=category, size=small<medium<large"``, or a dict of the same.
    missing : sequence of str
        The texts that mean a missing value.
    categories : {"one-hot", "codes"}
        How `transform` encodes categories: by a number for missing and for each category, or by the code as one number.
    max_categories : int
        With "one-hot": the maximum number of a column's categories with an indicator each; rarer ones share one.
    categorical_features : sequence of str, int or bool, optional
        Columns to treat as categories regardless of their values: names, positions, or a truth value for each column.

    Attributes
    ----------
    schema_ : Schema
        The kinds of the columns; ``print(encoder.schema_)``.
    encoding_ : TableEncoding
        The fitted encoding; ``to_json`` converts it to JSON.
    n_features_in_ : int
    feature_names_in_ : (n_features_in_,)
        Only if the columns have names.

    Examples
    --------
    >>> encoder = TableEncoder().fit({"size": ["S", "L"] * 6, "kg": [1.0, 4.0, None, 5.0] * 3})
    >>> encoder.get_feature_names_out().tolist()
    ['kg', 'kg missing', 'size=L', 'size=S']
    >>> encoded = encoder.encode({"kg": [4.0], "size": ["M"]})
    >>> encoded.codes.tolist(), encoded.unseen
    ([[0]], {'size': 1})
    """

    types: str | Mapping[str, str] | None = parameter(None, str, dict, None)
    _: KW_ONLY
    missing: Sequence[str] = parameter(MISSING, "array-like")
    categories: str = parameter("one-hot", StrOptions({"one-hot", "codes"}))
    max_categories: int = parameter(100, COUNT)
    categorical_features: Sequence[str | int | bool] | None = parameter(None, "array-like", None)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Infer the kinds of the columns of ``X``, and fit their encoding.

        Parameters
        ----------
        X : data frame or array (n, n_columns)
        y : ignored

        Raises
        ------
        ValueError
            If ``X`` is not a table, or one of its columns cannot be read.
        """
        self._validate_params()
        frame = given_frame(self, X, reset=True)
        with as_value_errors():
            types = told_types(self.types, self.categorical_features, frame.data.columns)
            self.schema_ = infer_schema(frame, types=types, missing=tuple(self.missing))
            self.encoding_ = fit_encoding(frame, self.schema_)
        return self

    def encode(self, X: Any, *, allow_missing: bool = False) -> Encoded:
        """Encode a table as a network's two input arrays: numbers (n, f) float32 and codes (n, c) int32.

        Parameters
        ----------
        X : data frame or array (n, n_columns)
            Named columns are matched by name, in any order.
        allow_missing : bool
            Whether to take an absent column for missing values.
        """
        check_is_fitted(self)
        frame = given_frame(self, X, reset=False)
        with as_value_errors():
            return self.encoding_.encode(frame, allow_missing=allow_missing, what="X")

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Encode a table as one array of numbers, (n, n_features_out)."""
        return side_by_side(self.encode(X), self.encoding_, self.categories, self.max_categories)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name the columns of `transform`."""
        check_is_fitted(self)
        if input_features is not None:
            known = getattr(self, "feature_names_in_", None)
            if known is not None and list(input_features) != list(known):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(input_features) != self.n_features_in_:
                raise ValueError(
                    f"input_features should have length equal to number of features ({self.n_features_in_}), "
                    f"got {len(input_features)}"
                )
        names = list(self.encoding_.number_names)
        for one in self.encoding_.columns:
            if one.has_codes and self.categories == "codes":
                names.append(one.column.name)
            elif one.has_codes:
                own, shared = one.levels[: self.max_categories], len(one.levels) > self.max_categories or one.rare
                names += [f"{one.column.name}={level}" for level in own]
                names += [f"{one.column.name} rare"] if shared else []
                names += [f"{one.column.name} missing"] if one.column.missing else []
        return np.asarray(names, dtype=object)


def told_types(types: str | Mapping[str, str] | None, categorical: Any, names: Sequence[str]) -> dict[str, str]:
    """Merge the kinds set by the user with "category" for the columns given as categorical; a string is one name.

    Raises
    ------
    ValueError
        If a name, a position or the length of a mask does not fit the columns.
    """
    given = [categorical] if isinstance(categorical, str) else categorical
    told = [] if given is None else list(given)
    if told and all(isinstance(one, bool | np.bool_) for one in told):
        if len(told) != len(names):
            raise ValueError(f"categorical_features is a mask of {len(told)} truth values for {len(names)} columns")
        told = np.flatnonzero(told).tolist()
    chosen = []
    for one in told:
        place = names.index(one) if isinstance(one, str) and one in names else one
        if isinstance(place, bool) or not isinstance(place, int | np.integer) or not 0 <= place < len(names):
            raise ValueError(
                f"categorical_features has {quoted(str(one))}, which is no column's name and no position from 0 to "
                f"{len(names) - 1}"
            )
        chosen.append(names[int(place)])
    return {**dict.fromkeys(chosen, "category"), **type_pairs(types)}


def side_by_side(
    encoded: Encoded, encoding: TableEncoding, categories: str = "one-hot", max_categories: int = 100
) -> npt.NDArray[np.float64]:
    """Join numbers and codes in one array, the codes one-hot or unchanged."""
    parts = [encoded.numbers.astype(np.float64)]
    if categories == "codes":
        return np.concatenate([*parts, encoded.codes.astype(np.float64)], axis=1)
    coded = [one for one in encoding.columns if one.has_codes]
    for one, codes in zip(coded, encoded.codes.T, strict=True):
        own = min(len(one.levels), max_categories)
        shared = len(one.levels) > max_categories or bool(one.rare)
        columns = [codes == code for code in range(2, 2 + own)]
        columns += [codes >= 2 + own] if shared else []
        columns += [codes == MISSING_CODE] if one.column.missing else []
        if columns:
            parts.append(np.stack(columns, axis=1).astype(np.float64))
    return np.concatenate(parts, axis=1)
