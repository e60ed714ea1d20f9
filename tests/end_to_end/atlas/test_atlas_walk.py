"""Ways through the atlas in a real browser: every view and address, and no request to anywhere."""

import time
from xml.etree import ElementTree

import numpy as np
import pytest
from pages import NASTY, label_address
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.end_to_end


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


def test_connections_lead_to_the_nodes_they_name(browser, made):
    browser.open(made[1])
    browser.go("#block0.heads/node3")
    link = "document.querySelector('.links a[href^=\"#block0.proj/node\"]')"
    browser.wait(f"return {link} !== null")
    words = browser.run(f"return {link}.textContent")
    browser.run(f"{link}.click()")
    browser.wait(f"return document.querySelector('h1').textContent === 'block0.proj / {words}'")


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

    assert len((tmp_path / "block1.proj_node7_snp.csv").read_text().splitlines()) >= len(NASTY) + 1
    picture = np.asarray(Image.open(tmp_path / "block1.proj_node7_snp.png").convert("L"))
    assert picture.std() > 5
    assert ElementTree.parse(tmp_path / "block1.proj_node7_snp.svg").getroot().tag.endswith("svg")
