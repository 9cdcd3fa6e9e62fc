"""Trained networks in the forms that other programs read: ONNX, and PyTorch.

A saved network is made into a tree of layers (`tree`), which each form walks with a table that has a rule for each
layer: `onnx_layers` and, for a table's columns, `onnx_columns`; `torch_code`.  The pages of runs take the tree, too.
"""
