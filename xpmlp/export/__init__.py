"""Trained networks in formats of other programs: ONNX and PyTorch.

A saved network is converted to a tree of layers (`tree`).  Each format traverses it with a table of rules, one for each
kind of layer: `onnx_layers` and, for a table's columns, `onnx_columns`; `torch_code`.  The pages of runs use the tree,
too.
"""
