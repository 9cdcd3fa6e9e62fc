"""Activation functions, one file each.  The table of their records is `activations`."""

from xpmlp._records import RecordTable
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.activations.elu import ELU
from xpmlp.nn.activations.gelu import GELU
from xpmlp.nn.activations.identity import IDENTITY
from xpmlp.nn.activations.leaky_relu import LEAKY_RELU
from xpmlp.nn.activations.mish import MISH
from xpmlp.nn.activations.relu import RELU
from xpmlp.nn.activations.scaled_tanh import SCALED_TANH
from xpmlp.nn.activations.selu import SELU
from xpmlp.nn.activations.sigmoid import SIGMOID
from xpmlp.nn.activations.silu import SILU
from xpmlp.nn.activations.softplus import SOFTPLUS
from xpmlp.nn.activations.tanh import TANH
from xpmlp.nn.activations.unbent import UNBENT

_RECORDS = (IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, MISH, SOFTPLUS, SCALED_TANH, UNBENT)

activations = RecordTable("activation", Activation, {one.name: one for one in _RECORDS})

__all__ = ["Activation", "Kept", "activations"]
