"""Which config a run reads, and what the relative paths in it mean: one resolver for them all.

A relative path means the folder of the file that names it; for a `config/config.yaml` that is the
folder that holds `config/`, and for a value given by `--config` the run's own folder.
"""

import os
from pathlib import Path

from nodal.errors import NodalError
from nodal.files import download
from nodal.pipeline import schemas

LIBRARY = Path(__file__).parents[1]
CONFIG = Path("config") / "config.yaml"


def checkout():
    """The checkout that this library lies in, or None: then it is installed apart from any."""
    folder = LIBRARY.parents[1]
    return folder if (folder / "Snakefile").exists() and (folder / CONFIG).exists() else None


def config_file(folder=".", project=None):
    """The config of a run in that folder: its own if it has one, else the project's.

    project: a checkout; that of this library unless it is given. Raises NodalError if there is
    neither.
    """
    own, project = Path(folder).absolute() / CONFIG, project or checkout()
    if own.exists():
        return own
    if project is None:
        raise NodalError(f"{own}: no such file, and no checkout to take a config of; name one")
    return Path(project) / CONFIG


def require_own_library(project):
    """Raise NodalError if a Snakefile's checkout brings a library and another one is at work."""
    own = Path(project) / "workflow" / "nodal"
    if own.exists() and not own.samefile(LIBRARY):
        raise NodalError(
            f"nodal was taken of {LIBRARY}, the Snakefile lies in {project}; unset PYTHONPATH, or "
            "run the Snakefile of the checkout that is installed"
        )


def require_writable(folder="."):
    """Raise NodalError if Snakemake cannot keep its state in a folder."""
    folder = Path(folder).absolute()
    state = folder / ".snakemake"
    if not os.access(state if state.exists() else folder, os.W_OK):
        raise NodalError(f"{folder}: cannot be written; run with --directory and a folder of yours")


def base(file):
    """The folder that relative paths in a config file mean.

    >>> base("/scratch/run/config/config.yaml"), base("/home/me/mine.yaml")
    (PosixPath('/scratch/run'), PosixPath('/home/me'))
    """
    file = Path(file).absolute()
    return file.parent.parent if Path(*file.parts[-2:]) == CONFIG else file.parent


def resolved(config, layers, schema):
    """A config with every path absolute; addresses (https://...) stay as they are.

    layers: [(folder, what a file of the config says)], a later one laid over those before; a path
    belongs to the last one that gives it. Paths are the keys that the schema marks `format: path`,
    apart from the values that it lists as `words`.
    """
    return _resolved(config, [(Path(folder), raw) for folder, raw in layers], schema, schema)


def _resolved(value, layers, schema, root):
    schema = schemas.resolve(schema, root)
    if isinstance(value, dict):
        parts, each = schema.get("properties", {}), schema.get("additionalProperties")
        each = each if isinstance(each, dict) else {}
        return {
            key: _resolved(part, _below(layers, key), parts.get(key, each), root)
            for key, part in value.items()
        }
    is_path = schema.get("format") == "path" and value not in schema.get("words", ())
    if isinstance(value, str) and is_path:
        givers = [folder for folder, given in layers if given == value]
        return absolute(value, givers[-1] if givers else Path.cwd())
    return value


def _below(layers, key):
    return [
        (folder, given[key]) for folder, given in layers if isinstance(given, dict) and key in given
    ]


def absolute(path, folder):
    """A path or an address as a config has it -> an absolute path, or the address unchanged."""
    local = download.local_path(path)
    return str(path) if local is None else str(Path(folder) / local.expanduser())
