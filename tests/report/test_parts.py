"""Results of the parts, against numbers computed in another way."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpmlp.config import load_config, shipped
from xpmlp.data import load
from xpmlp.errors import ConfigError, DivergenceError
from xpmlp.report import Report
from xpmlp.report.comparison import at_least, at_most
from xpmlp.report.configs import load_report_config, report_config
from xpmlp.report.coursework import TABLE_4
from xpmlp.report.numbers import by_run, read_csv, write_csv
from xpmlp.report.part import PartInputs, ReportPart
from xpmlp.report.parts import PARTS, figure1, figure3, final, table4
from xpmlp.training import evaluate

pytestmark = pytest.mark.slow


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.parametrize("name", ["figure1", "figure2", "figure3", "table4", "final"])
def test_the_configs_are_those_of_the_coursework(name: str) -> None:
    config = load_config(report_config(name))
    assert config.train.optimizer == "sgd"
    assert config.model.activation == "sigmoid"
    expected: dict[str, tuple[Any, ...]] = {
        "figure1": ("synth", [3], 100, 1, 1, []),
        "figure2": ("mnist", [300], 5, 32, 1, []),
        "figure3": ("mnist", [300], 5, 32, 5, []),
        "table4": ("mnist", [300], 5, 1, 5, [0.001, 0.003, 0.01, 0.03]),
        "final": ("mnist", [300], 5, 1, 1, []),
    }
    assert expected[name] == (
        config.data.name,
        config.model.hidden_layer_sizes,
        config.train.epochs,
        config.train.batch_size,
        config.grid.runs,
        config.grid.learning_rate,
    )
    if name in ("figure1", "figure2", "figure3"):
        assert config.train.learning_rate == 0.01


def test_every_config_belongs_to_a_part() -> None:
    names = {path.stem for path in report_config("final").parent.glob("*.toml")}
    assert names == {part.config for part in PARTS if part.config}


def test_an_installed_package_brings_its_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((Path(shipped.__file__).parents[2] / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"configs": "xpmlp/configs"}
    assert shipped._FOLDERS[0] == Path(shipped.__file__).parents[1] / "configs"
    monkeypatch.setattr(shipped, "_FOLDERS", (tmp_path / "in the package", tmp_path / "in a checkout"))
    with pytest.raises(ConfigError, match=r"the config xpmlp:report/table4.toml is missing in .*: install xpmlp again"):
        report_config("table4")
    for folder in reversed(shipped._FOLDERS):
        (folder / "report").mkdir(parents=True)
        (folder / "report" / "table4.toml").touch()
        assert report_config("table4") == folder / "report" / "table4.toml"


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("part", [part for part in PARTS if part.config], ids=lambda part: part.name)
def test_the_configs_are_what_the_parts_need(part: ReportPart, quick: bool) -> None:
    assert part.config is not None
    config = load_report_config(part.config, None, part.quick if quick else {})
    assert [demand.sentence for demand in part.demands if not demand.met(config)] == []


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("figure1", {"data.name": "digits"}, 'knows data.name = "synth"'),
        ("figure1", {"train.optimizer": "adam"}, "plain SGD"),
        ("figure1", {"model.hidden_layer_sizes": [3, 3]}, "needs one hidden layer"),
        ("figure1", {"model.activation": "relu"}, 'model.activation = "sigmoid"'),
        ("tables2-3", {"model.hidden_layer_sizes": [30, 10]}, "needs one hidden layer"),
        ("figure2", {"grid.runs": 2}, "trains one network"),
        ("figure3", {"grid.runs": 1}, "grid.runs of at least 2"),
        ("figure3", {"grid.learning_rate": [0.1, 0.2]}, "lists of nothing"),
        ("figure3", {"train.evaluate_train": False}, "train.evaluate_train = true"),
        ("figure3", {"train.patience": 1}, "no train.patience"),
        ("table4", {"grid.learning_rate": []}, "needs grid.learning_rate"),
        ("table4", {"grid.batch_size": [1, 2]}, "no other list"),
        ("table4", {"data.split": "test"}, "needs a validation part"),
        ("final", {"data.split": "validation"}, "needs a test"),
        ("final", {"data.name": "fashion-mnist"}, 'data.name = "mnist" or "digits"'),
        ("final", {"data.name": "digits", "model.loss": "logistic"}, 'model.loss = "auto"'),
    ],
)
def test_a_config_that_a_part_cannot_use(name: str, change: dict[str, Any], said: str) -> None:
    (part,) = (part for part in PARTS if part.name == name)
    assert part.config is not None
    config = load_report_config(part.config, None, change)
    (sentence,) = (demand.sentence for demand in part.demands if not demand.met(config))
    assert said in sentence


@pytest.mark.parametrize(
    ("part", "what", "change"),
    [
        (figure1, "the network of Figure 1", {"train.learning_rate": 1e308, "data.validation_size": 69_900}),
        (figure3, "a run of Figures 3a and 3b", {"train.learning_rate": 1e308, "model.activation": "relu"}),
        (table4, "every run of Table 4", {"grid.learning_rate": [1e308], "model.activation": "relu"}),
    ],
    ids=lambda value: value.PART.name if hasattr(value, "PART") else "",
)
def test_a_part_that_diverges_says_so(part: Any, what: str, change: dict[str, Any], tmp_path: Path) -> None:
    overrides = {**part.PART.quick, "train.epochs": 1, **change}
    work = PartInputs(tmp_path, load_report_config(part.PART.config, None, overrides), quick=True)
    with pytest.raises(DivergenceError, match=rf"^{what} diverged.*{part.PART.config}\.toml\.$"):
        part.compute(work)


def test_runs_that_diverged_are_told(quick: Report, tmp_path: Path) -> None:
    done = quick.done["table4"]
    assert done.results["diverged"] == 0
    for diverged, said in ((0, ""), (1, " 1 run diverged and is left out."), (2, " 2 runs diverged and are left out.")):
        results = {**done.results, "diverged": diverged}
        shown = table4.show(done._replace(folder=tmp_path, results=results), quick=True)
        assert shown.blocks[0].parts[0].endswith(f"rate 0.03.{said}")  # type: ignore[union-attr]


def test_another_backend_takes_no_device_along() -> None:
    config = load_report_config("figure2", "strict", {"train.epochs": 2})
    assert (config.backend.name, config.backend.device, config.train.epochs) == ("strict", None, 2)


def test_figure_1_is_the_curve_of_plain_python(quick: Report, folder: Path) -> None:
    results = quick.done["figure1"].results
    assert [float(row["train_loss"]) for row in rows_of(folder / "figure1" / "epochs.csv")] == results["losses"]
    assert len(results["losses"]) == 3
    held_out = load("synth", validation_size=69_000).validation
    assert held_out is not None
    (hidden, b), (output, c) = ((np.array(weights), np.array(biases)) for weights, biases in results["network"])
    h = 1 / (1 + np.exp(-(held_out.features @ hidden + b)))
    accuracy = float(((h @ output + c).argmax(axis=1) == held_out.targets).mean())
    assert results["validation_accuracy"] == pytest.approx(accuracy, abs=1e-12)
    (counted,) = rows_of(folder / "figure1" / "validation.csv")
    assert int(counted["right"]) / int(counted["points"]) == results["validation_accuracy"]


def test_shapes_are_those_of_the_formulas(quick: Report) -> None:
    results = quick.done["tables2-3"].results
    found = {row["name"]: (row["instance"], row["batch"]) for row in results["shapes"]}
    n_in, hidden, classes = 64, 300, 10
    shapes = {
        "k": [hidden],
        "h": [hidden],
        "o": [classes],
        "y": [classes],
        "∂ℓ/∂y": [classes],
        "∂y/∂o": [classes, classes],
        "∂ℓ/∂o": [classes],
        "∂h/∂k": [hidden],
        "∂ℓ/∂h": [hidden],
        "∂ℓ/∂k": [hidden],
        "∂ℓ/∂V": [hidden, classes],
        "∂ℓ/∂c": [classes],
        "∂ℓ/∂W": [n_in, hidden],
        "∂ℓ/∂b": [hidden],
    }
    assert found.pop("∂o/∂h") == ([hidden, classes], [hidden, classes])
    assert found == {name: (shape, [32, *shape]) for name, shape in shapes.items()}
    assert results["per_example"] == [[32, n_in, hidden], [32, hidden, classes]]
    assert len(results["checks"]) == 5
    assert max(check["difference"] for check in results["checks"]) < 1e-5


def test_figure_3_summarises_what_the_run_folder_holds(quick: Report, folder: Path) -> None:
    epochs = rows_of(folder / "figure3" / "run" / "epochs.csv")
    after = rows_of(folder / "figure3" / "run" / "train_after.csv")
    curves = quick.done["figure3"].results["curves"]
    for epoch in (1, 2, 3):
        for name, rows, column in (
            ("training, during the epoch", epochs, "train_loss"),
            ("training, after the epoch", after, "train_loss"),
            ("validation, after the epoch", epochs, "validation_loss"),
        ):
            values = [float(row[column]) for row in rows if row["epoch"] == str(epoch)]
            assert len(values) == 2
            assert curves["loss"][name]["mean"][epoch - 1] == pytest.approx(sum(values) / 2)
            assert curves["loss"][name]["deviation"][epoch - 1] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


def test_table_4_is_the_grids_summary_and_decides_the_final_rate(quick: Report, folder: Path) -> None:
    summary = rows_of(folder / "table4" / "run" / "summary.csv")
    table = rows_of(folder / "table4" / "table4.csv")
    assert [row["learning_rate"] for row in table] == ["0.001", "0.003", "0.01", "0.03"]
    for ours, theirs, line in zip(summary, table, TABLE_4, strict=True):
        assert float(theirs["this_run_loss_mean"]) == float(ours["validation_loss_mean"])
        assert float(theirs["this_run_accuracy_std"]) == float(ours["validation_accuracy_std"])
        assert float(theirs["coursework_loss_mean"]) == line.loss.mean
    best = min(summary, key=lambda row: float(row["validation_loss_mean"]))["learning_rate"]
    assert quick.done["table4"].results["best"] == float(best)
    assert quick.done["final"].results["learning_rate"] == float(best)
    config = load_config(folder / "final" / "run" / "config.toml")
    assert (config.train.learning_rate, config.data.split) == (float(best), "test")


def test_the_final_score_can_be_had_again_and_is_what_the_confusion_matrix_says(quick: Report, folder: Path) -> None:
    results = quick.done["final"].results
    again = evaluate(folder / "final" / "run", "test").score
    assert (results["loss"], results["accuracy"]) == (again.loss, again.value)
    confusion = rows_of(folder / "beyond" / "confusion.csv")
    right = sum(int(row[f"predicted_{row['class']}"]) for row in confusion)
    assert right / results["tested_on"] == pytest.approx(results["accuracy"])


def test_the_wrong_images_are_wrong_the_most_confident_first(folder: Path) -> None:
    rows = rows_of(folder / "beyond" / "wrong.csv")
    test = load("digits", split="test").test
    assert test is not None
    assert all(row["class"] != row["predicted"] for row in rows)
    probabilities = [float(row["probability"]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    first = rows[0]
    assert int(first["class"]) == test.targets[int(first["test_image"])]
    assert [float(first[f"pixel_{i}"]) for i in range(64)] == test.features[int(first["test_image"])].tolist()


def test_verdicts_follow_the_numbers(quick: Report) -> None:
    assert [at_most(value, 0.5).holds for value in (0.4, 0.5, 0.6)] == [True, True, False]
    assert [at_least(value, 0.5).holds for value in (0.4, 0.5, 0.6)] == [False, True, True]
    done = quick.done["final"]
    for loss, accuracy, holds in ((0.124, 0.971, [True, True]), (0.125, 0.9709, [False, False])):
        shown = final.show(done._replace(results={**done.results, "loss": loss, "accuracy": accuracy}), quick=False)
        assert [one.verdict.holds for one in shown.comparisons] == holds


def test_a_learning_rate_that_the_coursework_has_not_is_not_compared(quick: Report, tmp_path: Path) -> None:
    done = quick.done["table4"]
    line = {**done.results["lines"][0], "learning_rate": 0.5}
    shown = table4.show(done._replace(folder=tmp_path, results={**done.results, "lines": [line]}), quick=False)
    assert [(one.coursework, one.verdict.holds) for one in shown.comparisons] == [("—", None)] * 2


def test_numbers_survive_a_csv_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ("run", "epoch", "x"), [(3, 1, 0.1), (3, 2, None), (5, 1, 1e-300)])
    columns = read_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(columns["x"], [0.1, np.nan, 1e-300])
    np.testing.assert_array_equal(by_run(columns, "x"), [[0.1, 1e-300], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("during", "after", "validation", "said"),
    [
        (0.4, 0.35, 0.3, "the lag explains 50% of the gap. For the rest"),
        (0.4, 0.25, 0.3, "the lag explains all of the gap"),
        (0.4, 0.31, 0.3, "the lag explains all of the gap"),
        (0.31, 0.305, 0.3, "no gap beyond the spread of the runs"),
        (0.2, 0.15, 0.3, "no gap beyond the spread of the runs"),
    ],
)
def test_how_much_the_lag_explains(during: float, after: float, validation: float, said: str) -> None:
    assert said in figure3._lag_in_words(during, after, validation, 0.01)
