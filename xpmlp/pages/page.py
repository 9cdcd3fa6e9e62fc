"""The page of a run, composed of its sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from xpmlp._files import check_output_file, write_text
from xpmlp._paths import os_errors_as
from xpmlp.errors import RunFolderError
from xpmlp.pages import columns, overview, pictures, quality, trying
from xpmlp.pages.markup import Markup, document, element, paragraph
from xpmlp.pages.material import Material, read_material
from xpmlp.storage import run_folder


def write_page(
    run_dir: Path,
    *,
    split: str | None = None,
    out: Path | None = None,
    data: Path | None = None,
    rows: int = 0,
    run: str | int | None = None,
    allow_code: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write the page of a run as one self-contained HTML file.

    Parameters
    ----------
    run_dir : Path
    split : "train", "validation" or "test", optional
        The part of the data for judging it, as for `xpmlp.evaluate`.
    out : Path, optional
        The file; by default in the run's folder.
    data : Path, optional
        The current place of the data.  Without it, missing or changed data are not used: the sections on rows are left
        out.
    rows : int
        Number of rows of a table that may be shown; above 0, rare categories may be shown, too.
    run : int or "best", optional
        The run of a grid.
    allow_code : bool
        Import the external records that the run's config names.
    tell : (str) -> None
        Called with a line when a part of the work begins.

    Returns
    -------
    out : Path
        The written file.

    Raises
    ------
    XpmlpError
        If the run or the data cannot be read, or the file cannot be written or would replace one that is read.
    """
    tell("reading the run and its data")
    material = read_material(run_dir, split, data, run, rows, allow_code=allow_code)
    target = material.folder / run_folder.PAGE if out is None else out
    check_output_file(target, [*material.config.files, material.folder / "run.json"], RunFolderError)
    sections = []
    for title, made in _sections(material):
        tell(title)
        part = made()
        if part is not None:
            sections.append((title, part))
    with os_errors_as(RunFolderError, f"the output {target} cannot be written"):
        write_text(target, document(f"{material.name}: what it learned", _head(material, sections)))
    return target


def _sections(material: Material) -> Iterator[tuple[str, Callable[[], Markup | None]]]:
    """Yield the applicable sections in order, each with its title."""
    rows, loss = material.rows, material.saved.network.loss
    yield "What this is", lambda: overview.what(material)
    if rows is not None:
        yield "How good it is", lambda: overview.scores(material, rows)
    yield "Try it", lambda: trying.trying(material)
    if rows is not None and material.classes:
        yield "Where it is wrong", lambda: quality.classes(material, rows)
    if rows is not None and loss.targets == "values":
        yield "Where it is wrong", lambda: quality.values(material, rows)
    if rows is not None and material.classes and rows.dataset.image_shape is not None:
        yield "Which images it takes for others", lambda: pictures.pictures(material, rows)
    if rows is not None and material.table is not None:
        yield "On what it relies", lambda: columns.relies_on(material, rows)
    if material.table is not None:
        yield "The table's columns", lambda: overview.schema(material)
    yield "How the training went", lambda: overview.curves(material)


def _head(material: Material, sections: list[tuple[str, Markup]]) -> Iterator[Markup]:
    anchors = [part.split('id="', 1)[1].split('"', 1)[0] for _, part in sections]
    links = [
        element("li", element("a", title, href=f"#{anchor}"))
        for (title, _), anchor in zip(sections, anchors, strict=True)
    ]
    absent = ""
    if material.absent:
        absent = paragraph(
            f"Left out, since they need the rows: the scores, where it is wrong, and what it relies on. "
            f"{material.absent[:1].upper()}{material.absent[1:]}",
            class_="note",
        )
    yield element(
        "header", element("h1", material.name), element("nav", element("ul", *links), aria_label="Contents"), absent
    )
    yield element("main", *(part for _, part in sections))
