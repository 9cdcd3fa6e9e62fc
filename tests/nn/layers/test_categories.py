"""Categories: the encoding of columns, the rows that are trained, and inputs without categories."""

from __future__ import annotations

import array_api_compat.numpy
import numpy as np
import pytest

from xpmlp.nn import pure_ops
from xpmlp.nn.layer import Inputs, Widths
from xpmlp.nn.layers import beside, categories, embedding, normalisation, one_hot, periodic, scaling

OPS = pure_ops(array_api_compat.numpy)
CODES = np.asarray([[[0, 1, 2], [1, 3, 13], [2, 2, 0], [0, 0, 13]]], np.int32)
INPUTS = Inputs(np.ones((1, 4, 1)), CODES)
WIDTHS = Widths(1, (3, 4, 14))


def test_few_categories_become_one_hot_and_many_are_embedded() -> None:
    layer = categories(8, one_hot_up_to=9)(WIDTHS)
    kinds = [(inner["kind"], inner["columns"]) for inner in layer.settings["layers"]]
    assert kinds == [("one_hot", [0, 1]), ("embedding", [2])]
    assert layer.width == 2 + 2 + 8
    assert [inner["kind"] for inner in categories(8, 12)(WIDTHS).settings["layers"]] == ["one_hot"]
    assert [inner["kind"] for inner in categories(8, 0)(WIDTHS).settings["layers"]] == ["embedding"]


def test_two_categories_are_one_number_beside_missing() -> None:
    layer = one_hot([1])(WIDTHS)
    y, _ = layer.forward(OPS, layer.init(np.random.default_rng(0)), INPUTS._replace(codes=CODES[0]), ())
    np.testing.assert_array_equal(y, [[1, 0], [0, 1], [0, -1], [0, 0]])


def test_never_seen_says_nothing_and_missing_is_trained() -> None:
    layer = embedding(2)(WIDTHS)
    before = layer.init(np.random.default_rng(0))
    parameters = type(before)(before.rows[None])
    y, residuals = layer.forward(OPS, parameters, INPUTS, ())
    np.testing.assert_array_equal(y[0, 0, :2], 0)
    assert y[0, 0, 2:4].all(), "missing"
    np.testing.assert_array_equal(y[0, 2, 4:], 0)
    _, factors = layer.backward(OPS, parameters, residuals, np.ones((1, 4, 6)), False)
    after = layer.descend(OPS, parameters, factors, -0.5).rows[0]
    first_rows, seen = [0, 3, 7], [1, 2, 4, 5, 6, 9, 20]
    np.testing.assert_array_equal(after[first_rows], 0)
    changed = np.flatnonzero((after != before.rows).all(axis=1))
    np.testing.assert_array_equal(changed, seen)
    np.testing.assert_allclose(before.rows[20] - after[20], 2 * 0.5)  # of two examples


def test_an_input_without_categories_has_no_columns_of_them() -> None:
    layer = beside(categories(), periodic(), normalisation())(Widths(2))
    assert layer.width == 2 + 2 * 3 + 2
    y, _ = layer.forward(OPS, layer.init(np.random.default_rng(0)), Inputs(np.ones((5, 2))), ())
    assert y.shape == (5, layer.width)


def test_an_input_of_categories_alone_has_no_numbers() -> None:
    layer = beside(categories(8, 12), scaling(), periodic())(WIDTHS._replace(numbers=0))
    x = INPUTS._replace(numbers=np.ones((1, 4, 0)))
    parameters = [[type(own)(*(leaf[None] for leaf in own)) for own in layer.init(np.random.default_rng(0))[0]]]
    y, residuals = layer.forward(OPS, parameters, x, ())
    assert y.shape == (1, 4, 2 + 2 + 13)
    back, _ = layer.backward(OPS, parameters, residuals, y, True)
    assert back is None


@pytest.mark.parametrize("maker", [embedding, one_hot])
def test_columns_that_are_not_there_are_refused(maker: object) -> None:
    with pytest.raises(ValueError, match=r"columns \[3\] of categories are asked for, but the input has 3\."):
        maker(columns=[3])(WIDTHS)  # type: ignore[operator]
