"""The sections on what was trained on what, how it went, and how good it is beside what costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xpmlp._text import counted, duration
from xpmlp.data.tables.baselines import baselines
from xpmlp.errors import RunFolderError
from xpmlp.nn import metric_names
from xpmlp.pages.charts import Series, chart
from xpmlp.pages.markup import Markup, element, figure, paragraph, section, table
from xpmlp.pages.material import Floats, Material, Rows
from xpmlp.plots.saved import read_epochs

RESAMPLES = 500
"""Of the rows, for the intervals."""

CLOSEST = 20
"""Columns of a table that are listed; of more, the others are counted."""


def what(material: Material) -> Markup:
    """Say what was trained on what."""
    facts, network = material.facts, material.saved.network
    data, versions = facts.get("data", {}), facts.get("versions", {})
    parts = [f"{data[name]:,} {name}" for name in ("train", "validation", "test") if data.get(name)]
    told = {
        "network": f"{'-'.join(map(str, network.sizes))}, {counted(network.n_parameters, 'parameter')}",
        "loss": network.loss.name,
        "data": Path(material.config.data.path or material.config.data.name).name,  # a page tells no one's folders
        "examples": ", ".join(parts),
        "epochs": facts.get("epochs"),
        "optimiser": material.config.train.optimizer,
        "ended": facts.get("status"),
        "training took": duration(float(facts.get("seconds", {}).get("training") or 0.0)),
        "begun": facts.get("started", facts.get("date")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    rows = [(name, value) for name, value in told.items() if value not in (None, "")]
    hashes = [(f"SHA-256 of {name}", element("code", value)) for name, value in data.get("sha256", {}).items()]
    return section("what", "What this is", table("The training", ("what", "value"), [*rows, *hashes], texts=2))


def schema(material: Material) -> Markup:
    """List the columns of a table, with what became of them; none of their values."""
    assert material.table is not None
    columns = material.table.encoding.table_schema.columns
    rows = [
        (column.name, f"{column.kind}, ordered" if column.order else column.kind, column.missing, column.distinct)
        for column in columns[:CLOSEST]
    ]
    rest = len(columns) - CLOSEST
    more = paragraph(f"Not listed: {counted(rest, 'further column')}.") if rest > 0 else ""
    odd = [(column.name, column.note) for column in columns if column.note][:CLOSEST]
    found = [*material.rows.dataset.notes] if material.rows is not None else []
    notes = element(
        "ul", *(element("li", *parts) for parts in [*((name, ": ", note) for name, note in odd), *zip(found)])
    )
    target = paragraph(
        f"Predicted: {', '.join(material.table.target.names)}, as {material.table.target.task}. Missing and distinct "
        "values are counted in the training part."
    )
    listing = table("Columns", ("column", "kind", "missing", "distinct"), rows, texts=2)
    odd_title = element("h3", "What was odd in the data") if odd or found else ""
    return section("columns", "The table's columns", target, listing, more, odd_title, notes if odd or found else "")


def curves(material: Material) -> Markup | None:
    """Draw the losses and figures of the epochs."""
    try:
        epochs = read_epochs(material.folder)
    except RunFolderError:
        return None
    runs = epochs.train_loss.shape[1]
    run = int(material.facts.get("run", 0)) if runs > 1 else 0
    number = np.arange(1.0, len(epochs.train_loss) + 1)
    if not len(number):
        return None

    def lines(train: Floats, validation: Floats) -> list[Series]:
        both = [Series("training", number, train[:, run]), Series("validation", number, validation[:, run])]
        return [one for one in both if np.isfinite(one.y).any()]

    name = metric_names[epochs.metric]
    loss = chart("Loss by epoch", "epoch", "loss", lines(epochs.train_loss, epochs.validation_loss))
    value = chart(f"{name} by epoch", "epoch", name, lines(epochs.train_value, epochs.validation_value))
    best = material.facts.get("best")
    kept = f" Epoch {best['epoch']} was kept." if isinstance(best, dict) and "epoch" in best else ""
    drawn = [figure(f"The loss after each epoch.{kept}", loss), figure(f"The {name} after each epoch.", value)]
    return section("curves", "How the training went", element("div", *drawn, class_="figures"))


def scores(material: Material, rows: Rows) -> Markup:
    """Tell the scores of a part, with intervals, beside those of the constant and of a linear model."""
    of_classes = bool(material.classes)
    name = metric_names[material.saved.network.loss.metric]
    listed = [(name, _interval(rows.scores, rows.weights))]
    if of_classes or material.saved.network.loss.out_activation == "logistic":
        listed.append(("log-loss", _interval(rows.losses, rows.weights)))
    elif (errors := errors_of(material, rows)) is not None:
        squares = (errors**2).mean(axis=1)
        middle, low, high = map(float, np.sqrt(_interval(squares, rows.weights)))
        listed.append(("root of the mean square", (middle, low, high)))
        listed.append(("mean absolute error", _interval(np.abs(errors).mean(axis=1), rows.weights)))
    shown = [(what, f"{value:.4g}", f"{low:.4g} to {high:.4g}") for what, (value, low, high) in listed]
    shown += [(f"{name}, {how}", f"{value:.4g}", "") for how, value in _free(material, rows)]
    return section(
        "scores",
        "How good it is",
        paragraph(
            f"On the {rows.split} part, {counted(len(rows.part), 'example')}. The intervals hold 95% of {RESAMPLES} "
            "figures of as many examples, drawn from these with repetition."
        ),
        table("Scores, beside those that cost nothing", ("figure", "value", "95% interval"), shown),
    )


def errors_of(material: Material, rows: Rows) -> Floats | None:
    """Predicted less true values (n, n_targets) in the units of the data; ``None`` for classes and flags."""
    loss = material.saved.network.loss
    if loss.targets != "values":
        return None
    predicted, wanted = values_of(material, rows)
    return predicted - wanted


def values_of(material: Material, rows: Rows) -> tuple[Floats, Floats]:
    """Predicted and true values, (n, n_targets) each, in the units of the data."""
    wanted = np.asarray(rows.part.targets, dtype=np.float64).reshape(len(rows.part), -1)
    times = rows.outputs.shape[1] // wanted.shape[1]
    return material.unscaled(rows.outputs)[:, times // 2 :: times], material.unscaled(wanted)


def _interval(values: Floats, weights: Floats) -> tuple[float, float, float]:
    """The weighted mean, and between what it lies for other examples of the same kind."""
    generator, n = np.random.default_rng(0), len(values)
    means = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, n, n)
        total = weights[drawn].sum()
        means.append(float(np.dot(values[drawn], weights[drawn]) / total) if total else 0.0)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(np.average(values, weights=weights)), float(low), float(high)


def _free(material: Material, rows: Rows) -> Iterator[tuple[str, float]]:
    """The scores that cost nothing."""
    if material.table is not None:
        both = baselines(rows.dataset, rows.part)
        yield "the constant", both.constant
        yield "a linear model", both.linear
    elif material.classes:
        common = np.bincount(np.asarray(rows.part.targets), minlength=len(material.classes)).argmax()
        yield "the commonest class", float(np.average(rows.part.targets == common, weights=rows.weights))
    elif material.saved.network.loss.metric == "r2":
        yield "the mean", 0.0
