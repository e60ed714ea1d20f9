"""What is in a file or a folder of the user's, whatever its place and times: a digest of content.

A plan asks at every start, so a digest is remembered for as long as names, sizes and times stay.
"""

import hashlib
import json
import os
import zipfile
from pathlib import Path

from nodal.datasets import tree
from nodal.errors import NodalError
from nodal.files import storage

MEMORY = Path(".snakemake") / "contents.json"


def digest(path, remember=False, memory=MEMORY):
    """Hexadecimal text that changes when the content of a file or of any file of a folder does.

    A zip (an .npz too) is known by the checksums it has of its members. remember: write the digest
    to `memory`. Raises NodalError naming a path that is not there or cannot be read.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise NodalError(f"{path}: no such file or directory")
    try:
        known, state = _recall(memory), f"{path}:{tree.fingerprint(path)}"
        if state not in known:
            known[state] = _digest(path)
            if remember:
                with storage.atomic(memory) as temporary:
                    temporary.write_text(json.dumps(known, indent=0))
        return known[state]
    except tree.BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise NodalError(f"{path}: cannot be read: {reason}") from error


def _recall(memory):
    try:
        return dict(json.loads(Path(memory).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _digest(path):
    found = hashlib.sha256()
    if path.is_dir():
        for file in tree.walk(path):
            name = file.relative_to(path).as_posix()
            found.update(os.fsencode(f"{name}\0{_of_file(file)}\n"))
        return found.hexdigest()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = sorted((m.filename, m.CRC, m.file_size) for m in archive.infolist())
        return hashlib.sha256(json.dumps(members).encode()).hexdigest()
    return _of_file(path)


def _of_file(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
