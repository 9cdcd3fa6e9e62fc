"""ONNX graphs, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._optional import Library
from xpmlp._version import __version__

ONNX = Library("onnx", "onnx", "'xpmlp[onnx]'")

OPSET, ML_OPSET, IR_VERSION = 20, 3, 9
"""Versions of ONNX's operators, its operators for classical models, and its format, read by onnxruntime since 1.17."""

ML = "ai.onnx.ml"


def f32(array: Any) -> npt.NDArray[np.float32]:
    """Return a constant in the network's dtype."""
    return np.asarray(array, np.float32)


def f64(array: Any) -> npt.NDArray[np.float64]:
    """Return a constant in the dtype of raw numbers."""
    return np.asarray(array, np.float64)


def shape(*sizes: int) -> npt.NDArray[np.int64]:
    """Return a constant of sizes, axes or indices."""
    return np.asarray(sizes, np.int64)


Value = str | npt.NDArray[Any]
"""The name of a tensor, or a constant."""


class Graph:
    """A graph under construction; called with an operator and its inputs, it adds a node and returns its output's name.

    Names of inner tensors begin with as many ``#`` as no column's name does.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns that will be inputs.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self._columns = frozenset(columns)
        self._inner = "#" * (1 + max((len(name) - len(name.lstrip("#")) for name in columns), default=0))
        self.nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Any] = {}

    def __call__(self, operator: str, *inputs: Value, **attributes: Any) -> str:
        """Add a node whose output is named by a running number."""
        return self.named(f"{self._inner}{len(self.nodes)}", operator, *inputs, **attributes)

    def free(self, name: str) -> str:
        """Return a name, with as many ``_`` after it as make it no column's."""
        return name if name not in self._columns else self.free(f"{name}_")

    def named(self, name: str, operator: str, *inputs: Value, **attributes: Any) -> str:
        """Add a node whose output has the given name."""
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        self.nodes.append(self._helper.make_node(operator, names, [name], **attributes))
        return name

    def _constant(self, array: npt.NDArray[Any]) -> str:
        array = np.asarray(array)
        content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        key = (array.dtype.str, array.shape, content)
        if key not in self._constants:
            self._constants[key] = self._numpy.from_array(array, f"{self._inner}c{len(self._constants)}")
        return str(self._constants[key].name)

    def rows(self, table: Any, places: str) -> str:
        """Gather rows (N, n) of a table, in float64, at indices (N, 1)."""
        return self("Reshape", self("Gather", f64(table), places), shape(-1, f64(table).shape[1]))

    def cast(self, value: Value, dtype: Any) -> str:
        """Convert numbers to a NumPy dtype."""
        return self("Cast", value, to=self._type(dtype))

    def encoded(self, value: str, table: dict[Any, Any], default: Any) -> str:
        """Look up strings or integers in a table of integers or float32 numbers."""
        whole = isinstance(default, int)
        by_text = isinstance(next(iter(table)), str)
        keys = {"keys_strings" if by_text else "keys_int64s": list(table)}
        values = {"values_int64s" if whole else "values_floats": list(table.values())}
        other = {"default_int64" if whole else "default_float": default}
        return self("LabelEncoder", value, domain=ML, **keys, **values, **other)

    def input(self, name: str, dtype: Any, columns: int, about: str) -> str:
        """Declare an input (N, columns)."""
        self._inputs.append(self._helper.make_tensor_value_info(name, self._type(dtype), ["N", columns], about))
        return name

    def output(self, name: str, value: str, dtype: Any, shape: list[Any], about: str) -> None:
        """Declare an output with the value of a tensor."""
        self.named(name, "Identity", value)
        self._outputs.append(self._helper.make_tensor_value_info(name, self._type(dtype), shape, about))

    def _type(self, dtype: Any) -> int:
        return int(self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def model(self, about: str, facts: dict[str, str]) -> bytes:
        """Return the model as a file's content, once ONNX has checked that it is well-formed."""
        from onnx import checker

        graph = self._helper.make_graph(
            self.nodes, "xpmlp", self._inputs, self._outputs, list(self._constants.values()), doc_string=about
        )
        versions = [self._helper.make_opsetid("", OPSET), self._helper.make_opsetid(ML, ML_OPSET)]
        model = self._helper.make_model(
            graph,
            opset_imports=versions,
            ir_version=IR_VERSION,
            producer_name="xpmlp",
            producer_version=__version__,
            doc_string=about,
        )
        self._helper.set_model_props(model, facts)
        checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content
