"""Tables as people have them: read, understood column by column, and encoded as numbers and codes.

=====================  ===================================================================================
``read_table``         a file's columns: CSV in its dialects, Parquet, Arrow, Excel
``as_frame``           any library's data frame as polars has it
``infer_schema``       the kind of each column, by rules that are said: a ``Schema``
``fit_encoding``       how a training part's columns become numbers and codes: a ``TableEncoding``
``fit_encoded``        the same with statistics of the targets, and the training part encoded
``load_table``         a data set of a file, with its parts; ``TableModel`` is what a network saves of it
``Encoded``            what this gives: float32 numbers and int32 codes
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
