"""Sections on the network and its data, the course of the training, and the scores beside simple baselines."""

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
from xpmlp.pages.measures import RESAMPLES, Measure, figure_text, intervals, measures
from xpmlp.pages.quality import chosen
from xpmlp.plots.saved import read_epochs
from xpmlp.training.decision import saved_decision
from xpmlp.training.vote import member_of

CLOSEST = 20
"""Maximum number of columns of a table to list; the others are counted."""


def what(material: Material) -> Markup:
    """Describe the network and its training data."""
    facts, network = material.facts, material.saved.network
    data, versions = facts.get("data", {}), facts.get("versions", {})
    parts = [f"{data[name]:,} {name}" for name in ("train", "validation", "test") if data.get(name)]
    one = member_of(network)
    members = 1 if one is network else len(network.layers.members)
    alike = f"{members} voting networks, each " if members > 1 else ""
    told = {
        "network": f"{alike}{'-'.join(map(str, one.sizes))}, {counted(one.n_parameters, 'parameter')}",
        "loss": network.loss.name,
        "data": Path(material.config.data.path or material.config.data.name).name,  # a page does not reveal folders
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
    """List the columns of a table, with their kinds and counts, but none of their values."""
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
    """Draw the losses and figures by epoch; ``None`` if there are none."""
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
    """Show the scores of a part, with intervals, beside those of simple baselines."""
    found, note = measures(material, rows), ""
    if saved_decision(material.saved) is not None:
        n = len(rows.part)
        right = chosen(material, rows).reshape(n, -1) == np.asarray(rows.part.targets).reshape(n, -1)
        found.append(Measure(f"{found[0].name} by model.threshold", right.all(axis=1).astype(float), higher=True))
        note = paragraph("The network chooses classes by model.threshold; the other figures do not depend on it.")
    shown = [
        (one.name, figure_text(value), f"{figure_text(low)} to {figure_text(high)}")
        for one, (value, low, high) in zip(found, intervals(found, rows.weights), strict=True)
    ]
    shown += [(f"{found[0].name}, {how}", f"{value:.4g}", "") for how, value in _free(material, rows)]
    return section(
        "scores",
        "How good it is",
        paragraph(
            f"On the {rows.split} part, {counted(len(rows.part), 'example')}. The intervals hold 95% of {RESAMPLES} "
            "figures of as many examples, drawn from these with repetition."
        ),
        table("Scores, beside those that cost nothing", ("figure", "value", "95% interval"), shown),
        note,
    )


def _free(material: Material, rows: Rows) -> Iterator[tuple[str, float]]:
    """Yield the scores of simple baselines."""
    if material.table is not None:
        both = baselines(rows.dataset, rows.part)
        yield "the constant", both.constant
        yield "a linear model", both.linear
    elif material.classes:
        common = np.bincount(np.asarray(rows.part.targets), minlength=len(material.classes)).argmax()
        yield "the commonest class", float(np.average(rows.part.targets == common, weights=rows.weights))
    elif material.saved.network.loss.metric == "r2":
        yield "the mean", 0.0
