"""Pages of planted artifacts, and a browser that is asked whether it said or asked for anything."""

import artifacts
import pages
import programs
import pytest
from nodal.atlas import document, page


@pytest.fixture(scope="session")
def chromium():
    """Debian's own Chromium and its driver, installed where that is allowed."""
    reason = programs.why_not([pages.BINARY, pages.DRIVER], ["chromium", "chromium-driver"])
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A page of planted artifacts with nasty labels: (its document, its path)."""
    folder = tmp_path_factory.mktemp("atlas")
    plan = artifacts.Plan(pages.NASTY, folder, width=64, heads=4, n_test=120, seeds=(0, 1))
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


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    browser = pages.Browser(tmp_path_factory.mktemp("profile"))
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
