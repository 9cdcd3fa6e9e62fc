"""``xpmlp export``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_a_model_is_written_where_it_is_asked_for(xpmlp: Run, digits_run: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx, of the extra onnx")
    out = tmp_path / "digits.onnx"
    done = xpmlp("export", digits_run, "--format", "onnx", "--out", out)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"{out} (")
    assert [one.name for one in onnx.load(out).graph.output] == ["label", "probabilities"]
    assert sorted(tmp_path.iterdir()) == [out]
    assert xpmlp("export", digits_run, "--format", "onnx", "--out", out, "--quiet") == (0, "", "")


def test_torch_has_its_code_beside_it(xpmlp: Run, digits_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "digits.safetensors"
    done = xpmlp("export", digits_run, "--format", "torch", "--out", out)
    code = (tmp_path / "digits.py").read_text(encoding="utf-8")
    assert (done.status, done.err) == (0, "")
    assert code in done.out
    compile(code, "digits.py", "exec")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "digits.py", out]


def test_nothing_that_is_read_is_written_over(xpmlp: Run, digits_run: Path, tmp_path: Path) -> None:
    weights = digits_run / "weights.safetensors"
    before = weights.read_bytes()
    for form in ("onnx", "torch"):
        refused = xpmlp("export", digits_run, "--format", form, "--out", weights)
        refused.assert_refused(f"the output {weights} would replace", "choose another output")
        xpmlp("export", digits_run, "--format", form, "--out", tmp_path).assert_refused("cannot be written")
        xpmlp("export", digits_run, "--format", form, "--out", tmp_path / "no" / "x").assert_refused(
            "cannot be written"
        )
    xpmlp("export", digits_run, "--format", "torch", "--out", tmp_path / "x.py").assert_refused("choose another")
    assert weights.read_bytes() == before
    assert not list(tmp_path.iterdir())


def test_code_from_elsewhere_stays_and_no_module_is_hidden(xpmlp: Run, digits_run: Path, tmp_path: Path) -> None:
    code = tmp_path / "keepme.py"
    code.write_text("print('mine')\n", encoding="utf-8")
    torch = ("export", digits_run, "--format", "torch", "--quiet", "--out")
    xpmlp(*torch, code.with_suffix(".safetensors")).assert_refused(f"in {code} beside it", "choose another name")
    for module in ("torch", "safetensors", "pathlib", "random"):
        hidden = xpmlp(*torch, tmp_path / f"{module}.safetensors")
        hidden.assert_refused(f"{module}.py beside it, which would hide the module {module}", "choose another name")
    assert code.read_text(encoding="utf-8") == "print('mine')\n"
    assert list(tmp_path.iterdir()) == [code]
    code.unlink()
    for _ in range(2):
        assert xpmlp(*torch, code.with_suffix(".safetensors")) == (0, "", "")


def test_what_is_no_run_or_no_format_is_refused(xpmlp: Run, tmp_path: Path) -> None:
    xpmlp("export", tmp_path, "--format", "onnx").assert_refused("is not a run folder")
    wrong = xpmlp("export", tmp_path, "--format", "tflite")
    assert (wrong.status, "tflite" in wrong.err) == (2, True)


@pytest.mark.slow
def test_a_column_whose_words_are_hashed_is_named(xpmlp: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs onnx, of the extra onnx")
    rows = [f"{row},{'cat' if row % 2 else 'dog'},{_note(row)}" for row in range(60)]
    (tmp_path / "pets.csv").write_text("\n".join(["weight,kind,vet's note", *rows]), encoding="utf-8")
    settings = ["train.epochs=1", "train.folds=none", "backend.fused=false", "model.hidden_layer_sizes=[4]"]
    config = ["[data]", 'name = "table"', 'path = "pets.csv"', 'target = "kind"', 'types = {"vet\'s note" = "text"}']
    (tmp_path / "pets.toml").write_text("\n".join(config), encoding="utf-8")
    chosen = [part for setting in settings for part in ("--set", setting)]
    assert xpmlp("train", tmp_path / "pets.toml", "--out", tmp_path / "run", "-q", *chosen).status == 0
    refused = xpmlp("export", tmp_path / "run", "--format", "onnx")
    refused.assert_refused('words of "vet\'s note" are hashed', "train without such columns, with --drop")
    assert not (tmp_path / "run" / "model.onnx").exists()


def _note(row: int) -> str:
    """A text of words that no other row has."""
    return " ".join("".join("abcdefghij"[int(digit)] for digit in str(1_000 * row + place)) for place in range(5))
