"""Directories, zips and tars as one thing: names of files, and their bytes."""

import hashlib
import os
import tarfile
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path

from nodal.errors import NodalError

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError,
          NotImplementedError)  # fmt: skip


class Tree:
    """The files of a directory, zip or tar; nothing is unpacked. A context manager.

    names: of all files, relative and sorted. folders: those that are listed, empty ones of a
    directory. outside: symbolic links in a tar, and names that lead out of an archive; not among
    `names`. Raises NodalError naming the path if it is none of the three.
    """

    def __init__(self, path):
        self.path, self._open = Path(path), ExitStack()
        if not self.path.exists():
            raise NodalError(f"{path}: no such file or directory")
        try:
            if self.path.is_dir():
                self.archive, (files, folders, links) = None, _of_directory(self.path)
            elif zipfile.is_zipfile(path):
                self.archive = self._open.enter_context(zipfile.ZipFile(path))
                listed = self.archive.namelist()
                files = [name for name in listed if not name.endswith("/")]
                folders, links = [name for name in listed if name.endswith("/")], []
            else:
                self.archive, (self._last, folders, links) = None, _of_tar(self.path)
                files = list(self._last)
        except BROKEN as error:
            raise NodalError(f"{path}: not a directory, zip or tar ({error})") from error
        self.names = sorted(name for name in set(files) if _is_inside(name))
        self.folders = sorted(name.rstrip("/") for name in folders if _is_inside(name))
        self.outside = links + [name for name in files if not _is_inside(name)]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._open.close()

    def where(self, name):
        """What an error or a log calls a file of it."""
        return str(self.path / name) if self.path.is_dir() else f"{self.path}:{name}"

    def read(self, names):
        """Yield (name, bytes) of some files; of a damaged one a NodalError instead of bytes.

        A tar gives them in its own order, the last where a name is there twice.
        """
        if self.path.is_dir():
            yield from (
                (name, self._content(name, (self.path / name).read_bytes)) for name in names
            )
        elif self.archive:
            yield from ((name, self._content(name, self.archive.read, name)) for name in names)
        else:
            yield from self._read_tar(set(names))

    def _content(self, name, read, *arguments):
        try:
            return read(*arguments)
        except BROKEN as error:
            return NodalError(f"{self.where(name)}: damaged, or not to be read ({error})")

    def _read_tar(self, wanted):
        named = {}
        for name in sorted(wanted):
            named.setdefault(self._last[name], []).append(name)
        try:
            with tarfile.open(self.path) as archive:
                for member in archive:
                    if member.offset in named:
                        content = archive.extractfile(member).read()
                        yield from ((name, content) for name in named[member.offset])
        except BROKEN as error:
            raise NodalError(f"{self.path}: not a readable archive ({error})") from error


def is_tree(path):
    """Is there a directory, zip or tar?"""
    path = Path(path)
    if path.is_dir() or zipfile.is_zipfile(path):
        return True
    return path.is_file() and tarfile.is_tarfile(path)


def _of_directory(path):
    found = walk(path)
    files = [file.relative_to(path).as_posix() for file in found]
    folders = [
        os.path.relpath(here, path)
        for here, folders, names in os.walk(path)
        if not folders and not names
    ]
    return files, folders, []


def _of_tar(path):
    """{name of a file: where its last version begins}, folders, and names of other links."""
    with tarfile.open(path) as archive:
        members = [(m.name, m.type, m.offset, m.linkname) for m in archive]
    files = {}
    for name, kind, at, target in members:
        if kind in tarfile.REGULAR_TYPES:
            files[name] = at
        elif kind == tarfile.LNKTYPE and target in files:
            # A file that has two names on its disk is stored once, by its first.
            files[name] = files[target]
        else:
            files.pop(name, None)
    folders = [name for name, kind, *_ in members if kind == tarfile.DIRTYPE]
    return files, folders, sorted({name for name, *_ in members} - {*files, *folders})


def _is_inside(name):
    return not name.startswith("/") and ".." not in name.split("/")


def fingerprint(path):
    """A digest of a directory that changes when a file in it does: hexadecimal text.

    Of the relative names, sizes and modification times of all files; symbolic links are followed.
    Of a file: of its size and time. What is not there has a digest too.
    """
    path = Path(path)
    digest = hashlib.sha256()
    for file in walk(path) if path.is_dir() else [path]:
        name = file.relative_to(path).as_posix()
        known = (file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else None
        digest.update(os.fsencode(f"{name}\0{known}\n"))
    return digest.hexdigest()


def walk(folder):
    """All files below a directory, sorted by name; linked folders are followed."""
    return sorted(map(Path, _walk(str(folder), ())))


def _walk(folder, above):
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder around it leads in a circle
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path, (*above, real))
            else:
                yield entry.path
