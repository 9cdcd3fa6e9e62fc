"""The figures of a run: complete, small, reproducible, with the run's name, and in their own style."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.image import imread

from tests.plots.figures import FILES, TWO_EPOCHS, falling, legend, lines, points
from xpmlp.plots import draw_run
from xpmlp.plots.loss import MAX_POINTS, MAX_VERTICES, loss_figure
from xpmlp.plots.saved import Facts, read_facts, read_losses

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


@pytest.mark.slow
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
