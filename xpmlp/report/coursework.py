"""The figures printed in the coursework report, for comparison with this program's figures."""

from __future__ import annotations

from typing import NamedTuple

TABLE_1 = {
    "dW": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "db": [[0.0, 0.0, 0.0]],
    "dV": [[-0.4404, 0.4404], [-0.4404, 0.4404], [-0.4404, 0.4404]],
    "dc": [[-0.5, 0.5]],
}
"""Table 1: the derivatives of the 2-3-2 network, to four decimals; biases as a row."""

FIGURE_1_LAST_LOSS = 0.05
"""Figure 1: the approximate last loss of the curve."""


class Spread(NamedTuple):
    """Figure over five runs: mean and standard deviation, each ``None`` if missing."""

    mean: float | None
    deviation: float | None


class Line(NamedTuple):
    """Line of Table 4: validation loss and accuracy after five epochs with batches of one."""

    learning_rate: float
    loss: Spread
    accuracy: Spread


TABLE_4 = (
    Line(0.001, Spread(0.2524, 0.0059), Spread(0.9266, 0.0028)),
    Line(0.003, Spread(0.1871, 0.0067), Spread(0.9459, 0.0017)),
    Line(0.01, Spread(0.1398, 0.0067), Spread(0.9598, 0.0026)),
    Line(0.03, Spread(0.1287, 0.0060), Spread(0.9667, 0.0023)),
)

FINAL_LOSS, FINAL_ACCURACY = 0.124, 0.971
"""The final network on the test set, to three decimals."""

PER_EXAMPLE_GRADIENTS = ([32, 784, 300], [32, 300, 10])
"""Table 3: the shapes of the gradients by W and V of each example of a batch."""
