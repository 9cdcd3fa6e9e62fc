"""Files of trainings: networks, checkpoints and run folders: arrays in safetensors, with JSON.  Nothing is pickled.

===============  ====================================================================
``sealed``       named arrays with a description in one file, under one checksum
``network``      a trained network: `save_network`, `load_network`
``checkpoints``  a training's last checkpoints: `CheckpointWriter`, `newest_checkpoint`
``run_folder``   the folder with the results of a training
``provenance``   everything that determines a training's bits, and changes to it
===============  ====================================================================

Files written by one backend can be read by any other.
"""

from xpmlp.storage.checkpoints import Checkpoint, CheckpointWriter, newest_checkpoint
from xpmlp.storage.network import SavedNetwork, load_network, save_network
from xpmlp.storage.sealed import Damaged, Sealed, read_sealed, write_sealed

__all__ = [
    "Checkpoint",
    "CheckpointWriter",
    "Damaged",
    "SavedNetwork",
    "Sealed",
    "load_network",
    "newest_checkpoint",
    "read_sealed",
    "save_network",
    "write_sealed",
]
