"""Tables as people have them: CSV, TSV or JSON lines with named columns, every cell text."""

import csv
import io
import json
from pathlib import Path

from nodal.datasets import splits
from nodal.errors import NodalError, closest

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
JSON_LINES = (".jsonl", ".ndjson")


def records(path, columns, log):
    """Yield (where, {key: cell}) of every record. columns: {key: the column's name}, None left out.

    where: the file and line, which an error names. Cells are text as it stands there, stripped: 007
    and NA too. Columns that are not asked for are named in the log. Raises NodalError naming the
    line that is not UTF-8, not a record, or lacks a column or a value in it.
    """
    path, wanted = Path(path), {key: name for key, name in columns.items() if name}
    suffix, content = path.suffix.lower(), decoded(path, _read(path))
    if suffix in DELIMITERS:
        found = _separated(path, content, DELIMITERS[suffix])
    elif suffix in JSON_LINES:
        found = _json_lines(path, content)
    else:
        known = ", ".join((*DELIMITERS, *JSON_LINES))
        raise NodalError(f"{path}: unknown kind of table; expected {known}")
    unused = {}
    for line, record in found:
        where = f"{path}: line {line}"
        for name in wanted.values():
            if name not in record:
                raise NodalError(f"{where}: no column {name!r}; {closest(name, record, 'found')}")
        unused |= dict.fromkeys(key for key in record if key not in wanted.values())
        yield where, {key: _cell(where, name, record[name]) for key, name in wanted.items()}
    if unused:
        log(f"{path}: columns not used: {', '.join(map(str, unused))}")


def part(where, word):
    """The part that a cell names. Raises NodalError for a word that names none."""
    named = splits.part(word)
    if named is None:
        raise NodalError(f"{where}: unknown split {word!r}; expected one of train, val, test")
    return named


def decoded(where, raw):
    """Bytes -> text. Raises NodalError naming the line that is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NodalError(f"{where}: line {line} is not UTF-8; expected that encoding") from error


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise NodalError(f"{path}: cannot be read ({error.strerror})") from error


def _cell(where, name, value):
    """A cell as text; in JSON it may be a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise NodalError(f"{where}: column {name!r} is {value!r}; expected text")
    return value.strip()


def _separated(path, content, delimiter):
    """(line, {column: cell}) of every record."""
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    header, line = None, 1
    try:
        for cells in reader:
            if header is None:
                header = cells
                if len(set(header)) < len(header):
                    raise NodalError(f"{path}: line 1: a column is named twice")
            elif cells:
                if len(cells) != len(header):
                    raise NodalError(
                        f"{path}: line {line}: {len(cells)} cells under {len(header)} columns"
                    )
                yield line, dict(zip(header, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise NodalError(
            f"{path}: line {line}: {error}; is a quote left open, or a cell with quotes not quoted?"
        ) from error


def _json_lines(path, content):
    for line, text in enumerate(content.split("\n"), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except ValueError as error:
            raise NodalError(f"{path}: line {line} is not JSON ({error})") from error
        if not isinstance(record, dict):
            raise NodalError(f"{path}: line {line}: expected an object of columns")
        yield line, record
