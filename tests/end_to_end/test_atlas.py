"""The atlas in a real browser: every view, number and address, and no request to anywhere."""

import json
import os
import shutil
import subprocess
import time
from urllib.parse import quote

import artifacts
import numpy as np
import pytest
import torch
import yaml
from nodal import datasets, snp
from nodal.atlas import document, page
from nodal.atlas.arrays import decode
from nodal.datasets.inputs import Inputs

pytestmark = pytest.mark.end_to_end

BINARY, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip
UNESCAPED = "!'()*~"  # what encodeURIComponent leaves and quote would not
NASTY = [
    '</script><script>document.title = "run"</script>',
    "<img src=x onerror=\"document.title = 'run'\"> & 'quoted', \"twice\"",
    "two\nlines, and a comma",
    "שלום 🦔 مرحبا",
    "100%/?#",
    "100%/?#",
]


@pytest.fixture(scope="session")
def chromium():
    """Debian's own Chromium and its driver, installed where that is allowed."""
    if not (os.path.exists(BINARY) and os.path.exists(DRIVER)):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            pytest.skip("no Chromium, and no permission to install the system's packages")
        command = ["apt-get", "install", "-y", "--no-install-recommends", "chromium",
                   "chromium-driver"]  # fmt: skip
        subprocess.run(["apt-get", "update"], capture_output=True, check=False)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Chromium could not be installed: {done.stderr[-200:]}")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A page of planted artifacts with nasty labels: (its document, its path)."""
    folder = tmp_path_factory.mktemp("atlas")
    plan = artifacts.Plan(NASTY, folder, width=64, heads=4, n_test=120, seeds=(0, 1))
    found = document.gather(artifacts.make(plan), room=3e6)
    path = folder / "atlas.html"
    path.write_text(page.assemble(found))
    return found, path


@pytest.fixture(scope="session")
def on_grid(tmp_path_factory):
    """The same, read on a grid: (its document, its path)."""
    folder = tmp_path_factory.mktemp("grid")
    plan = artifacts.Plan(
        list("abcdefghij"), folder, width=64, heads=4, form="grid", seeds=(0, 1), n_test=120
    )
    found = document.gather(artifacts.make(plan), room=3e6)
    path = folder / "atlas.html"
    path.write_text(page.assemble(found))
    return found, path


FOLLOW = """const [address, done] = arguments, main = document.querySelector("main");
const shown = new MutationObserver(() => {
  if (main.dataset.shown === address) { shown.disconnect(); done(main.dataset.took); }
});
shown.observe(main, { attributeFilter: ["data-took"] });
location.hash = address;"""


class Browser:
    """A browser that keeps what the page says and asks for."""

    def __init__(self, profile):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = BINARY
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def open(self, path):
        self.driver.get(f"file://{path}")
        self.wait("return document.querySelector('main').dataset.took")

    def go(self, address):
        """Follow an address; the milliseconds until its view stood."""
        self.run("location.hash = arguments[0]", address)
        self.wait("return document.querySelector('main').dataset.shown === location.hash")
        return float(self.run("return document.querySelector('main').dataset.took"))

    def wait(self, script, seconds=10):
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"waited in vain: {script}"
            time.sleep(0.01)

    def heading(self):
        return self.run("return document.querySelector('h1').textContent")

    def numbers(self):
        return self.run(
            "return Object.fromEntries([...document.querySelectorAll('.at-theta [data-name]')]"
            ".map((e) => [e.dataset.name, e.querySelector('dd').textContent]))"
        )

    def theta(self, value):
        self.run(
            "const slider = document.getElementById('theta'); slider.value = arguments[0];"
            "for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind))", value,
        )  # fmt: skip

    def busy(self):
        """Seconds of a processor that the page's main thread has had: other work does not count."""
        self.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        found = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return next(each["value"] for each in found if each["name"] == "TaskDuration")

    def moves(self, addresses):
        """Milliseconds from node to node, the least of each, which other work slows least: of the
        page's main thread, and on the clock."""
        busy, took = [], []
        for address in addresses:
            before = self.busy()
            took.append(float(self.driver.execute_async_script(FOLLOW, address)))
            busy.append(1000 * (self.busy() - before))
        return min(busy), min(took)

    def requests(self):
        """Addresses asked for, other than the file itself and what the page made."""
        entries = (json.loads(entry["message"]) for entry in self.driver.get_log("performance"))
        events = [entry["message"] for entry in entries]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        asked = [each["request"]["url"] for each in sent if each["documentURL"].startswith("file:")]
        return [url for url in asked if not url.startswith(("file:", "blob:", "data:"))]


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(opened):
    """Fails the test if the page logged anything or asked for any address."""
    yield opened
    assert opened.driver.get_log("browser") == []
    assert opened.requests() == []
    opened.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    opened.driver.get("about:blank")


def label_address(name, index=None):
    number = "" if index is None else f"{index}/"
    return f"#label/{number}{quote(name, safe=UNESCAPED)}"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_opens(browser, made, width, scheme):
    found, path = made
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.open(path)
    views = {"#start": "planted", "#labels": "Labels", "#heads": "Heads", "#pruning": "Pruning",
             "#head/1.2": "head 1.2"}  # fmt: skip
    views |= {f"#{tap}": tap for tap in found["seeds"][0]["taps"]}
    views |= {f"#{tap}/node9": f"{tap} / node 9" for tap in found["seeds"][0]["taps"]}
    views |= {label_address(name): name for name in NASTY}
    views |= {"#block9.proj": "Nothing here", "#block0.proj/node999": "Nothing here",
              "#head/0.9": "Nothing here", "#%": "Nothing here"}  # fmt: skip
    for address, heading in views.items():
        browser.go(address)
        assert browser.heading() == heading, address
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), address
    assert browser.run("return document.images.length") == 0
    assert "planted" in browser.driver.title


def test_equal_names_have_addresses_of_their_own(browser, made):
    browser.open(made[1])
    browser.go(label_address(NASTY[4], 5))
    assert "label 5" in browser.run("return document.querySelector('.of').textContent")


def test_back_forward_and_reload_keep_the_place(browser, made):
    browser.open(made[1])
    for address in ("#block0.proj", "#block0.proj/node3", "#head/0.1"):
        browser.go(address)
    browser.driver.back()
    browser.wait("return document.querySelector('h1').textContent === 'block0.proj / node 3'")
    browser.driver.back()
    browser.wait("return document.querySelector('h1').textContent === 'block0.proj'")
    browser.driver.forward()
    browser.wait("return document.querySelector('h1').textContent === 'block0.proj / node 3'")
    browser.theta(0.55)
    browser.driver.refresh()
    browser.wait("return document.querySelector('main').dataset.took")
    assert browser.heading() == "block0.proj / node 3"
    assert browser.run("return document.getElementById('theta').value") == "0.55"


def test_arrows_walk_from_node_to_node(browser, made):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.open(made[1])
    browser.go("#block0.ff/node5")
    ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()
    browser.wait("return location.hash === '#block0.ff/node6'")
    ActionChains(browser.driver).send_keys(Keys.ARROW_LEFT).perform()
    browser.wait("return location.hash === '#block0.ff/node5'")
    browser.theta(0.55)
    ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()
    browser.wait("return document.querySelector('h1').textContent === 'block0.ff / node 6'")
    assert browser.run("return document.getElementById('theta').value") == "0.55"
    assert browser.run("return location.hash") == "#block0.ff/node6?theta=0.55"


def test_a_slider_may_be_dragged_as_long_as_one_likes(browser, made):
    browser.open(made[1])
    browser.go("#block0.ff/node5")
    browser.run(
        "const slider = document.getElementById('theta');"
        "for (let i = 0; i < 600; i++) {"
        " slider.value = (i % 90) / 100; slider.dispatchEvent(new Event('input')); }"
        "slider.dispatchEvent(new Event('change'))"
    )
    assert browser.run("return location.hash") == "#block0.ff/node5?theta=0.59"


def test_the_skip_link_leads_to_the_content(browser, made):
    browser.open(made[1])
    browser.go("#block0.ff/node5")
    browser.run("document.querySelector('.skip').click()")
    assert browser.run("return document.activeElement.tagName") == "MAIN"
    assert browser.heading() == "block0.ff / node 5"


def test_the_brand_leads_to_the_start_of_the_same_seed(browser, made):
    browser.open(made[1])
    browser.go("#block0.ff/node5?seed=1")
    browser.run("document.querySelector('.brand').click()")
    browser.wait("return document.querySelector('h1').textContent === 'planted'")
    assert browser.run("return document.querySelector('.seeds select').value") == "1"


def test_arrows_pressed_before_a_view_stands_are_not_lost(browser, made):
    browser.open(made[1])
    browser.go("#block0.ff/node5")
    browser.run(
        "for (const key of ['ArrowRight', 'ArrowLeft']) document.body.dispatchEvent("
        "new KeyboardEvent('keydown', { key, bubbles: true }))"
    )
    browser.wait("return location.hash === '#block0.ff/node5'")
    browser.wait("return document.querySelector('h1').textContent === 'block0.ff / node 5'")
    browser.go("#block0.ff/node9")
    browser.run(
        "location.hash = '#block0.ff/node3'; document.body.dispatchEvent("
        "new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))"
    )
    browser.wait("return document.querySelector('h1').textContent === 'block0.ff / node 4'")


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("two", label_address(NASTY[2])),
        ("🦔", label_address(NASTY[3])),
        ("<img", label_address(NASTY[1])),
        ("head 1.2", "#head/1.2"),
        ("block1.ff 7", "#block1.ff/node7"),
        ("1 proj 12", "#block1.proj/node12"),
        ("block0.out", "#block0.out"),
        ("node 17", "#block0.heads/node17"),
        ("head 2", "#head/0.2"),
        ("block 1 head 2", "#head/1.2"),
        ("block 1 node 3", "#block1.heads/node3"),
        ("#block1.ff/node7", "#block1.ff/node7"),
    ],
)
def test_search_finds(browser, made, query, address):
    browser.open(made[1])
    browser.run(
        "const box = document.querySelector('.search input'); box.focus();"
        "box.value = arguments[0];"
        "box.dispatchEvent(new Event('input'));"
        "box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }))", query,
    )  # fmt: skip
    browser.wait("return location.hash !== ''")
    assert browser.run("return location.hash") == address


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
    assert "Seeds 0, 1: matrices are read on a grid" in browser.run(
        "return document.querySelector('main').textContent"
    )


TEXT = "return document.querySelector('main').textContent"


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


def test_connections_lead_to_the_nodes_they_name(browser, made):
    browser.open(made[1])
    browser.go("#block0.heads/node3")
    link = "document.querySelector('.links a[href^=\"#block0.proj/node\"]')"
    browser.wait(f"return {link} !== null")
    words = browser.run(f"return {link}.textContent")
    browser.run(f"{link}.click()")
    browser.wait(f"return document.querySelector('h1').textContent === 'block0.proj / {words}'")


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


def test_the_theme_is_chosen_and_kept(browser, made):
    browser.open(made[1])
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = browser.run(ground)
    browser.run("document.querySelector('.theme').click()")
    after = browser.run(ground)
    assert after != before
    browser.driver.refresh()
    browser.wait("return document.querySelector('main').dataset.took")
    assert browser.run(ground) == after
    browser.run("localStorage.clear()")


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


def test_what_is_shown_can_be_saved(browser, made, tmp_path):
    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    browser.open(made[1])
    browser.go("#block1.proj/node7")
    figure = "document.querySelector('figure')"
    browser.run(f"{figure}.querySelectorAll('.save').forEach((button) => button.click())")
    end = time.monotonic() + 10
    names = {f"block1.proj_node7_snp.{kind}" for kind in ("csv", "svg", "png")}
    while not names <= {p.name for p in tmp_path.iterdir()} and time.monotonic() < end:
        time.sleep(0.05)
    from xml.etree import ElementTree

    from PIL import Image

    assert len((tmp_path / "block1.proj_node7_snp.csv").read_text().splitlines()) >= len(NASTY) + 1
    picture = np.asarray(Image.open(tmp_path / "block1.proj_node7_snp.png").convert("L"))
    assert picture.std() > 5
    assert ElementTree.parse(tmp_path / "block1.proj_node7_snp.svg").getroot().tag.endswith("svg")


TEXTS = """return [...document.querySelector(".input-list").querySelectorAll(".text")].map(
  (text) => text.textContent)"""
COLUMN = """return [...document.querySelectorAll(".table tbody tr")].map((row) =>
  Number(row.children[arguments[0]].textContent.replaceAll(",", "")))"""
SORT = """[...document.querySelectorAll(".table thead button")]
  .find((button) => button.textContent === arguments[0]).click()"""
CHOOSE = """const choice = document.getElementById(arguments[0]);
  choice.value = arguments[1]; choice.dispatchEvent(new Event("input"))"""


def test_the_site_table_sorts_and_filters(browser, made):
    browser.open(made[1])
    browser.go("#block0.heads")
    browser.run(SORT, "noise")
    noise = browser.run(COLUMN, 6)
    assert noise == sorted(noise, reverse=True)
    browser.run(CHOOSE, "filter-head", "2")
    assert set(browser.run(COLUMN, 1)) == {2}


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
