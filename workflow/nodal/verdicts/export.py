"""Artifacts as other programs read them: HDF5 to NumPy's npz, a model to plain weights."""

from pathlib import Path

import h5py
import numpy as np

from nodal.errors import NodalError
from nodal.files import storage


def arrays(path):
    """Every array of an HDF5 artifact, {"hidden/weights": array}, as it is stored."""
    with storage.read_hdf5(path) as file:
        found = {}
        file.visititems(
            lambda name, part: (
                found.update({name: part[()]}) if isinstance(part, h5py.Dataset) else None
            )
        )
    return found


def export(source, target):
    """Write an artifact for other programs: .h5 -> .npz, model.pt -> a state dict alone.

    Raises NodalError for any other pair of file types, and for a file that is not an artifact.
    """
    source, target = Path(source), Path(target)
    kinds = (source.suffix, target.suffix)
    if kinds == (".h5", ".npz"):
        content = arrays(source)
        with storage.atomic(target) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **content)
    elif kinds == (".pt", ".pt"):
        content = storage.load_torch(source)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise NodalError(f"{source}: not a model of this workflow; expected a model.pt")
        storage.save_torch(target, content["state_dict"])
    else:
        raise NodalError(
            f"{source} to {target}: expected an .h5 and an .npz file, or a model's .pt and a .pt"
        )
