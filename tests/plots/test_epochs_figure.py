"""Figures by epoch: of one run, of several, and of the combinations of a grid."""

import numpy as np
import pytest

from tests.plots.figures import HEADER, TWO_EPOCHS, falling, legend, lines, points
from xpmlp.plots import draw_run
from xpmlp.plots.epochs import epochs_figure, ranked
from xpmlp.plots.loss import loss_figure
from xpmlp.plots.saved import read_epochs, read_facts, read_losses


def grid_of(make, rates, runs=2, losses=None):
    """The folder of a grid over learning rates, in which a run's loss after two epochs is its rate."""
    count = len(rates) * runs
    records = [
        {"run": number, "learning_rate": rates[number // runs], "seed": number % runs} for number in range(count)
    ]
    rows = [
        f"{number},{epoch},9,0.1,{(one['learning_rate'] + one['seed']) / epoch},0.5,0.1\n"
        for number, one in enumerate(records)
        for epoch in (1, 2)
    ]
    return make(falling(300, runs=count) if losses is None else losses, "".join(rows), name="grid", runs=records)


def test_epochs_of_one_run(make):
    folder = make(falling(10), TWO_EPOCHS, name="digits")
    figure = epochs_figure(read_epochs(folder), read_facts(folder))
    loss, accuracy = lines(figure, 0), lines(figure, 1)
    np.testing.assert_array_equal(loss["train, last 1.00"], [[1, 2], [1.5, 1.0]])
    np.testing.assert_array_equal(loss["validation, last 0.900"], [[1, 2], [1.2, 0.9]])
    np.testing.assert_allclose(accuracy["train, last 70.0"], [[1, 2], [50, 70]])
    np.testing.assert_allclose(accuracy["validation, last 75.0"], [[1, 2], [60, 75]])


def test_the_epoch_that_was_kept_is_marked(make):
    folder = make(falling(10), TWO_EPOCHS, name="digits")
    for axes in epochs_figure(read_epochs(folder), read_facts(folder)._replace(kept=1)).axes:
        assert "kept, 1" in [line.get_label() for line in axes.lines]


def test_epochs_without_a_validation_part_show_train_only(make):
    folder = make(falling(10), "0,1,1.5,0.5,,,0.01\n")
    figure = epochs_figure(read_epochs(folder), read_facts(folder))
    assert list(lines(figure)) == ["train, last 1.50"]


def test_one_epoch_has_a_marker(make):
    folder = make(falling(10), "0,1,1.5,0.5,1.2,0.6,0.01\n")
    figure = epochs_figure(read_epochs(folder), read_facts(folder))
    assert [line.get_marker() for line in figure.axes[0].get_lines()] == ["o", "s"]


def test_epochs_of_several_runs_show_mean_and_deviation(make):
    # run 1 stops after one epoch; by hand: epoch 1 has mean 2 and deviation 1, the last ones are 1.0 and 3.0
    folder = make(falling(10, runs=2), "0,1,1.0,0.5,,,0.1\n1,1,3.0,0.4,,,0.1\n0,2,1.0,0.6,,,0.1\n")
    figure = epochs_figure(read_epochs(folder), read_facts(folder))
    (curve,) = lines(figure).items()
    assert curve[0] == "train, last 2.00 ± 1.00"
    np.testing.assert_allclose(curve[1][1], [2.0, 1.0])
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1.0, 3.0)
    assert figure.axes[0].get_legend().get_title().get_text() == "mean ± standard deviation of 2 runs"


@pytest.mark.slow
def test_combinations_of_a_grid_have_a_line_and_a_band_each_the_best_first(make):
    folder = grid_of(make, [4.0, 2.0, 8.0])
    epochs, facts = read_epochs(folder), read_facts(folder)
    assert [(one.label, one.runs) for one in facts.combinations] == [
        ("learning rate 4", [0, 1]),
        ("learning rate 2", [2, 3]),
        ("learning rate 8", [4, 5]),
    ]
    figure = epochs_figure(epochs, facts)
    drawn = lines(figure)
    # by hand: the last losses of rate 2 are 2 / 2 and 3 / 2
    assert list(drawn) == [
        "learning rate 2, last 1.25 ± 0.250",
        "learning rate 4, last 2.25 ± 0.250",
        "learning rate 8, last 4.25 ± 0.250",
    ]
    np.testing.assert_allclose(drawn["learning rate 2, last 1.25 ± 0.250"][1], [2.5, 1.25])
    assert len(figure.axes[0].collections) == 3
    assert [axes.get_title() for axes in figure.axes] == [
        "grid: validation loss by epoch",
        "grid: validation accuracy by epoch",
    ]
    curves = loss_figure(read_losses(folder), facts._replace(combinations=tuple(ranked(epochs, facts.combinations))))
    assert list(lines(curves)) == ["learning rate 2", "learning rate 4", "learning rate 8"]
    assert not points(curves)
    assert len(draw_run(folder)) == 3


def test_of_many_combinations_the_best_are_drawn_and_the_others_named(make):
    rates = [float(rate) for rate in range(40, 0, -1)]
    folder = grid_of(make, rates, runs=1)
    figure = epochs_figure(read_epochs(folder), read_facts(folder))
    *drawn, note = legend(figure)
    assert [label.partition(",")[0] for label in drawn] == [f"learning rate {rate}" for rate in range(1, 11)]
    named = " ".join(note.split())
    assert named.startswith("not drawn: learning rate 11; learning rate 12; ")
    assert named.endswith("; learning rate 30 and 10 more")
    assert legend(figure, 1)[-1].startswith("learning rate 10, last ")


def test_a_combination_without_a_finite_loss_comes_last(make):
    folder = grid_of(make, [2.0, float("nan"), 1.0], runs=1)
    epochs = read_epochs(folder)
    assert [one.label for one in ranked(epochs, read_facts(folder).combinations)] == [
        "learning rate 1",
        "learning rate 2",
        "learning rate nan",
    ]


@pytest.mark.slow
def test_a_run_that_ended_in_its_first_epoch_has_a_place_without_figures(make):
    folder = grid_of(make, [2.0, 4.0], runs=1)
    (folder / "epochs.csv").write_text(HEADER + "0,1,9,0.1,2.0,0.5,0.1\n")
    assert list(lines(epochs_figure(read_epochs(folder), read_facts(folder)))) == ["learning rate 2, last 2.00"]
    np.save(folder / "batch_losses.npy", np.ones((5, 1), dtype=np.float32))
    assert len(draw_run(folder)) == 3


def test_runs_that_differ_in_their_seeds_alone_are_one_curve(make):
    folder = grid_of(make, [2.0], runs=3)
    assert read_facts(folder).combinations == ()
    assert len(lines(epochs_figure(read_epochs(folder), read_facts(folder)))) == 2
