"""The loss of each batch: smoothed, marked by epochs, and drawn for any values."""

import itertools

import numpy as np
import pytest

from tests.plots.figures import falling, legend, lines, sentences
from xpmlp.plots import draw_run
from xpmlp.plots.epochs import epochs_figure
from xpmlp.plots.loss import loss_figure, smoothed
from xpmlp.plots.saved import Facts, read_epochs, read_facts, read_losses
from xpmlp.plots.style import own_style


def test_smoothing_is_a_mean_over_a_window_that_narrows_at_the_start():
    # by hand: steps 0 and 1 look 0 and 1 steps around, the others 2, the last ones as far as there are steps
    at, means = smoothed(np.array([[8.0], [1.0], [3.0], [2.0], [4.0]]), 2)
    np.testing.assert_array_equal(at, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(
        means, [8, (8 + 1 + 3) / 3, (8 + 1 + 3 + 2 + 4) / 5, (1 + 3 + 2 + 4) / 4, (3 + 2 + 4) / 3]
    )


def test_smoothing_skips_what_is_not_finite():
    # two runs, the second of which ends after one step
    _, means = smoothed(np.array([[1.0, 5.0], [2.0, np.nan], [np.inf, np.nan]]), 1)
    np.testing.assert_allclose(means, [(1 + 5) / 2, (1 + 5 + 2) / 3, np.nan])


def test_a_wide_fall_is_drawn_on_a_logarithmic_scale():
    steps = np.arange(1_000)
    narrow, wide = 0.5 + np.exp(-steps / 100), 0.001 + np.exp(-steps / 100)
    assert loss_figure(narrow[:, np.newaxis], Facts("narrow")).axes[0].get_yscale() == "linear"
    assert loss_figure(wide[:, np.newaxis], Facts("wide")).axes[0].get_yscale() == "log"


def test_outliers_do_not_flatten_the_rest_and_are_counted():
    losses = np.full((2_000, 1), 0.5)
    losses[[300, 900], 0] = 80.0, 90.0
    figure = loss_figure(losses, Facts("outliers"))
    assert figure.axes[0].get_ylim()[1] < 20
    assert legend(figure)[0] == "batches (0.1% of all lie outside)"


def test_epochs_are_marked_where_they_end():
    figure = loss_figure(falling(650, runs=1), Facts("marked", steps_per_epoch=200))
    (top,) = figure.axes[0].child_axes
    np.testing.assert_array_equal(top.get_xticks(), [200, 400, 600])
    assert [label.get_text() for label in top.get_xticklabels()] == ["1", "2", "3"]


def test_many_epochs_are_marked_sparsely():
    figure = loss_figure(falling(950, runs=1), Facts("marked", steps_per_epoch=10))
    (top,) = figure.axes[0].child_axes
    np.testing.assert_array_equal(top.get_xticks(), np.arange(50, 951, 50))
    assert top.get_xticklabels()[0].get_text() == "5"


@pytest.mark.parametrize("epochs", [19, 199, 1_975, 45_000])
def test_numbers_of_epochs_do_not_touch(epochs: int) -> None:
    with own_style():
        figure = loss_figure(falling(2 * epochs, runs=1), Facts("marked", steps_per_epoch=2))
        figure.draw_without_rendering()
        (top,) = figure.axes[0].child_axes
        boxes = [label.get_window_extent() for label in top.get_xticklabels()]
    assert len(boxes) >= 5
    assert all(one.x1 + 2 < other.x0 for one, other in itertools.pairwise(boxes))


def test_a_few_runs_have_a_line_each_and_end_where_they_ended():
    losses = falling(300, runs=3)
    losses[200:, 1] = np.nan
    curves = lines(loss_figure(losses, Facts("runs")))
    assert list(curves) == [f"run {run}, mean of 7 batches" for run in range(3)]
    at, line = curves["run 1, mean of 7 batches"]
    np.testing.assert_array_equal(np.isfinite(line), at <= 200)


def test_many_runs_have_one_line():
    figure = loss_figure(falling(300, runs=20), Facts("runs"))
    assert list(lines(figure)) == ["mean of 7 batches of each of 20 runs"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("losses", "epochs", "said"),
    [
        ([], "", ["No step was made.", "No epoch was finished.", "No epoch was finished."]),
        ([2.3, 2.1], "", ["No epoch was finished.", "No epoch was finished."]),
        (
            [np.nan, np.inf],
            "0,1,nan,0.1,inf,0.1,0.1\n",
            ["No batch has a finite loss.", "No epoch has a finite figure."],
        ),
        ([2.3, 1e38, 3e38, np.nan], "0,1,1e308,0.1,1e300,0.1,0.1\n1,1,1e308,0.1,1e300,0.1,0.1\n", []),
        ([0.0, 0.0], "0,1,0.0,1.0,0.0,1.0,0.1\n", []),
        ([[]], "", ["No step was made.", "No epoch was finished.", "No epoch was finished."]),
    ],
    ids=["nothing", "interrupted", "nan", "huge", "zero", "no runs"],
)
def test_odd_runs_still_have_figures(make, losses, epochs, said):
    folder = make(losses, epochs)
    facts = read_facts(folder)
    figures = [loss_figure(read_losses(folder), facts), epochs_figure(read_epochs(folder), facts)]
    assert [text for figure in figures for text in sentences(figure)] == said
    assert len(draw_run(folder)) == 3


def test_a_diverged_run_says_where():
    losses = falling(100, runs=1)
    losses[80:] = np.nan
    assert legend(loss_figure(losses, Facts("diverged")))[-1] == "not finite from step 81"


def test_a_line_that_cannot_be_seen_is_not_in_the_legend():
    assert legend(loss_figure(np.array([[2.5], [np.nan]]), Facts("diverged"))) == ["batches", "not finite from step 2"]
