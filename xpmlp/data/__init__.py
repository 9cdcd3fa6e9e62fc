"""Data sets on the host, as NumPy arrays.

=====================  ===================================================================================
``load``               find or download a set, split it, preprocess it: one door, ``[data]``'s arguments
``formats``            the table of sets and formats, of which each is a ``Format``
``Dataset``            what it gives: parts, classes, and the preprocessing that prediction repeats
``read_features``      features to predict from, out of npy, npz, csv and IDX files
``read_idx``           the hardened reader of the IDX format
``list_sets, fetch``   which sets there are, and how to get those that are downloaded
=====================  ===================================================================================
"""

from xpmlp.data.catalog import SetRow, fetch, list_sets
from xpmlp.data.dataset import Dataset, Part, Preprocessing
from xpmlp.data.format import DRAWN_PARTS, Format, Request
from xpmlp.data.formats import formats
from xpmlp.data.idx import read_idx
from xpmlp.data.inputs import read_features
from xpmlp.data.load import load
from xpmlp.data.splits import Split
from xpmlp.data.table import Table, TargetKind

__all__ = [
    "DRAWN_PARTS",
    "Dataset",
    "Format",
    "Part",
    "Preprocessing",
    "Request",
    "SetRow",
    "Split",
    "Table",
    "TargetKind",
    "fetch",
    "formats",
    "list_sets",
    "load",
    "read_features",
    "read_idx",
]
