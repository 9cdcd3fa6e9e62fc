"""MNIST: where it is looked for, what is accepted, and how it is split."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.data.conftest import TinySet
from xpmlp.data import list_sets, load
from xpmlp.data.image_sets import IMAGE_SETS
from xpmlp.errors import DataError

Places = dict[str, Path]
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.mark.parametrize("zipped", [True, False])
def test_the_last_examples_validate_and_pixels_stay_bytes(places: Places, tiny: TinySet, zipped: bool) -> None:
    tiny.write(places["root"], zipped=zipped)
    dataset = load("mnist", root=places["root"], validation_size=4)
    assert dataset.validation is not None
    assert dataset.test is not None
    pixels = tiny.images.reshape(40, 784)
    for part, rows in (
        (dataset.train, slice(0, 26)),
        (dataset.validation, slice(26, 30)),
        (dataset.test, slice(30, 40)),
    ):
        assert part.features.dtype == np.uint8
        assert part.features.flags.c_contiguous
        assert part.targets.dtype == np.int64
        np.testing.assert_array_equal(part.features, pixels[rows])
        np.testing.assert_array_equal(part.targets, tiny.labels[rows])
    assert dataset.preprocessing.mean is None
    assert dataset.preprocessing.scale == pytest.approx(1 / 255)
    assert dataset.image_shape == (28, 28)
    assert dataset.classes.tolist() == list(range(10))
    assert dataset.hashes == {n: hashlib.sha256(c).hexdigest() for n, c in tiny.content.items()}


def test_split_test_trains_on_all(places: Places, tiny: TinySet) -> None:
    tiny.write(places["root"])
    dataset = load("mnist", root=places["root"], split="test")
    assert dataset.validation is None
    assert (len(dataset.train), len(dataset.test or ())) == (30, 10)
    three_way = load("mnist", root=places["root"], split="three-way", validation_size=7)
    assert [len(p or ()) for p in (three_way.train, three_way.validation, three_way.test)] == [23, 7, 10]


def test_a_validation_part_that_takes_everything_is_refused(places: Places, tiny: TinySet) -> None:
    tiny.write(places["root"])
    with pytest.raises(DataError, match=r"^data\.validation_size = 5000 leaves nothing.*30 training examples"):
        load("mnist", root=places["root"])


def test_places_are_looked_at_in_order(places: Places, tiny: TinySet) -> None:
    """Files are put into the last place first; each earlier place then takes over."""
    folders = [places[name] / "mnist" for name in ("cache", "debian", "variable")]
    for folder in folders:
        tiny.write(folder)
        assert {row.name: row.where for row in list_sets()}["mnist"] == str(folder)
        load("mnist", validation_size=4)
        with pytest.raises(DataError, match=rf"root lacks {NAMES[0]}, {NAMES[1]}"):  # a root is never passed over
            load("mnist", root=places["root"], validation_size=4)
    wrong = tiny.write(places["root"]) / "t10k-labels-idx1-ubyte.gz"
    wrong.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x01\0"))
    with pytest.raises(DataError, match=r"root.*t10k-labels.*not the published"):
        load("mnist", root=places["root"], validation_size=4)


@pytest.mark.parametrize("position", [0, 7, 16, -1])
@pytest.mark.parametrize("name", NAMES)
def test_any_wrong_byte_is_refused(places: Places, tiny: TinySet, name: str, position: int) -> None:
    folder = tiny.write(places["variable"] / "mnist")
    content = bytearray(tiny.content[name])
    content[position] ^= 1
    (folder / f"{name}.gz").write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match=name):
        load("mnist", validation_size=4)


def test_a_wrong_content_is_named_with_what_to_do(places: Places, tiny: TinySet) -> None:
    path = tiny.write(places["variable"] / "mnist") / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(tiny.content["train-labels-idx1-ubyte"][:-1] + b"\7"))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz: not the published .* delete it and get it"):
        load("mnist", validation_size=4)


def test_half_a_set_is_an_error_that_names_the_other_half(places: Places, tiny: TinySet) -> None:
    folder = tiny.write(places["variable"] / "mnist")
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"only in part: put t10k-images-idx3-ubyte\.gz there"):
        load("mnist")
    assert "only in part" in {row.name: row.where for row in list_sets()}["mnist"]


def test_a_root_that_is_no_folder_says_what_it_should_hold(places: Places) -> None:
    with pytest.raises(DataError, match=r"^data\.root = .* is not a folder") as caught:
        load("mnist", root=places["root"] / "nowhere")
    assert all(name in str(caught.value) for name in NAMES)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("folder", ["", "raw", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("separators", ["-.", "-_"])
def test_a_root_in_other_layouts(places: Places, tiny: TinySet, folder: str, separators: str, zipped: bool) -> None:
    """As mirrors name the files (train-images.idx3-ubyte), and as torchvision lays them down."""
    made = tiny.write(places["root"] / folder, zipped=zipped)
    for path in list(made.iterdir()):
        old = "-idx" if separators == "-." else "-"
        path.rename(path.with_name(path.name.replace(old, old.replace(*separators)).replace("train", "Train")))
    dataset = load("mnist", root=places["root"], validation_size=4)
    assert dataset.hashes == {n: hashlib.sha256(c).hexdigest() for n, c in tiny.content.items()}


def test_a_root_with_other_files_under_these_names_is_refused(places: Places, tiny: TinySet) -> None:
    tiny.write(places["variable"] / "mnist")
    folder = tiny.write(places["root"] / "MNIST" / "raw", zipped=False)
    content = tiny.content[NAMES[0]]
    (folder / NAMES[0]).rename(folder / "train-images.idx3-ubyte")
    (folder / "train-images.idx3-ubyte").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=r"raw/train-images\.idx3-ubyte: not the published train-images-idx3-ubyte"):
        load("mnist", root=places["root"], validation_size=4)


def test_a_root_that_lacks_a_file_says_which(places: Places, tiny: TinySet) -> None:
    tiny.write(places["variable"] / "mnist")
    (tiny.write(places["root"] / "MNIST" / "raw") / f"{NAMES[3]}.gz").unlink()
    with pytest.raises(DataError, match=rf"root': .*/MNIST/raw lacks {NAMES[3]}: put them there, gzipped or not, or"):
        load("mnist", root=places["root"], validation_size=4)


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
@pytest.mark.parametrize("inside", [True, False])
def test_the_variable_may_name_the_sets_own_folder(
    places: Places, tiny: TinySet, monkeypatch: pytest.MonkeyPatch, folder: str, inside: bool
) -> None:
    made = tiny.write(places["variable"] / folder)
    if inside:
        monkeypatch.setenv("XPMLP_DATA_DIR", str(made))
    assert {row.name: row.where for row in list_sets()}["mnist"] == str(made)


def test_a_variable_that_names_no_folder_is_refused(
    places: Places, tiny: TinySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write(places["debian"] / "mnist")
    monkeypatch.setenv("XPMLP_DATA_DIR", str(places["variable"] / "mistyped"))
    with pytest.raises(DataError, match=r"^XPMLP_DATA_DIR = .*mistyped' is not a folder: set it to one"):
        load("mnist", validation_size=4)
    assert "is not a folder" in {row.name: row.where for row in list_sets()}["mnist"]


def test_standardising_images_is_possible_when_asked_for(places: Places, tiny: TinySet) -> None:
    tiny.write(places["root"])
    dataset = load("mnist", root=places["root"], validation_size=4, standardize=True)
    assert dataset.preprocessing.scale == 1.0
    np.testing.assert_allclose(dataset.train.features.mean(axis=0), 0.0, atol=1e-12)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_published_sets(name: str) -> None:
    dataset = load(name)
    assert dataset.validation is not None
    assert dataset.test is not None
    assert dataset.train.features.shape == (55_000, 784)
    assert dataset.validation.features.shape == (5_000, 784)
    assert dataset.test.features.shape == (10_000, 784)
    assert np.bincount(dataset.test.targets).sum() == 10_000
    assert dataset.hashes == {file.name: file.sha256 for file in IMAGE_SETS[name].files}
    if name == "mnist":  # the first labels of the published files, as everybody knows them
        assert dataset.train.targets[:5].tolist() == [5, 0, 4, 1, 9]
        assert dataset.test.targets[:5].tolist() == [7, 2, 1, 0, 4]
