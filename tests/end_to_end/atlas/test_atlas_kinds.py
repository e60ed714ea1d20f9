"""Atlases of other sizes, of texts and of a convolutional network, in a real browser."""

import time

import artifacts
import numpy as np
import pytest
import torch
import yaml
from nodal import datasets
from nodal.atlas import document, page
from nodal.atlas.arrays import decode
from nodal.datasets.inputs import Inputs
from pages import NASTY, TEXT

pytestmark = pytest.mark.end_to_end


def test_the_demos_atlas_is_small_and_quick(browser, tmp_path, capsys):
    names = [str(digit) for digit in range(10)]
    plan = artifacts.Plan(names, tmp_path, width=64, blocks=3, n_test=450, seeds=(0, 1))
    sources = artifacts.make(plan)
    before = time.process_time()
    text = page.assemble(document.gather(sources, page.room(10)))
    making = time.process_time() - before
    (tmp_path / "atlas.html").write_text(text)
    before = browser.busy()
    browser.open(tmp_path / "atlas.html")
    opening = browser.busy() - before
    browser.go("#block2.ff/node0")
    busy, took = browser.moves([f"#block2.ff/node{node}" for node in range(1, 12)])
    with capsys.disabled():
        print(f"\natlas as the demo's: {len(text) / 1e6:.2f} MB, made in {making:.1f} s, opened in "
              f"{opening:.2f} s, node to node {busy:.0f} ms of the main thread, {took:.0f} ms on "
              "the clock")  # fmt: skip
    assert len(text) < 3e6
    assert making < 8
    assert opening < 1
    assert busy < 100


def test_a_hundred_labels_of_seven_blocks_fit(browser, tmp_path, capsys):
    names = [f"label {i}" for i in range(100)]
    inputs = Inputs("image", (3, 32, 32))
    plan = artifacts.Plan(names, tmp_path, inputs, width=256, blocks=7, n_test=2000)
    text = page.assemble(document.gather(artifacts.make(plan), page.room(10)))
    (tmp_path / "atlas.html").write_text(text)
    assert len(text.encode()) < 10e6
    browser.open(tmp_path / "atlas.html")
    browser.go("#block6.proj/node200")
    busy, took = browser.moves([f"#block6.proj/node{node}" for node in range(201, 208)])
    with capsys.disabled():
        print(f"\natlas of 100 labels and 7 blocks of width 256: {len(text) / 1e6:.2f} MB, node to "
              f"node {busy:.0f} ms of the main thread, {took:.0f} ms on the clock")  # fmt: skip
    assert busy < 200
    browser.go("#head/1.0")
    browser.theta(0.02)  # at which it has more labels than names have room for
    ticks = browser.run(
        "return [...document.querySelectorAll('.plot svg')[2].querySelectorAll('.tick')]"
        ".map((tick) => tick.textContent)"
    )
    listed = browser.run(
        "return [...document.querySelectorAll('.clusters .chip')].map((a) => a.textContent)"
    )
    assert len(listed) > 26
    shown = [f"label {tick}" for tick in ticks[: len(ticks) // 2]]  # every fifth, down the side
    assert shown == listed[::5], "labels, not their ranks"


def test_a_thousand_labels_and_two(browser, tmp_path):
    for n in (2, 1000):
        folder = tmp_path / str(n)
        plan = artifacts.Plan([f"label {i}" for i in range(n)], folder, n_test=max(n, 20))
        text = page.assemble(document.gather(artifacts.make(plan), room=9.8e6))
        (folder / "atlas.html").write_text(text)
        assert len(text.encode()) < 10e6
        browser.open(folder / "atlas.html")
        for address in ("#start", "#labels", "#block0.proj", "#block0.proj/node3", "#head/0.0",
                        "#label/label%201"):  # fmt: skip
            browser.go(address)
            assert browser.heading() != "Nothing here"


def test_a_head_whose_matrix_has_no_room_shows_its_numbers(browser, tmp_path):
    sources = artifacts.make(artifacts.Plan(list("abcde"), tmp_path, width=12, heads=3, n_test=20))
    for room, there in ((1200, False), (5400, True)):
        found = document.gather(sources, room)
        assert (found["seeds"][0]["heads"][0]["matrices"] is not None) == there
        (tmp_path / f"{room}.html").write_text(page.assemble(found))
        browser.open(tmp_path / f"{room}.html")
        browser.go("#head/0.0")
        assert ("has no room in the page" in browser.run(TEXT)) != there
        assert (browser.run("return document.querySelectorAll('.plot').length") > 1) == there
        assert browser.run("return document.querySelector('[data-name=noise] dd').textContent")


TEXTS = """return [...document.querySelector(".input-list").querySelectorAll(".text")].map(
  (text) => text.textContent)"""


def test_texts_are_shown_as_they_are(browser, tmp_path):
    words = ["", *NASTY, "<b>bold</b>", "&amp;", "javascript:alert(1)"]
    inputs = Inputs("text", (len(words), 12))
    plan = artifacts.Plan(list("abc"), tmp_path, inputs, n_test=30, vocabulary=tuple(words))
    found = document.gather(artifacts.make(plan), room=3e6)
    (tmp_path / "atlas.html").write_text(page.assemble(found))
    browser.open(tmp_path / "atlas.html")
    browser.go("#block1.ff/node2")
    shown = browser.run(TEXTS)
    tokens = datasets.load(tmp_path / "dataset.h5").test.inputs
    named = decode(found["seeds"][0]["taps"]["block1.ff"]["inputs"]["lists"]["highest"]["index"])[2]
    for text, index in zip(shown, named, strict=False):
        ids = [token for token in np.asarray(tokens[index]) if token]
        assert text == "".join(f"{words[token]} " for token in ids)
    assert browser.run("return document.querySelectorAll('.text .lit').length") > 0
    assert browser.run("return document.querySelectorAll('.text b, .text img').length") == 0
    assert "planted" in browser.driver.title


LINKS = (
    "return [...document.querySelectorAll('.links li')]"
    ".map((li) => [li.querySelector('a').textContent, li.querySelector('.value').textContent])"
)


def test_a_convolutional_network_has_every_view_and_its_kernels_their_norms(
    browser, snakemake, tmp_path
):
    experiment = {
        "dataset": "digits", "seeds": [0],
        "model": {"name": "vgg11", "width": 8, "stages": [1, 1]},
        "train": {"epochs": 3, "warmup_epochs": 0}, "readout": {"penalties": [0.01]},
        "pruning": {"methods": []},
    }  # fmt: skip
    (tmp_path / "cnn.yaml").write_text(yaml.safe_dump({"experiments": {"cnn": experiment}}))
    files = ("config/config.yaml", tmp_path / "cnn.yaml")
    snakemake(tmp_path, "--cores", "2", "--configfile", *map(str, files), "--",
              "results/cnn/atlas.html")  # fmt: skip
    browser.open(tmp_path / "results" / "cnn" / "atlas.html")
    assert "to test: 450 (a quarter, drawn once)" in browser.run(TEXT)
    for address in ("#labels", "#label/3", "#block0.out", "#block1.out", "#block1.out/node5"):
        browser.go(address)
        assert browser.heading() != "Nothing here", address
    state = torch.load(tmp_path / "results/cnn/seed0/model.pt", weights_only=True)["state_dict"]
    norms = state["stages.1.0.weight"].flatten(2).norm(dim=2)
    for node in range(16):
        browser.go(f"#block1.out/node{node}")
        items = browser.run(LINKS)
        for other, words in ((other, words) for other, words in items if "kernel" in words):
            norm = float(words.removeprefix("kernel of norm "))
            assert norm == pytest.approx(norms[node, int(other.split()[-1])].item(), rel=1e-2)
    assert any("kernel" in words for _, words in items)
