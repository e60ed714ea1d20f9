"""A document made from planted artifacts, its labels as nasty as labels come."""

import artifacts
import pytest
from nodal.atlas import document

NASTY = [
    '</script><script>document.title = "run"</script>',
    "<img src=x onerror=alert(1)> & 'quoted', \"twice\"",
    "two\nlines, and a comma",
    "שלום 🦔 مرحبا",
    "=1+1",
]


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """(Sources, its document) of two seeds."""
    folder = tmp_path_factory.mktemp("planted")
    plan = artifacts.Plan(NASTY, folder, width=12, heads=3, n_test=20, seeds=(3, 4))
    sources = artifacts.make(plan)
    return sources, document.gather(sources, room=1e7)


@pytest.fixture(scope="session")
def on_grid(tmp_path_factory):
    """The same, read on a grid: matrices of rank four."""
    folder = tmp_path_factory.mktemp("on_grid")
    size = {"width": 12, "blocks": 1, "heads": 3, "n_test": 16}
    plan = artifacts.Plan(list("abcdefgh"), folder, **size, form="grid", sites=("proj", "ff"))
    sources = artifacts.make(plan)
    return sources, document.gather(sources, room=1e7)
