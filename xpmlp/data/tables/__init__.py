"""Tables with columns of any kind: reading, inference of the columns' kinds, encoding as numbers and codes.

=====================  ===================================================================================
``read_table``         read a file's columns: CSV in its dialects, Parquet, Arrow, Excel
``as_frame``           convert any library's data frame to polars
``infer_schema``       infer the kind of each column, by rules that are reported: a ``Schema``
``fit_encoding``       fit the encoding of columns as numbers and codes on a training part: a ``TableEncoding``
``fit_encoded``        the same with target statistics, and the training part encoded
``load_table``         load a file as a data set with its parts; a network saves its ``TableModel``
``Encoded``            an encoded table: float32 numbers and int32 codes
=====================  ===================================================================================
"""

from xpmlp.data.table_options import Given, TableOptions, Task
from xpmlp.data.tables.columns import KIND_SENTENCES, Column, Kind, Schema, parse_types
from xpmlp.data.tables.encoding import Encoded, TableEncoding
from xpmlp.data.tables.fitting import fit_encoded, fit_encoding
from xpmlp.data.tables.frames import Frame, as_frame, as_series
from xpmlp.data.tables.inference import infer_schema
from xpmlp.data.tables.loading import TableModel, load_table
from xpmlp.data.tables.reading import TableFile, read_batches, read_table
from xpmlp.data.tables.targets import Target

__all__ = [
    "KIND_SENTENCES",
    "Column",
    "Encoded",
    "Frame",
    "Given",
    "Kind",
    "Schema",
    "TableEncoding",
    "TableFile",
    "TableModel",
    "TableOptions",
    "Target",
    "Task",
    "as_frame",
    "as_series",
    "fit_encoded",
    "fit_encoding",
    "infer_schema",
    "load_table",
    "parse_types",
    "read_batches",
    "read_table",
]
