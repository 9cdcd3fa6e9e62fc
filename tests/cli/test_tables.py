"""From a table to predictions on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import r2_score

from tests.cli.conftest import Run
from xpmlp import TabularClassifier, TabularRegressor, from_arrays, load_config, train
from xpmlp.cli.table import config_of, going_on_config, overrides_of
from xpmlp.config.table import table_config
from xpmlp.errors import ConfigError, DataError
from xpmlp.storage import load_network

FEW = [
    "--set",
    "train.epochs=12",
    "--set",
    "train.batch_size=32",
    "--set",
    "output.plots=false",
    "--set",
    "backend.fused=false",
]


def table(n: int = 400) -> pl.DataFrame:
    random = np.random.default_rng(0)
    size, town = random.normal(size=n).round(3), random.choice(["Ulm", "Bonn", "Kiel"], n)
    kind = np.where((size > 0) ^ (town == "Ulm"), "cat", "dog")
    return pl.DataFrame(
        {
            "id": [f"r{row * 7919 % 10007}" for row in range(n)],
            "size": [None if row % 9 == 0 else str(value).replace(".", ",") for row, value in enumerate(size)],
            "town": town,
            "seen": [f"{row % 12 + 1}/{row % 28 + 1}/2020" for row in range(n)],
            "price": (1000 * (size + 5)).round(2),
            "kind": kind,
        }
    )


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    table().write_csv("pets.csv", separator=";")
    return tmp_path


def test_one_command_and_what_follows(there: Path, xpmlp: Run) -> None:
    done = xpmlp("train", "pets.csv", "--target", "kind", "--drop", "price", *FEW)
    assert done.status == 0, done.err
    said = done.out
    for part in ("without words", "numbers with decimal commas", "dates as text", "fields separated by semicolons"):
        assert part in said
    assert "test accuracy beside:" in said
    config = load_config("runs/pets/config.toml")
    assert (config.data.name, config.data.split, config.data.drop) == ("table", "test", ["price"])
    evaluated = xpmlp("evaluate", "runs/pets", "--split", "test")
    assert evaluated.status == 0, evaluated.err
    assert xpmlp("train", "runs/pets/config.toml", "--out", "again").status == 0
    assert xpmlp("evaluate", "again", "--split", "test") == evaluated

    rows = table().drop("kind").select("seen", "town", "size", "id")
    rows[:1].with_columns(town=pl.lit("Oslo")).extend(rows[1:]).write_csv("new.csv")
    predicted = xpmlp("predict", "runs/pets", "new.csv", "-o", "p.csv", "--keep", "id")
    assert "categories never seen in training: 'town' 1" in predicted.out, predicted
    with Path("p.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["id"] for row in written] == rows["id"].to_list()
    assert list(written[0]) == ["id", "class", "probability of cat", "probability of dog"]
    right = np.mean([row["class"] == kind for row, kind in zip(written, table()["kind"], strict=True)])
    assert right > 0.7

    rows.drop("town").write_parquet("less.parquet")
    refused = xpmlp("predict", "runs/pets", "less.parquet", "-o", "p.csv")
    refused.assert_refused("lacks 'town', which the model was trained on")
    assert xpmlp("predict", "runs/pets", "less.parquet", "-o", "p.csv", "--allow-missing").status == 0

    network = load_network(Path("runs/pets/weights.safetensors"))
    rows = from_arrays(np.zeros((4, 2)), ["cat", "dog"] * 2)
    with pytest.raises(DataError, match="the new rows are not a table: name their file"):
        train(load_config("xpmlp:table.toml"), data=rows, start=network)
    more = xpmlp("train", "pets.csv", "--from", "runs/pets", "--out", "more", *FEW)
    assert "continuing from runs/pets with the learning rate" in more.out, more
    table().with_columns(kind=pl.lit("cow")).write_csv("cows.csv", separator=";")
    other = xpmlp("train", "cows.csv", "--from", "runs/pets", "--out", "other", *FEW)
    assert other.status == 2
    assert "its classes are 'cat', 'dog'" in other.err


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (["--target", "price"], "target"),
        (["--features", "size"], "features"),
        (["--drop", "town"], "drop"),
        (["--types", "town=text"], "types"),
        (["--task", "values"], "task"),
        (["--set", "data.log_target=true"], "log_target"),
    ],
)
def test_going_on_reads_rows_as_the_run_did(options: list[str], key: str, there: Path, xpmlp: Run) -> None:
    values = {"data.target": "kind", "data.drop": ["price"]}
    Path("run").mkdir()
    Path("run/config.toml").write_text(table_config(Path("pets.csv"), "classes", values).to_toml())
    assert going_on_config(Path("run"), Path("new.csv"), values)[0].data.drop == ["price"]  # the run's own
    refused = xpmlp("train", "pets.csv", "--from", "run", *options)
    refused.assert_refused(f"--from reads rows as the run in run did: leave data.{key} out.")
    Path("run/runs/0").mkdir(parents=True)
    xpmlp("train", "pets.csv", "--from", "run").assert_refused("run holds 1 runs: name one of them, such as run/runs/0")


@pytest.mark.parametrize(
    ("given", "split"),
    [
        ({}, "test"),
        ({"data.test_fraction": 0.0}, "test"),
        ({"data.test": "later.csv"}, "test"),
        ({"train.folds": "none"}, "three-way"),
        ({"train.folds": "none", "data.test_fraction": 0.0}, "validation"),
        ({"train.folds": "none", "data.test_fraction": 0.0, "data.test": "later.csv"}, "three-way"),
        ({"data.validation": "other.csv"}, "three-way"),
        ({"data.validation_size": 50}, "three-way"),
        ({"data.split": "validation"}, "validation"),
    ],
)
def test_no_rows_validate_what_folds_judge(given: dict[str, Any], split: str) -> None:
    assert table_config(Path("pets.csv"), "classes", given).data.split == split


@pytest.mark.slow
@pytest.mark.parametrize(("target", "drop"), [("kind", "price"), ("price", "kind")])
def test_all_rows_make_the_network_of_the_estimator(there: Path, xpmlp: Run, target: str, drop: str) -> None:
    frame = table().drop(drop)
    frame.write_parquet("whole.parquet")
    done = xpmlp("train", "whole.parquet", "--target", target, "--test", "0", *FEW)
    assert done.status == 0, done.err
    assert xpmlp("predict", "runs/whole", "whole.parquet", "-o", "p.csv").status == 0
    estimator = TabularClassifier if target == "kind" else TabularRegressor
    settings = {"train.epochs": 12, "train.batch_size": 32, "backend.fused": False}
    model = estimator(random_state=0, settings=settings).fit(frame.drop(target), frame[target].to_numpy())
    if target == "kind":
        outputs = model.predict_proba(frame)[:, -1]
        out_of_fold, right = model.oof_prediction_.argmax(axis=1), frame[target].to_numpy() == "dog"
        assert f"out-of-fold accuracy beside: {np.mean(out_of_fold == right):.4f}" in done.out
    else:
        outputs = model.predict(frame)
        assert f"out-of-fold R² beside: {r2_score(frame[target], model.oof_prediction_):.4f}" in done.out
    np.testing.assert_allclose(pl.read_csv("p.csv")[:, -1], outputs, rtol=1e-4)
    page = xpmlp("page", "runs/whole")
    assert page.status == 0, page.err
    text = Path("runs/whole/page.html").read_text(encoding="utf-8")
    assert "No rows were held out" in text
    assert "5 voting networks, each " in text


@pytest.mark.parametrize(("rows", "folds"), [(6, 3), (3, 2)])
def test_few_rows_have_fewer_folds(
    rows: int, folds: int, there: Path, xpmlp: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[set[int]] = []
    monkeypatch.setattr("xpmlp.cli.table.free_scores", lambda _, score, folds: given.append(set(folds)) or [])
    few = table().head(rows).with_columns(kind=pl.Series(["cat", "dog"] * 3).head(rows))
    few.write_csv("few.csv")
    done = xpmlp("train", "few.csv", "--target", "kind", "--test", "0", *FEW)
    assert done.status == 0, done.err
    assert (done.out + done.err).count(f"train.folds = {folds}, for {rows} examples, and not 5") == 1
    assert load_config("runs/few/config.toml").train.folds == folds
    assert given == [set(range(folds))]  # the baselines have the same folds
    model = TabularClassifier(random_state=0, settings={"train.epochs": 1, "backend.fused": False})
    assert model.fit(few.drop("kind"), few["kind"]).oof_prediction_.shape == (rows, 2)
    xpmlp("evaluate", "runs/few").assert_refused("no test part", "--split train", "--set data.test=FILE")
    xpmlp("page", "runs/few", "--split", "test", "-q").assert_refused("no test part", "give --split train.")
    assert xpmlp("evaluate", "runs/few", "--set", "data.test=few.csv").out.startswith("test: loss")
    split = ("evaluate", "runs/few", "--split", "validation")
    xpmlp(*split).assert_refused("no validation part", "--set data.validation=FILE")
    assert xpmlp(*split, "--set", "data.validation=few.csv").out.startswith("validation: loss")


def test_the_metric_tells_the_task(there: Path) -> None:
    values = overrides_of({"target": "price", "metric": "mae", "class_weight": None}, None)
    assert config_of(there / "pets.csv", values).model.loss == "absolute"
    with pytest.raises(ConfigError, match=r"train\.metric = auc is for classes, and the target is values"):
        config_of(there / "pets.csv", {"data.target": "price", "train.metric": "auc", "data.task": "values"})


@pytest.mark.slow  # trials, and a vote
def test_tuned(there: Path, xpmlp: Run) -> None:
    pytest.importorskip("optuna", reason="needs Optuna, of the extra tune")
    few = ("--set", "train.epochs=1", "--set", "train.folds=2", "--set", "backend.fused=false", "--trials", "2")
    given = ("tune", "pets.csv", "--target", "kind", "--metric", "auc", "--workers", "1", "--minutes", "5", *few)
    done = xpmlp(*given)
    assert done.status == 0, done.err
    assert "trial 0: " in done.out
    assert "2 trials; training with trial" in done.out
    assert "test accuracy beside:" in done.out
    config = load_config("runs/pets/config.toml")
    assert (config.train.best_by, config.model.label_smoothing) == ("auc", 0.0)
    predicted = xpmlp("predict", "runs/pets", "pets.csv", "--output", "out.csv", "--threshold", "0.999999")
    assert predicted.status == 0, predicted.err
    assert set(pl.read_csv("out.csv")["class"]) == {"cat"}
    assert "not empty" in xpmlp(*given).err


@pytest.mark.slow
def test_values_are_values_again(there: Path, xpmlp: Run) -> None:
    assert "R² beside" in xpmlp("train", "pets.csv", "--target", "price", "--drop", "kind", *FEW).out
    assert xpmlp("predict", "runs/pets", "pets.csv", "-o", "p.csv").status == 0
    predicted = pl.read_csv("p.csv")["price"]
    assert 2000 < predicted.mean() < 8000  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pets.csv"], "which column is to be predicted"),
        (["pets.csv", "--target", "kin"], "did you mean 'kind'"),
        (["pets.csv", "--target", "id"], "is it the right column"),
        (["pets.csv", "--target", "id"], "such as 'r0', which are neither classes nor numbers"),
        (["pets.csv", "--target", "kind", "--types", "town=place"], "'town' cannot be 'place'"),
        (["pets.csv", "--target", "kind", "--group", "towns"], "did you mean 'town'"),
        (["none.csv", "--target", "kind"], "no such file"),
        (["pets.csv", "--target", "kind,kind"], "--target names 'kind' twice: name each column once"),
        (["pets.csv", "--target", "kind, kind", "--task", "values"], "--target names 'kind' twice"),
        (["pets.csv", "--target", "price,Price"], "the target names 'price' twice: name each column once"),
        (
            ["pets.csv", "--target", "kind", "--features", "price,kind"],
            "'kind' cannot be a feature and the target: leave it out of --features",
        ),
        (["pets.csv", "--target", "kind", "--group", "kind"], "'kind' cannot be the group and the target"),
        (["pets.csv", "--target", "price", "--weights", "price"], "leave it out of --weights"),
        (
            ["pets.csv", "--target", "kind", "--features", "price", "--drop", "price"],
            "no other column to learn from than the target 'kind'",
        ),
    ],
)
def test_mistakes(there: Path, arguments: list[str], message: str, xpmlp: Run) -> None:
    xpmlp("train", *arguments, *FEW).assert_refused(message)


def test_a_target_of_one_value_is_refused(there: Path, xpmlp: Run) -> None:
    table().with_columns(flat=pl.lit(1.5), unknown=pl.lit("x")).write_csv("flat.csv")
    says = "the target 'flat' has one value, 1.5, in all rows to learn from: there is nothing to learn"
    for target in ("flat", "price,flat"):
        xpmlp("train", "flat.csv", "--target", target, *FEW).assert_refused(says)
    xpmlp("train", "flat.csv", "--target", "unknown", *FEW).assert_refused(
        "all targets are 'x'; a classifier needs two"
    )


def test_columns_that_differ_beyond_the_first_ones_are_counted(there: Path, xpmlp: Run) -> None:
    frame = table()[["kind"]]
    frame = frame.with_columns(pl.lit(pl.Series(np.resize([*"pqrs"], 400))).alias(f"w{n}") for n in range(5))
    frame = frame.with_columns(pl.lit(np.arange(400) * 7919 % 10007 / 8).alias(f"x{n}") for n in range(4))
    frame.write_csv("wide.csv")
    done = xpmlp("train", "wide.csv", "--target", "kind", *FEW, "--set", "train.epochs=1", "--set", "train.folds=none")
    assert done.status == 0, done.err
    rows = pl.DataFrame({name: [*frame[name].cast(pl.String)[1:9], "new"] for name in frame.columns})
    rows.with_columns(x2=pl.Series([*"123456", "inf", "1e400", "-inf"])).write_csv("new.csv")
    said = xpmlp("predict", "runs/wide", "new.csv", "-o", "p.csv").out
    assert "categories never seen in training: 'w0' 1, 'w1' 1, 'w2' 1 and 2 more; " in said
    assert (
        "values that are no numbers, dates or known levels, read as missing: 'x2' 3, 'x0' 1, 'x1' 1 and 1 more" in said
    )

    rows[:8].write_csv("points.csv")
    rows[:8].with_columns(pl.all().str.replace(".", ",", literal=True)).write_csv("commas.csv", separator=";")
    assert xpmlp("predict", "runs/wide", "points.csv", "-o", "p.csv").status == 0
    refused = xpmlp("predict", "runs/wide", "commas.csv", "-o", "c.csv")
    refused.assert_refused("for decimal commas, predict with --set data.decimal=,")
    assert xpmlp("predict", "runs/wide", "commas.csv", "-o", "c.csv", "--set", "data.decimal=,").status == 0
    assert Path("c.csv").read_text() == Path("p.csv").read_text()


def test_new_rows_are_read_by_the_settings_of_the_run(there: Path, xpmlp: Run) -> None:
    lines = [f"Łódź;{row};yes" if row % 2 else f"Kraków;{row};no" for row in range(60)]
    Path("towns.csv").write_text("\n".join(lines), encoding="cp1250")
    options = ("--encoding", "cp1250", "--no-header", "--task", "classes", *FEW)
    less = ("--set", "train.epochs=1", "--set", "train.folds=none")
    done = xpmlp("train", "towns.csv", "--target", "column 3", *options, *less)
    assert done.status == 0, done.err
    rows = ["Kraków;NA", "Łódź;7", "Kraków;8"]  # the first of which could be a header

    def predicted(encoding: str, *how: str) -> str:
        Path("new.csv").write_text("\n".join(rows), encoding=encoding)
        done = xpmlp("predict", "runs/towns", "new.csv", "-o", "p.csv", "--keep", "column 2", *how)
        assert pl.read_csv("p.csv", infer_schema=False)["column 2"].to_list() == ["NA", "7", "8"]
        return done.out

    for encoding in ("cp1250", "utf-8", "utf-8-sig", "utf-16"):  # letters in UTF-8 are no accident
        assert "never seen" not in predicted(encoding)
    assert "never seen in training: 'column 1' 1" in predicted("cp1250", "--set", "data.encoding=cp1252")
    assert "after training with --set data.encoding=NAME" in predicted("cp1250", "--set", "data.encoding=none")
    refused = xpmlp("predict", "runs/towns", "new.csv", "-o", "p.csv", "--set", "data.header=true")
    refused.assert_refused("lacks 'column 1', which the model was trained on; there is 'Kraków', 'NA'")


def test_a_header_is_found_by_the_columns_of_the_run(there: Path, xpmlp: Run) -> None:
    lines = [f"{row},{row % 7}.5,{row % 5}.25,{'uv'[row % 7 > 3]}" for row in range(1, 61)]
    Path("r.csv").write_text("\n".join(["a,b,kind", *lines]))
    few = (*FEW, "--set", "train.epochs=1", "--set", "train.folds=none")
    assert xpmlp("train", "r.csv", "--target", "kind", *few).status == 0
    named = ["row name,a,b", "1,kg,cm", *(line[:-2] for line in lines[:4])]
    for new in (["a,b,kind", *(line[:-1] for line in lines[:4])], named):
        Path("new.csv").write_text("\n".join(new))
        assert xpmlp("predict", "runs/r", "new.csv", "-o", "p.csv", "--keep", "a,b").status == 0
        kept = pl.read_csv("p.csv").select("a", "b").rows()
        assert kept == [(1.5, 1.25), (2.5, 2.25), (3.5, 3.25), (4.5, 4.25)]


@pytest.mark.slow
def test_parts_by_group_by_time_and_by_files(there: Path, xpmlp: Run) -> None:
    table()[:100].write_csv("test.csv")
    for option in (["--group", "town"], ["--time", "seen"], ["--test", "test.csv"], ["--test", "0"]):
        done = xpmlp("train", "pets.csv", "--target", "kind", "--overwrite", *option, *FEW)
        assert done.status == 0, done.err


@pytest.mark.slow
def test_rows_of_a_test_file_without_a_target(there: Path, xpmlp: Run) -> None:
    frame = table().with_columns(w=pl.lit(1.5))
    frame.write_csv("weighted.csv")
    frame[:50].with_columns(kind=pl.when(pl.int_range(50) > 3).then(pl.col("kind"))).write_csv("test.csv")
    options = ("--drop", "price", "--weights", "w", "--test", "test.csv")
    done = xpmlp("train", "weighted.csv", "--target", "kind", *options, *FEW, "--set", "train.epochs=1")
    assert done.status == 0, done.err
    assert " 46 test examples" in done.out
    assert "test.csv: 4 rows without a target are left out" in done.out


def test_columns_that_the_files_of_parts_lack(there: Path, xpmlp: Run) -> None:
    train = ("train", "pets.csv", "--target", "kind", *FEW, "--set", "train.epochs=1", "--set", "train.folds=none")
    for gone, says in (("town", "test.csv: lacks 'town'"), ("kind", "test.csv: has no column 'kind' for the target")):
        table()[:100].drop(gone).write_csv("test.csv")
        xpmlp(*train, "--test", "test.csv").assert_refused(says)
    assert xpmlp(*train, "--drop", "price,id").status == 0
    table()[:100].drop("price", "id").write_csv("new.csv")
    done = xpmlp("train", "new.csv", "--from", "runs/pets", "--set", "train.epochs=1")
    assert done.status == 0, done.err
    for options in (["--set", "data.path=new.csv"], ["--set", "data.path=new.csv", "--set", "data.test=new.csv"]):
        done = xpmlp("evaluate", "runs/pets", *options)
        assert done.status == 0, done.err


def test_described(there: Path, xpmlp: Run) -> None:
    frame = table().with_columns(twin=pl.col("town").str.to_uppercase(), told=pl.col("kind"), flat=pl.lit(1))
    frame = frame.with_columns(pl.col("price").alias(f"price {n}") for n in range(6))
    frame.write_csv("odd.csv")
    about = json.loads(xpmlp("data", "describe", "odd.csv", "--target", "kind", "--json").out)
    assert about["target"]["task"] == "classes"
    told = "\n".join(about["suggestions"])
    assert "'twin' says the same as 'town'" in told
    assert "2 more columns say the same as others: 'price 4', 'price 5'" in told
    assert "'told' alone tells the target" in told
    assert "'flat'" in told
    assert "what looks wrong" in xpmlp("data", "describe", "odd.csv", "--target", "kind").out
    xpmlp("data", "describe", "odd.csv", "--target", "kind,kind").assert_refused("--target names 'kind' twice")


def test_a_description_has_a_line_for_each_column(there: Path, xpmlp: Run) -> None:
    table().with_columns(pl.col("town") + "\n(town)\t\x1b[1m").rename({"seen": "seen\nby"}).write_csv("lines.csv")
    lines = xpmlp("data", "describe", "lines.csv", "--target", "kind").out.splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith("column "))
    names = [line.split("  ")[0] for line in lines[begin + 1 : begin + 6]]
    assert names == ["id", "size", "town", "seen\\nby", "price"]
    assert "Kiel\\n(town)\\t\\u001b[1m " in lines[begin + 3]
    table()[["kind"]].write_csv("alone.csv")
    assert "column " not in xpmlp("data", "describe", "alone.csv", "--target", "kind").out
