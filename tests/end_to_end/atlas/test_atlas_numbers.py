"""Numbers that the atlas shows in a real browser are those of the library and of the artifacts."""

import json

import artifacts
import numpy as np
import pytest
from nodal import snp
from nodal.atlas import page
from nodal.atlas.arrays import decode, encode
from pages import NASTY, TEXT, label_address

pytestmark = pytest.mark.end_to_end


def expected(found, tap, node, theta):
    """The numbers by nodal.snp, of the values in the page; the artifact's at the run's theta."""
    part = found["seeds"][0]["taps"][tap]
    if theta == artifacts.THETA:
        counts = {
            key: int(decode(values)[node])
            for key, values in part["nodes"].items()
            if key != "largest"
        }
    else:
        factors = (
            decode(part["field"][key])[node : node + 1].astype("f4") for key in ("means", "weights")
        )
        boolean = snp.binarize(snp.Factors(*factors).matrices(), theta)
        columns = snp.statistics_columns(boolean, snp.clusters(boolean))
        counts = {key: int(values[0]) for key, values in columns.items() if key != "cluster_size"}
    names = {"clusters": "n_clusters", "labels": "labels", "signal": "signal", "noise": "noise"}
    return {name: str(counts[key]) for name, key in names.items()}


def test_the_slider_gives_the_librarys_numbers(browser, made):
    found, path = made
    browser.open(path)
    for tap, node in (("block0.heads", 3), ("block1.ff", 40), ("block1.out", 63)):
        browser.go(f"#{tap}/node{node}")
        for theta in (artifacts.THETA, *np.round(np.arange(0, 0.96, 0.09), 2).tolist()):
            browser.theta(theta)
            shown = browser.numbers()
            shown.pop("signal / noise")
            assert shown == expected(found, tap, node, theta), (tap, node, theta)


def test_a_grid_has_every_view_and_its_heads_agree_with_their_lists(browser, on_grid):
    found, path = on_grid
    browser.open(path)
    for block in (0, 1):
        for head in range(4):
            browser.go(f"#head/{block}.{head}")
            shown = browser.numbers()
            clusters, labels = browser.run(
                "const list = [...document.querySelectorAll('.clusters li')];"
                "return [list.length, list.flatMap((li) => [...li.querySelectorAll('a')]).length]"
            )
            artifact = found["seeds"][0]["heads"][block]["heads"]
            assert int(shown["clusters"]) == clusters == artifact["head_n_clusters"][head]
            assert int(shown["signal"]) == artifact["head_signal"][head]
            assert int(shown["labels"]) == labels
    for tap in found["seeds"][0]["taps"]:
        browser.go(f"#{tap}")
        browser.go(f"#{tap}/node9")
        assert "mean over the positions" in browser.run("return document.body.textContent")
    browser.go("#start")
    assert "Seeds 0, 1: of matrices on a grid" in browser.run(
        "return document.querySelector('main').textContent"
    )


def test_the_start_says_what_was_judged_and_what_is_at_chance(browser, made, tmp_path):
    found = json.loads(json.dumps(made[0]))
    layers = found["layers"]
    layers["p_chance"] = [0.0] * len(layers["block"])
    layers["p_chance"][0] = 0.4
    found["run"]["pilots"] = "seen before"
    (tmp_path / "atlas.html").write_text(page.assemble(found))
    browser.open(tmp_path / "atlas.html")
    weak = f"block{layers['block'][0]}.{layers['site'][0]}"
    assert f"The readout of {weak} does no better" in browser.run(TEXT)
    assert "looked at before the rules were fixed" in browser.run(TEXT)
    claims = found["claims"]
    shown = browser.run(
        "return Object.fromEntries([...document.querySelectorAll('.claims tbody tr:not(.group)')]"
        ".map((row) => [row.querySelector('.id').textContent,"
        " row.querySelector('.verdict').lastChild.textContent]))"
    )
    assert shown == dict(zip(claims["claim"], claims["verdict"], strict=True))
    assert len(set(claims["verdict"])) > 1
    cells = "return [...document.querySelectorAll('.map td.heat')].map((td) => td.textContent)"
    before = browser.run(cells)
    browser.run(
        "const choice = document.getElementById('map-statistic'); choice.value = 'accuracy';"
        "choice.dispatchEvent(new Event('change'))"
    )
    assert browser.run(cells) != before
    assert any(cell == "80.0% ⚠" for cell in browser.run(cells))


def test_a_label_has_its_nodes_and_confusions(browser, made):
    found, path = made
    part = found["seeds"][0]
    confusions = decode(part["confusions"]).astype(int)
    browser.open(path)
    for label in (0, 3):
        browser.go(label_address(NASTY[label]))
        facts = browser.run(
            "return [...document.querySelectorAll('.numbers dd')].map((dd) => dd.textContent)"
        )
        knowing = sum(
            int((decode(tap["clusters"])[:, label] > 0).sum()) for tap in part["taps"].values()
        )
        inputs = confusions[label].sum()
        share = 100 * confusions[label, label] / inputs
        assert facts == [str(knowing), str(inputs), f"{share:.1f}%"]


def test_what_silencing_costs_is_the_artifacts(browser, made):
    found, path = made
    block = found["seeds"][0]["heads"][1]
    expert, drop = (decode(block["labels"][name]) for name in ("expert", "drop_auc"))
    browser.open(path)
    heads = [h for h in range(4) if 0 < expert[h].sum() < len(NASTY)]
    assert heads
    for head in heads:
        browser.go(f"#head/1.{head}")
        costs = browser.run(
            "return [...document.querySelectorAll('main p strong')].map((s) => s.textContent)"
        )
        mine = expert[head] > 0
        for cost, expected in zip(costs, (drop[head][mine], drop[head][~mine]), strict=True):
            assert float(cost) == pytest.approx(expected.mean(), rel=6e-3)


def test_another_seed_has_numbers_of_its_own(browser, made):
    found, path = made
    browser.open(path)
    browser.go("#block0.proj/node3")
    browser.run(
        "const choice = document.querySelector('.seeds select'); choice.value = '1';"
        "choice.dispatchEvent(new Event('change'))"
    )
    browser.wait("return document.querySelector('main').dataset.shown === location.hash")
    assert browser.run("return location.hash") == "#block0.proj/node3?seed=1"
    nodes = found["seeds"][1]["taps"]["block0.proj"]["nodes"]
    assert browser.numbers()["noise"] == str(decode(nodes["noise"])[3])


def test_points_of_the_pruning_view_say_what_they_are(browser, made):
    found, path = made
    browser.open(path)
    browser.go("#pruning")
    said = browser.run(
        "const point = document.querySelector('.charts .point');"
        "point.dispatchEvent(new PointerEvent('pointerenter', { bubbles: true }));"
        "point.dispatchEvent(new FocusEvent('focus'));"
        "return document.querySelector('.charts .says').textContent"
    )
    rows = found["pruning"]["rows"]
    of = [
        100 * rows["accuracy_tuned"][i] for i, method in enumerate(rows["method"])
        if method == "andc" and rows["scope"][i] == "all" and rows["target"][i] == 0
        and rows["accuracy_tuned"][i] is not None
    ]  # fmt: skip
    assert said.startswith("ANDC: 0.0% of the weights removed")
    assert f"accuracy {np.mean(of):.1f}%" in said
    free = found["pruning"]["free"]
    assert f"{100 * free['free'][0]:.1f}%" in browser.run(TEXT)


def test_a_theta_is_a_point_of_its_own_beside_a_dilution_of_that_number(browser, made, tmp_path):
    """theta = 0.3, the paper's, may remove nine tenths of the weights; a target of 0.3 does not."""
    points = "return document.querySelectorAll('.charts .point').length"
    browser.open(made[1])
    browser.go("#pruning")
    before = browser.run(points)
    found = json.loads(json.dumps(made[0]))
    rows = found["pruning"]["rows"]
    (i, *_) = [
        i for i, method in enumerate(rows["method"])
        if method == "random" and rows["scope"][i] == "all" and rows["target"][i] == 0.3
    ]  # fmt: skip
    for column in rows.values():
        column.append(column[i])
    rows["target"][-1], rows["threshold"][-1], rows["dilution"][-1] = None, 0.3, 0.9
    (tmp_path / "atlas.html").write_text(page.assemble(found))
    browser.open(tmp_path / "atlas.html")
    browser.go("#pruning")
    assert browser.run(points) == before + 2  # before fine-tuning and after it


def test_a_label_that_no_node_knows_is_left_blank(browser, made, tmp_path):
    found = json.loads(json.dumps(made[0]))
    labels = found["seeds"][0]["heads"][0]["labels"]
    share = decode(labels["share_test"]).astype(float)
    share[:, 1] = np.nan
    labels["share_test"] = encode(share, labels["share_test"]["dtype"])
    (tmp_path / "atlas.html").write_text(page.assemble(found))
    said = "return [...document.querySelectorAll('figcaption')].map((e) => e.textContent)"
    blank = [blanks(browser, path, said) for path in (made[1], tmp_path / "atlas.html")]
    assert blank == [0, 1]
    last = (
        "const canvas = document.querySelectorAll('.panels canvas')[0];"
        "const [w, h] = [canvas.width, canvas.height];"
        "return [...canvas.getContext('2d').getImageData(w - 1, h - 1, 1, 1).data].slice(0, 3)"
    )
    assert browser.run(last) in ([255, 255, 255], [23, 25, 29]), "paper, after all known labels"


def blanks(browser, path, said):
    browser.open(path)
    browser.go("#heads")
    return sum("Blank: a label that no node knows" in text for text in browser.run(said))
