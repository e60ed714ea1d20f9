"""Downloads from a real HTTP server: resumed, verified, mirrored, and nothing left on failure."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from nodal.errors import NodalError
from nodal.files import download

CONTENT = bytes(range(256)) * 4096
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/whole serves the file with ranges; /cut breaks off in the middle of the first answers."""

    requests, cuts = [], 0

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.requests.append((kind, self.headers.get("Range")))
        if kind == "missing":
            self.send_error(404)
        elif kind == "html":
            self.answer(b"<html>please accept our cookies</html>", "text/html; charset=utf-8")
        elif kind == "wrong":
            self.answer(CONTENT[:-1] + b"!")
        elif kind == "cut" and Handler.cuts > 0:
            Handler.cuts -= 1
            self.answer(CONTENT, cut=True)
        else:
            self.answer(CONTENT)

    def answer(self, content, kind="application/octet-stream", cut=False):
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        content = content[start:]
        self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.requests, Handler.cuts = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_and_verified(server, tmp_path):
    download.fetch("a.bin", [f"{server}/whole/a.bin"], tmp_path / "a.bin", MD5, len(CONTENT))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


def test_a_cut_connection_is_resumed_where_it_broke_off(server, tmp_path):
    Handler.cuts = 1
    download.fetch("a.bin", [f"{server}/cut/a.bin"], tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    ranges = [r for _, r in Handler.requests]
    assert ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_download_killed_earlier_is_continued(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1000])
    download.fetch("a.bin", [f"{server}/whole/a.bin"], tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert Handler.requests == [("whole", "bytes=1000-")]


def test_without_a_checksum_what_was_left_is_not_continued(server, tmp_path):
    """It may be of another address: the first half of one file and the second of another."""
    (tmp_path / "a.bin.part").write_bytes(b"?" * 1000)
    download.fetch("a.bin", [f"{server}/whole/a.bin"], tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_without_a_checksum_no_mirror_continues_another(server, tmp_path):
    Handler.cuts = 99
    addresses = [f"{server}/cut/a.bin", f"{server}/whole/a.bin"]
    download.fetch("a.bin", addresses, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert Handler.requests[-1] == ("whole", None)


def test_the_next_mirror_is_tried(server, tmp_path):
    addresses = ["http://127.0.0.1:1/a.bin", f"{server}/missing/a.bin", f"{server}/whole/a.bin"]
    download.fetch("a.bin", addresses, tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "answered 404"),
        ("html", "answered an HTML page, not the file"),
        ("wrong", f"expected {MD5}"),
    ],
)
def test_what_is_not_the_file_is_named_and_nothing_is_left(server, tmp_path, kind, message):
    with pytest.raises(NodalError, match=message) as caught:
        download.fetch("a.bin", [f"{server}/{kind}/a.bin"], tmp_path / "a.bin", MD5)
    assert f"{server}/{kind}/a.bin" in str(caught.value)
    assert names(tmp_path) == []


def test_a_connection_that_always_breaks_is_given_up(server, tmp_path):
    Handler.cuts = 99
    with pytest.raises(NodalError, match="the connection was cut at"):
        download.fetch("a.bin", [f"{server}/cut/a.bin"], tmp_path / "a.bin", MD5)
    assert names(tmp_path) == []


def test_a_wrong_first_mirror_does_not_spoil_the_second(server, tmp_path):
    addresses = [f"{server}/wrong/a.bin", f"{server}/whole/a.bin"]
    download.fetch("a.bin", addresses, tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_file_addresses_are_read_in_place(tmp_path):
    (tmp_path / "b c.bin").write_bytes(CONTENT)
    address = (tmp_path / "b c.bin").as_uri()
    assert download.local_path(address) == tmp_path / "b c.bin"
    assert download.locate(tmp_path, "b c.bin") == tmp_path / "b c.bin"
    assert download.verified(tmp_path / "b c.bin", MD5, len(CONTENT))
    with pytest.raises(NodalError, match=r"b c\.bin: has 1048576 bytes, expected 5"):
        download.verified(tmp_path / "b c.bin", size=5)
    with pytest.raises(NodalError, match=r"none\.bin: no such file"):
        download.verified(tmp_path / "none.bin")


def test_the_checksums_are_those_torchvision_records():
    from nodal.datasets import SOURCES
    from torchvision.datasets import Flowers102

    recorded = {name: md5 for name, md5 in Flowers102._file_dict.values()}
    ours = {name: file.md5 for name, file in SOURCES["flowers102"].files.items()}
    assert ours == recorded
