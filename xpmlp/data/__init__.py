"""Data sets on the host, as NumPy arrays.

=====================  ===================================================================================
``load``               find or download a data set, split and preprocess it; its arguments are ``[data]``'s
``formats``            the table of data sets and formats, each a ``Format``
``Dataset``            the result: parts, classes, and the preprocessing that prediction repeats
``read_features``      read features to predict from npy, npz, csv and IDX files
``read_idx``           the hardened reader of the IDX format
``list_sets, fetch``   list the data sets, and download one
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
