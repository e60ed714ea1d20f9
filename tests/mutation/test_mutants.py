"""What is changed in a module, and what is left out."""

import pytest

pytest.importorskip("mutmut")
import mutants

SOURCE = """
def share(part, whole):
    if not whole:
        raise ValueError("nothing to divide " + "by")
    return part / whole


class Pair:
    def first(self):
        return self.values[0]
"""


def test_a_mutant_is_the_module_with_one_change(monkeypatch, tmp_path):
    (tmp_path / "m.py").write_text(SOURCE)
    monkeypatch.setattr(mutants, "LIBRARY", tmp_path)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    made = list(mutants.mutants_of("m"))
    assert {m.function for m in made} == {"share", "Pair.first"}
    product = next(m for m in made if m.now == "return part * whole")
    assert product.was == "return part / whole"
    assert product.source == SOURCE.replace("part / whole", "part * whole")
    assert not any("ValueError" in m.now for m in made), "messages are left out"
    assert [m.key for m in mutants.mutants_of("m")] == [m.key for m in made], "and kept"
