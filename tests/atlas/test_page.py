"""The page: one file that executes nothing but its own script, and measures as the library does."""

import base64
import hashlib
import html.parser
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from nodal import snp
from nodal.atlas import fields, page
from nodal.atlas.arrays import encode
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

COUNTED = ("n_clusters", "labels", "signal", "noise", "silent")
THETAS = [*np.round(np.arange(0, 0.96, 0.05), 2).tolist(), 0.3, 0.123]
MANY = np.round(np.arange(0, 0.96, 0.01), 2).tolist()  # all that the slider has


class Elements(html.parser.HTMLParser):
    """What a browser would see: tags with their attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open = (tag, dict(attributes).get("type"))

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open and self._open[0] in ("script", "style", "title"):
            self.texts[self._open] = self.texts.get(self._open, "") + data


@pytest.fixture(scope="module")
def made(planted):
    document = planted[1]
    return document, page.assemble(document)


def test_nasty_labels_neither_end_nor_open_an_element(made):
    document, text = made
    found = Elements(text)
    assert [tag for tag, _ in found.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in found.tags]
    assert json.loads(found.texts["script", "application/json"]) == json.loads(json.dumps(document))


def test_the_title_is_text(planted):
    document = {**planted[1], "run": {**planted[1]["run"], "experiment": "</title><b>"}}
    found = Elements(page.assemble(document))
    assert found.texts["title", None].startswith("</title><b>")


def test_only_this_script_and_this_style_are_allowed(made):
    found = Elements(made[1])
    policy = next(a["content"] for tag, a in found.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for key, directive in ((("script", "module"), "script-src"), (("style", None), "style-src")):
        digest = hashlib.sha256(found.texts[key].encode()).digest()
        assert f"{directive} 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_the_page_names_no_address(made):
    addresses = set(re.findall(r"""(?:https?:)?//[\w.-]+\.\w+""", page.script() + made[1]))
    assert addresses <= {"http://www.w3.org"}  # the namespace of SVG
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|innerHTML|eval)\b", page.script())


def test_modules_that_import_each_other_are_refused(tmp_path):
    (tmp_path / "main.js").write_text('import { a } from "./other.js";\n')
    (tmp_path / "other.js").write_text('import { b } from "./main.js";\nexport const a = 1;\n')
    with pytest.raises(ValueError, match="main -> other -> main"):
        page.modules("main", tmp_path)


def test_an_import_that_would_be_lost_is_refused(tmp_path):
    (tmp_path / "main.js").write_text('import * as all from "./other.js";\n')
    with pytest.raises(ValueError, match=r"main\.js"):
        page.script("main", tmp_path)


def test_every_file_of_the_page_is_in_it():
    assert set(page.modules()) == {path.stem for path in page.PAGE.glob("*.js")}


def test_the_palette_is_the_figures():
    from nodal.figures import style

    css = (page.PAGE / "style.css").read_text()
    for name in ("BLUE", "ORANGE", "GREEN", "VERMILION", "PURPLE", "SKY", "GREY"):
        assert f"--{name.lower()}: {getattr(style, name)};" in css


def test_the_colour_maps_are_the_figures():
    from matplotlib import colormaps

    source = (page.PAGE / "colours.js").read_text()
    for name, figures in (("RDBU", "RdBu_r"), ("VIRIDIS", "viridis")):
        anchors = re.findall(
            r'"(#\w{6})"', re.search(rf"const {name} = \[(.*?)\]", source, re.S)[1]
        )
        for place, anchor in zip(np.linspace(0, 1, len(anchors)), anchors, strict=True):
            own = np.array([int(anchor[i : i + 2], 16) for i in (1, 3, 5)])
            assert np.abs(own - 255 * np.array(colormaps[figures](place)[:3])).max() <= 4


RUN = """
import { readFileSync } from "node:fs";
import { openField } from "./fields.js";
import { binarize, clusters, statistics } from "./clusters.js";
const { field, C, thetas, nodes } = JSON.parse(readFileSync("case.json"));
const opened = await openField(field, C);
const found = thetas.map((theta) => Array.from({ length: nodes }, (_, node) => {
  const boolean = binarize(opened.matrix(node), theta);
  const cluster = clusters(boolean, C);
  return { cluster: Array.from(cluster), ...statistics(boolean, cluster) };
}));
console.log(JSON.stringify(found));
"""


def in_javascript(folder, field, C, nodes, thetas=THETAS):
    """[theta][node] -> what the page computes, by Node in place of a browser."""
    if not shutil.which("node"):
        pytest.skip("node is not installed; the test in a browser covers this")
    shutil.copytree(page.PAGE, folder, dirs_exist_ok=True)
    case = {"field": field, "C": C, "thetas": thetas, "nodes": nodes}
    (folder / "case.json").write_text(json.dumps(case))
    (folder / "run.mjs").write_text(RUN)
    (folder / "package.json").write_text('{"type": "module"}')
    done = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def as_the_library(matrices, thetas=THETAS):
    """The same by nodal.snp, from the values that the page holds."""
    for theta in thetas:
        boolean = snp.binarize(matrices, theta)
        index = snp.clusters(boolean)
        columns = snp.statistics_columns(boolean, index)
        yield [
            {"cluster": index[node].tolist(),
             **{key: columns[key][node].item() for key in COUNTED}}
            for node in range(len(matrices))
        ]  # fmt: skip


@pytest.mark.parametrize("C", [2, 11, 40])
def test_clusters_in_the_page_are_the_librarys(C, random, tmp_path):
    means = random.normal(size=(30, C)).astype("f4")
    weights = random.normal(size=(30, C)).astype("f4")
    means[0] = 0
    means[1], weights[1] = 1, -1
    means[2:8] = np.round(4 * means[2:8]) / 4  # many entries exactly at a theta
    weights[2:8] = np.sign(weights[2:8])
    held = fields.factors(snp.Factors(means, weights))
    found = in_javascript(tmp_path, held, C, len(means))
    unit = [fields.unit_factors(each)[0].astype("f4") for each in (means, weights)]
    expected_at = as_the_library(snp.Factors(*unit).matrices())
    for theta, expected, got in zip(THETAS, expected_at, found, strict=True):
        assert got == expected, theta


def test_clusters_of_real_matrices_are_the_librarys(tmp_path):
    """Nodes that rectify random sums of the pixels of handwritten digits, and a fitted readout."""
    images, labels = load_digits(return_X_y=True)
    hidden = np.maximum(0, images / 16 @ np.random.default_rng(0).normal(size=(64, 48)) - 1)
    readout = LogisticRegression(fit_intercept=False, tol=0.02, max_iter=500).fit(hidden, labels)
    means = snp.class_means(hidden[:, None].astype("f4"), labels, 10)
    field = snp.field(means, readout.coef_[:, None].astype("f4"))
    held = fields.factors(field)
    found = in_javascript(tmp_path, held, 10, 48, thetas=MANY)
    unit = [fields.unit_factors(each)[0].astype("f4") for each in (field.means, field.weights)]
    expected_at = list(as_the_library(snp.Factors(*unit).matrices(), thetas=MANY))
    assert found == expected_at
    several = [node["labels"] > 1 for node in expected_at[MANY.index(0.3)]]
    assert sum(several) > 5  # or the nodes would show little


def test_clusters_on_a_grid_are_the_librarys(random, tmp_path):
    C, D = 9, 20
    field = snp.field(random.normal(size=(C, 4, D)), random.normal(size=(C, 4, D)))
    held = fields.entries(field, room=1e6)
    found = in_javascript(tmp_path, held, C, D)
    share = field.matrices() / field.largest()[:, None, None]
    sparse = np.where(share > np.float32(fields.ABOVE), share.astype("f2").astype("f4"), 0)
    for theta, expected, got in zip(THETAS, as_the_library(sparse), found, strict=True):
        if theta >= fields.ABOVE:
            assert got == expected, theta


def test_half_floats_are_read_exactly(tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    codes = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = codes[np.isfinite(codes)]
    shutil.copy(page.PAGE / "arrays.js", tmp_path / "arrays.mjs")
    (tmp_path / "case.json").write_text(json.dumps(encode(finite, "f2")))
    (tmp_path / "run.mjs").write_text(
        'import { readFileSync } from "node:fs"; import { values } from "./arrays.mjs";'
        'const found = await values(JSON.parse(readFileSync("case.json")));'
        "process.stdout.write(Buffer.from(found.buffer));"
    )
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, check=True)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, "f4"), finite.astype("f4"))
