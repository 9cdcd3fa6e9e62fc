"""The figures of a run: what they show, that they are whole, small and the same each time."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from tests.helpers import huge_npy
from xpmlp.errors import RunFolderError
from xpmlp.plots import draw_run
from xpmlp.plots.epochs import epochs_figure, ranked
from xpmlp.plots.loss import MAX_POINTS, MAX_VERTICES, loss_figure, smoothed
from xpmlp.plots.saved import Facts, read_epochs, read_facts, read_losses

HEADER = "run,epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate\n"
FILES = ["loss.png", "loss.svg", "epochs.png"]
TWO_EPOCHS = "0,1,1.5,0.5,1.2,0.6,0.01\n0,2,1.0,0.7,0.9,0.75,0.01\n"


def falling(steps, runs=None, seed=0):
    """Losses as a training leaves them: falling as 1 / step, with noise in proportion."""
    noise = np.random.default_rng(seed).gamma(4, 1 / 4, (steps,) if runs is None else (steps, runs))
    fall = 0.3 + 2.0 / (1 + np.arange(steps) / 50)
    return (fall if runs is None else fall[:, np.newaxis]) * noise


@pytest.fixture
def make(tmp_path):
    """A function that makes a run folder."""

    def make_folder(losses, epochs="", **record):
        np.save(tmp_path / "batch_losses.npy", np.asarray(losses, dtype=np.float32))
        (tmp_path / "epochs.csv").write_text(HEADER + epochs)
        (tmp_path / "run.json").write_text(json.dumps(record))
        return tmp_path

    return make_folder


def legend(figure, panel=0):
    found = figure.axes[panel].get_legend()
    return [text.get_text() for text in found.get_texts()] if found else []


def sentences(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def lines(figure, panel=0):
    """The curves with a name in the legend, by that name."""
    named = [line for line in figure.axes[panel].get_lines() if not line.get_label().startswith("_")]
    return {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in named}


def points(figure):
    """The batches' points, (series, points)."""
    return [line.get_ydata() for line in figure.axes[0].get_lines() if line.get_linestyle() == "None"]


def test_writes_three_whole_figures(make):
    folder = make(falling(400), TWO_EPOCHS, name="digits", steps_per_epoch=200, batch_size=32)
    before = {path.name for path in folder.iterdir()}

    assert draw_run(folder) == [folder / name for name in FILES]

    assert {path.name for path in folder.iterdir()} == before | set(FILES)
    for name in ("loss.png", "epochs.png"):
        pixels = imread(folder / name)
        assert pixels.shape[1] > 1_000
        assert pixels[..., :3].std() > 0.02  # something is drawn
    assert ET.parse(folder / "loss.svg").getroot().tag.endswith("svg")


@pytest.mark.slow  # a process of its own
def test_same_numbers_give_the_same_bytes_in_another_process_and_under_another_style(make):
    folder = make(falling(400), TWO_EPOCHS, name="digits", steps_per_epoch=200)
    draw_run(folder)
    first = [(folder / name).read_bytes() for name in FILES]

    program = (
        "import sys, pathlib, matplotlib; matplotlib.rcParams.update({'font.size': 30, 'savefig.dpi': 30});"
        "from xpmlp.plots import draw_run; draw_run(pathlib.Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True, env=environment)

    assert [(folder / name).read_bytes() for name in FILES] == first


@pytest.mark.slow  # a process of its own
def test_leaves_matplotlib_as_it_was_and_never_imports_pyplot(make):
    folder = make(falling(40), TWO_EPOCHS)
    program = (
        "import sys, pathlib; from xpmlp.plots import draw_run; assert 'matplotlib' not in sys.modules\n"
        "import matplotlib; before = dict(matplotlib.rcParams.copy()); draw_run(pathlib.Path(sys.argv[1]))\n"
        "assert dict(matplotlib.rcParams.copy()) == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)


@pytest.mark.slow
def test_three_hundred_thousand_steps_stay_small(make):
    folder = make(falling(300_000), TWO_EPOCHS, name="long", steps_per_epoch=60_000, batch_size=1)

    draw_run(folder)

    assert all((folder / name).stat().st_size < 1_000_000 for name in FILES)
    figure = loss_figure(read_losses(folder), read_facts(folder))
    (shown,) = points(figure)
    np.testing.assert_array_equal(shown, read_losses(folder)[::38, 0])
    assert len(shown) <= MAX_POINTS
    assert legend(figure)[0].startswith("one batch in 38")
    assert figure.axes[0].get_xlabel() == "step (batches of 1)"
    (at, _) = lines(figure)["mean of 6,001 batches"]
    assert len(at) == MAX_VERTICES
    assert (at[0], at[-1]) == (1, 300_000)


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


def test_epochs_of_one_run(make):
    folder = make(falling(10), TWO_EPOCHS, name="digits")
    figure = epochs_figure(read_epochs(folder), read_facts(folder))
    loss, accuracy = lines(figure, 0), lines(figure, 1)
    np.testing.assert_array_equal(loss["train, last 1.00"], [[1, 2], [1.5, 1.0]])
    np.testing.assert_array_equal(loss["validation, last 0.900"], [[1, 2], [1.2, 0.9]])
    np.testing.assert_allclose(accuracy["train, last 70.0"], [[1, 2], [50, 70]])
    np.testing.assert_allclose(accuracy["validation, last 75.0"], [[1, 2], [60, 75]])


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


def test_a_name_with_dollar_signs_is_no_formula(make):
    folder = make(falling(10), TWO_EPOCHS, name="$\\broken_{$")
    draw_run(folder)
    assert (
        loss_figure(read_losses(folder), read_facts(folder)).axes[0].get_title() == "$\\broken_{$: loss of each batch"
    )


def test_without_a_record_the_folder_gives_the_name(make):
    folder = make(falling(10), TWO_EPOCHS)
    (folder / "run.json").unlink()
    assert read_facts(folder) == Facts(folder.name)


@pytest.mark.parametrize("name", ["epochs.csv", "batch_losses.npy"])
def test_a_missing_file_is_named(make, name):
    folder = make(falling(10), TWO_EPOCHS)
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=f"holds no {name}: name the folder of a run"):
        draw_run(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("epochs.csv", b""),
        ("epochs.csv", b"run,epoch\n0,1\n"),
        ("epochs.csv", (HEADER + "0,1,1.5").encode()),  # cut off
        ("epochs.csv", (HEADER + "0,1,1.5,0.5,many,0.6,0.01").encode()),
        ("epochs.csv", b"\xff\xfe"),
        ("batch_losses.npy", b""),
        ("batch_losses.npy", b"not an array"),
        ("batch_losses.npy", huge_npy()),
        ("run.json", b'{"name":'),
        ("run.json", b"[1]"),
        ("run.json", b"[" * 100_000),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(make, name, content):
    folder = make(falling(10), TWO_EPOCHS)
    (folder / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=f"{name} is damaged"):
        draw_run(folder)
    assert not any((folder / file).exists() for file in FILES)


def test_losses_of_three_axes_are_refused(make):
    with pytest.raises(RunFolderError, match=r"of the shape \(2, 2, 2\) instead of"):
        draw_run(make(np.ones((2, 2, 2))))


def test_a_figure_that_fails_halfway_leaves_the_old_one(make, monkeypatch):
    folder = make(falling(10), TWO_EPOCHS)
    (folder / "loss.png").write_bytes(b"old")

    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space"):
        draw_run(folder)
    assert (folder / "loss.png").read_bytes() == b"old"
    assert not [path for path in folder.iterdir() if ".part" in path.name]


BACKEND_AFTER_DRAWING = """
import os, sys
if sys.argv[1] == "imported":
    import matplotlib
    matplotlib.use("svg")
from xpmlp.plots.style import new_figure, own_style
with own_style():
    new_figure(2, 2)
import matplotlib
assert "matplotlib.pyplot" not in sys.modules
print(matplotlib.rcParams["backend"], os.environ["MPLBACKEND"])
"""


@pytest.mark.slow  # processes of their own
@pytest.mark.parametrize(("before", "backend"), [("imported", "svg"), ("not yet", "pdf")])
def test_the_backend_of_the_users_own_figures_stays(before, backend):
    command = [sys.executable, "-c", BACKEND_AFTER_DRAWING, before]
    done = subprocess.run(command, env=os.environ | {"MPLBACKEND": "pdf"}, capture_output=True, text=True)
    assert done.stdout.split() == [backend, "pdf"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["\u4f60\u597d", "\udcff", "a\0b", "\x1b[31m", "$x^", "\ufffe"])
def test_any_name_heads_a_figure(make, name):
    """Warnings are errors here: a glyph that the font lacks gives none."""
    assert draw_run(make(falling(4), TWO_EPOCHS, name=name))
    ET.parse(make(falling(4), TWO_EPOCHS, name=name) / "loss.svg")


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
