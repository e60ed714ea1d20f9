"""Every row of docs/reliability.md's table of bad input: provoked, and its line compared.

The rows are read out of the file, so a new row without a way to provoke it fails here.
"""

import argparse
import errno
import io
import os
import re
import tarfile
import threading
import zipfile
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import misread
import numpy as np
import pytest
import torch
import yaml
from nodal import activations, datasets, models, pooling, training
from nodal.datasets import splits
from nodal.errors import NodalError
from nodal.files import download, storage
from nodal.models import external
from nodal.pipeline import command, config, paths
from PIL import Image

ROOT = Path(__file__).parents[1]
RAW = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def rows():
    """{what: the line that is promised} of the table of bad input."""
    text = (ROOT / "docs" / "reliability.md").read_text()
    table = text.partition("## Bad input")[2].partition("\n## ")[0]
    lines = [line.strip("| ") for line in table.splitlines() if line.startswith("|")][2:]
    return {what: seen for what, _, seen in (line.split(" | ") for line in lines)}


def matches(line, promised):
    """Does a line read as promised? `...` and PATH in it stand for anything."""
    promised = re.search(r"`(.+?)`", promised)[1]
    pattern = ".*".join(re.escape(part) for part in re.split(r"\.\.\.|PATH", promised))
    return re.fullmatch(pattern, line) is not None


def of_config(**changes):
    """Check the project's config with some of its keys changed; `a__b` is the key a.b."""
    raw = deepcopy(RAW)
    raw["experiments"]["vgg"] = {k: v for k, v in RAW["experiments"]["digits_vgg"].items()}
    raw["experiments"]["mine"] = {"dataset": "digits", "model": {}}
    for key, value in changes.items():
        section = raw["experiments"]
        *path, last = key.split("__")
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    if "mine__model" not in changes:
        del raw["experiments"]["mine"]
    config.check(raw)


def of_a_missing_file():
    Path("mine.yaml").write_text("datasets: {mine: {source: folder, path: nowhere}}\n")
    command.check(argparse.Namespace(files=[Path("mine.yaml")]))


def served(content):
    """Fetch a.bin from a local server: answered 404, or cut in the middle of `content`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if content is None:
                return self.send_error(404, "Not Found")
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        download.fetch("a.bin", [f"http://127.0.0.1:{server.server_port}/a.bin"], Path("a.bin"))
    finally:
        server.shutdown()
        server.server_close()


def another_file():
    Path("a.bin").write_bytes(b"other")
    download.verified("a.bin", md5="0" * 32)


def cifar(per_label, cut=1.0):
    """Prepare dataset mine of a CIFAR-100 archive: images of each label per split, cut short."""
    random = np.random.default_rng(0)
    members = {"fine_label_names.txt": b"ant\nbee\ncat\n"}
    for split, counts in per_label.items():
        labels = np.repeat(np.arange(3), counts)
        pixels = random.integers(0, 256, (len(labels), 3072))
        members[f"{split}.bin"] = np.column_stack([labels, labels, pixels]).astype("u1").tobytes()
    with tarfile.open("c.tar.gz", "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    content = Path("c.tar.gz").read_bytes()
    Path("c.tar.gz").write_bytes(content[: int(cut * len(content))])
    prepare("cifar100", "c.tar.gz")


def prepare(source, path, **changes):
    settings = config.check({**RAW, "datasets": {**RAW["datasets"], "mine": {
        "source": source, "path": path, **changes}}})["datasets"]["mine"]  # fmt: skip
    own = {"data": path} if source == "cifar100" else datasets.own_files(settings)
    datasets.prepare("mine.h5", "mine", settings, own)


def folder(manifest=None, **files):
    """Prepare a zip of images; `train__ant__9` is train/ant/9.png, its value a colour or bytes.

    manifest: the lines of one, below its header.
    """
    with zipfile.ZipFile("images.zip", "w") as archive:
        for name, value in files.items():
            buffer = io.BytesIO()
            if isinstance(value, int):
                Image.new("RGB", (8, 8), (value,) * 3).save(buffer, "PNG")
                value = buffer.getvalue()
            archive.writestr(name.replace("__", "/") + ".png", value)
    changes = {}
    if manifest:
        Path("splits.csv").write_text("file,label,split\n" + manifest)
        changes["manifest"] = "splits.csv"
    prepare("folder", "images.zip", size=8, **changes)


def table(content, **changes):
    Path("texts.csv").write_text(content)
    prepare("text", "texts.csv", test_share=0.5, **changes)


def not_a_tokenizer():
    pytest.importorskip("tokenizers")
    Path("words.json").write_text("{}")
    table("text,label\nhi,a\nho,a\n", tokenizer="words.json")


def arrays():
    images, labels = np.zeros((4, 8, 8), np.uint8), np.arange(1, 5)
    np.savez("a.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    prepare("npz", "a.npz")


def several_labels():
    images, labels = np.zeros((4, 8, 8), np.uint8), np.zeros((4, 14), int)
    np.savez("a.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    prepare("npz", "a.npz")


def other_weights():
    small = {"name": "cct", "width": 8, "depth": 1}
    torch.save(models.build(small, 3, (1, 8, 8)).state_dict(), "w.pt")
    models.load_pretrained(models.build(small, 5, (1, 8, 8)), "w.pt")


def diverging_training(digits):
    """Outputs become NaN at the fourth step of the second epoch."""
    settings = config.check(RAW)["experiments"]["digits"]
    task = training.Task.from_dataset(digits[1])
    small = {"name": "cct", "width": 8, "depth": 1}
    model = training.initial_model(small, digits[1], 0)
    per_epoch, steps = -(-len(digits[1].train.labels) // 256), []

    def poison(module, inputs, output):
        steps.append(module.training)
        return output * torch.nan if sum(steps) == per_epoch + 4 else output

    model.register_forward_hook(poison)
    training.fit(model, task, {**settings["train"], "epochs": 2, "batch_size": 256,
                               "warmup_epochs": 0}, 0)  # fmt: skip


def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    training.pick_device("cuda")


def read_only_folder(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    paths.require_writable()


def library_of_another_checkout():
    Path("workflow", "nodal").mkdir(parents=True)
    paths.require_own_library(Path.cwd())


def damaged_artifact():
    with storage.write_hdf5("results/digits/seed0/snp/block1.h5", {}) as file:
        storage.put(file, "x", np.arange(999))
    path = Path("results/digits/seed0/snp/block1.h5")
    path.write_bytes(path.read_bytes()[:500])
    with storage.read_hdf5(path):
        pass


def locked_artifact(monkeypatch):
    """HDF5 is refused a lock; tests/files/test_storage.py lets another process hold a real one."""

    def refuse(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Unable to open file (unable to lock file, errno = 11)")

    path = Path("results/digits/seed0/snp/block1.h5")
    with storage.write_hdf5(path, {}):
        pass
    monkeypatch.setattr(storage.hdf5.h5py.File, "__init__", refuse)
    with storage.read_hdf5(path):
        pass


def full_disk(monkeypatch):
    """The last write to the disk is refused; tests/end_to_end/test_faults.py fills a real one."""

    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    storage.save_torch("results/digits/seed0/model.pt", {})


def queries_of_another_network():
    path = "results/digits/seed0/pooling.h5"
    activations.require_own_queries(path, {"network": "one"}, "another")


def activations_of_no_number():
    with storage.write_hdf5("block0.h5", {}) as file:
        group = file.create_group("out/sequence")
        stream = activations.TapStream(file, group, "train", torch.arange(2), 2)
        stream.add(torch.full((2, 1, 3), torch.nan))
        stream.close()


def gated_vit():
    vit = pytest.importorskip("timm.models.vision_transformer")
    sizes = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 2}
    layer = pytest.importorskip("timm.layers").SwiGLUPacked
    network = vit.VisionTransformer(**sizes, mlp_layer=layer)
    external._require_encoders(network, "gated", (3, 32, 32))


def too_many_tokens():
    pooling._lots({"block0.out": 2e9}, 1e9)


PROVOKE = {
    "unknown key, wrong type, value out of range": lambda: of_config(digits__snp__threshold=1.5),
    "a dataset, recipe, model or experiment that does not exist": lambda: of_config(
        digits__dataset="mnist"
    ),
    "a file or a folder that is not there": of_a_missing_file,
    "heads that do not divide the width": lambda: of_config(digits__model__heads=7),
    "several seeds of one network": lambda: of_config(
        digits__train={"checkpoint": "https://example.org/cct.pt"}, digits__seeds=[0, 1, 2]
    ),
    "heads asked of a CNN": lambda: of_config(vgg__heads={}),
    "a grid finer than the tokens, a site the model lacks": lambda: of_config(
        digits__activations={"pool": "grid", "grid": 5}
    ),
    "a model for another kind of input than the dataset's": lambda: of_config(
        digits__model={"name": "text_cct_2"}
    ),
    "augmentation of another kind of input, also by a recipe": lambda: of_config(
        digits__train={"word_dropout": 0.1}
    ),
    "a key that the dataset's source does not obey": lambda: prepare(
        "folder", "images.zip", split="kaggle"
    ),
    "sequence pooling of what has no tokens": lambda: of_config(
        vgg__activations={"pool": "sequence"}
    ),
    "a dilution that leaves nothing": lambda: of_config(digits__pruning={"dilutions": [1]}),
    "what changes a network, beside `network`": lambda: of_config(
        vgg={"network": "digits", "train": {"epochs": 3}}
    ),
    "seeds that were measured apart, and not alike": misread.measured_apart,
    "tables of an earlier version": misread.of_an_earlier_version,
    "experiments that were measured otherwise, or of one name and not one network": (
        misread.compared_at_two_thresholds
    ),
    "a grid beside sequence pooling": lambda: of_config(digits__activations={"grid": 4}),
    "scopes of pruning without a weight that is read": lambda: of_config(
        digits__activations={"sites": ["input", "heads"]}
    ),
    "a ViT whose blocks are no plain encoders: windows, gates, other tokens": gated_vit,
    "activations that are not finite": activations_of_no_number,
    "a share of pooling that leaves a label without an input": lambda: splits.learning_part(
        np.array([0] * 9 + [1]), 0.2, 0.5
    ),
    "a tap that names no module": lambda: of_config(
        mine__model={"source": "torchvision", "name": "resnet18", "taps": ["layer11"]}
    ),
    "a folder that cannot be written, a read-only checkout for instance": read_only_folder,
    "a library already loaded of another checkout than the Snakefile's": (
        library_of_another_checkout
    ),
    "an address that answers 404, a web page or the wrong file": lambda: served(None),
    "a connection cut": lambda: served(bytes(1000)),
    "a local file that is not the published one": another_file,
    "an archive cut short, a member missing": lambda: cifar(
        {"train": [9, 9, 9], "test": [1, 1, 1]}, cut=0.6
    ),
    "images that do not decode": lambda: folder(
        train__ant__8=1, train__ant__9=b"no image", test__ant__0=2
    ),
    "a label folder that is empty, or in one split only": lambda: folder(
        train__ant__0=1, train__cat__0=3, test__ant__0=2
    ),
    "a folder with neither labels nor parts": lambda: folder(a=1, b=2),
    "labels without a test, and no share for it": lambda: folder(ant__0=1, bee__0=2),
    "a part that is not there, or serves twice": lambda: prepare(
        "folder", "images.zip", train="trainval", test="val"
    ),
    "a manifest with a file that is not there, or named twice, or an unknown split": lambda: folder(
        manifest="a.png,ant,train\nb.png,ant,test\n", a=1
    ),
    "a table without its columns, an unclosed quote, not UTF-8": lambda: table(
        "text,lable\nhi,a\n"
    ),
    "an empty text, or one without a word": lambda: table("text,label\nhi,a\n?!,a\n"),
    "a tokenizer file that is none": not_a_tokenizer,
    "an npz without its keys, or labels not 0..C-1": arrays,
    "an npz with several labels for an image, or whose axes read in two ways": several_labels,
    "a label without an input in a split": lambda: cifar({"train": [2, 2, 2], "test": [1, 1, 0]}),
    "weights of another shape, with another key, truncated": other_weights,
    "a loss that is not finite": diverging_training,
    "a GPU that is not there": no_gpu,
    "an artifact cut short or damaged on disk": damaged_artifact,
    "an artifact locked, or open for writing elsewhere": locked_artifact,
    "a full disk, a read-only folder": full_disk,
    "queries of another network where this one's belong": queries_of_another_network,
    "steps of pooling over more tokens than memory may hold": too_many_tokens,
    "a readout no better than guessing": misread.guessing_readout,
}


def test_a_line_is_compared_word_for_word():
    promised = "`PATH: expected ..., got 3` and so on"
    assert matches("a.bin: expected 2, got 3", promised)
    assert not matches("a.bin: expected 2, got 33", promised)
    assert not matches("a.bin: expects 2, got 3", promised)


@pytest.mark.parametrize("what", rows())
def test_bad_input_is_answered_as_promised(what, tmp_path, monkeypatch, request):
    assert what in PROVOKE, "say in PROVOKE how this row of docs/reliability.md is provoked"
    monkeypatch.chdir(tmp_path)
    provoke = PROVOKE[what]
    needed = provoke.__code__.co_varnames[: provoke.__code__.co_argcount]
    with pytest.raises(NodalError) as caught:
        provoke(**{name: request.getfixturevalue(name) for name in needed})
    assert "\n" not in str(caught.value)
    assert matches(str(caught.value), rows()[what]), f"{caught.value}\nis not\n{rows()[what]}"


def test_every_way_to_provoke_belongs_to_a_row():
    assert set(PROVOKE) == set(rows())
