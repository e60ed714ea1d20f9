"""Fetch a published file: addresses in turn, resumed where it broke off, verified before use."""

import hashlib
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlparse

from tqdm import tqdm

from nodal.errors import NodalError

BLOCK = 2**20
ATTEMPTS = 3
TIMEOUT = 30


class Mismatch(Exception):
    """What an address sent is not the file."""


def local_path(address):
    """A path or a file:// address -> Path; None for any other address."""
    parts = urlparse(str(address))
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme in ("http", "https") else Path(address)


def locate(path, name):
    """A published file below a local path: the file itself, or `name` in that directory."""
    path = local_path(path)
    return path / name if path.is_dir() else path


def fetch(name, addresses, target, md5=None, size=None):
    """Bring a file to `target`; a partial one beside it (`.part`) is continued, not started over.

    Without a checksum nothing would tell the parts of two files from a whole one, so what an
    earlier run or another address has left is not continued.

    addresses: whole addresses of the file, tried in turn, each up to three times. Raises
    NodalError that names every address and what was wrong with it; nothing is left then.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    failures = []
    for address in addresses:
        if md5 is None:
            part.unlink(missing_ok=True)
        for _ in range(ATTEMPTS):
            try:
                _transfer(address, part, name)
                verify(part, md5, size)
                os.replace(part, target)
                return target
            except Mismatch as error:
                part.unlink(missing_ok=True)
                failures.append(f"{address}: {error}")
                break
            except urllib.error.HTTPError as error:
                failures.append(f"{address}: answered {error.code} {error.reason}")
                if error.code == 416:
                    part.unlink(missing_ok=True)
                    continue
                break
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", error)
                failures.append(f"{address}: {reason}")
    part.unlink(missing_ok=True)
    raise NodalError(f"{name}: could not be fetched; " + "; ".join(dict.fromkeys(failures)))


def _transfer(address, part, name):
    """Append what is missing of `part`; raises OSError if the connection ends too early."""
    path = local_path(address)
    have = part.stat().st_size if part.exists() and path is None else 0
    request = urllib.request.Request(path.as_uri() if path else address)
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        if "text/html" in (answer.headers.get("Content-Type") or ""):
            raise Mismatch("answered an HTML page, not the file")
        resumed = getattr(answer, "status", None) == 206
        length = answer.headers.get("Content-Length")
        expected = (have if resumed else 0) + int(length) if length else None
        bar = tqdm(
            total=expected, initial=have if resumed else 0, desc=name, unit="B", unit_scale=True,
            disable=None,
        )  # fmt: skip
        with bar, open(part, "ab" if resumed else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                bar.update(len(block))
    if expected is not None and part.stat().st_size < expected:
        raise OSError(f"the connection was cut at {part.stat().st_size} of {expected} bytes")


def verify(path, md5=None, size=None):
    """Raise Mismatch unless the file has the size and checksum that were published."""
    found = Path(path).stat().st_size
    if size is not None and found != size:
        raise Mismatch(f"has {found} bytes, expected {size}")
    if md5 is not None:
        digest = hashlib.md5(usedforsecurity=False)
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        if digest.hexdigest() != md5:
            raise Mismatch(f"has MD5 {digest.hexdigest()}, expected {md5}")


def verified(path, md5=None, size=None):
    """Return a local file if it is the published one; NodalError naming it otherwise."""
    try:
        verify(path, md5, size)
    except FileNotFoundError as error:
        raise NodalError(f"{path}: no such file") from error
    except Mismatch as error:
        raise NodalError(f"{path}: {error}") from error
    return path
