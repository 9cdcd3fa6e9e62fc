"""What is saved of a training: safetensors files with JSON in their metadata.  Nothing is pickled.

===============  ====================================================================
``network``      a trained network: `save_network`, `load_network`
``sealed``       any named arrays with a description, under one checksum
``header``       what a file says about its arrays, before they are read
``folder``       a training's last checkpoints: `CheckpointWriter`, `newest_checkpoint`
``journal``      the losses of all its batches
===============  ====================================================================

Any backend can read what any other has written.
"""

from xpmlp.checkpoint.folder import Checkpoint, CheckpointWriter, newest_checkpoint
from xpmlp.checkpoint.network import HostParameters, SavedNetwork, load_network, save_network
from xpmlp.checkpoint.sealed import Damaged, Sealed, read_sealed, write_sealed

__all__ = [
    "Checkpoint",
    "CheckpointWriter",
    "Damaged",
    "HostParameters",
    "SavedNetwork",
    "Sealed",
    "load_network",
    "newest_checkpoint",
    "read_sealed",
    "save_network",
    "write_sealed",
]
