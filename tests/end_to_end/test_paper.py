"""The paper piece by piece: the script is cut, called again, asked for what is not there."""

import re
import shutil
import subprocess
import sys

import pytest
from small import ROOT

pytestmark = pytest.mark.end_to_end


def call(run, *arguments, name="small"):
    command = [sys.executable, str(ROOT / "benchmarks" / "paper.py"), "--directory",
               str(run.folder), "--configfile", str(run.write()), *arguments, name]  # fmt: skip
    return subprocess.run(command, text=True, check=False, timeout=600, cwd=run.folder,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def test_what_was_cut_is_made_by_the_next_calls(small, tmp_path):
    expected, run = small.artifacts(), small.copied(tmp_path)
    for made in ("seed0/snp", "seed0/heads", "tables", "figures"):
        shutil.rmtree(tmp_path / "results" / "small" / made)
    cut = call(run, "--minutes", "0.04")
    assert cut.returncode == 4, cut.stdout
    assert "call again with more minutes" in cut.stdout
    done = call(run, "--minutes", "8")
    assert done.returncode == 0, done.stdout
    assert re.search(r"small +seed 0 +6/6 epochs, accuracy 0\.\d{4}\nall is made", done.stdout)
    assert not run.unlike(expected)


def test_an_experiment_that_is_not_there_is_one_line(small, tmp_path):
    refused = call(type(small)(tmp_path), name="smal")
    assert refused.returncode == 1
    assert re.fullmatch(r"error: smal: no experiment of \S+config\.yaml, \S+\n", refused.stdout)
