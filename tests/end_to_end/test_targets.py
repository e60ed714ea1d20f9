"""Targets that cannot be made: what Snakemake says, whatever the rules are made of."""

import pytest

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize(
    "target",
    [
        "results/comparisons/nothing/claims.csv",
        "results/downloads/digits/nothing.bin",
        "results/digits_vgg/seed0/heads/silencing.csv",
    ],
)
def test_what_no_rule_makes_is_said_so(snakemake, tmp_path, target):
    done = snakemake(tmp_path, "-n", "--", target, check=False)
    assert done.returncode == 1
    assert "MissingRuleException" in done.stdout
    assert target in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("datasets: {mine: {source: folder, path: nowhere}}", "datasets.mine.path"),
        (
            "experiments: {mine: {train: {checkpoint: nowhere}}}",
            "experiments.mine.train.checkpoint",
        ),
    ],
)
def test_a_file_that_is_not_there_is_one_line_where_it_is_asked_for(
    snakemake, tmp_path, section, key
):
    (tmp_path / "mine.yaml").write_text(
        "run: [mine]\n"
        "datasets: {mine: {source: digits}}\n"
        "experiments: {mine: {dataset: mine, model: {name: cct_2}}}\n"
    )
    (tmp_path / "more.yaml").write_text(section)
    layers = ("--configfile", str(tmp_path / "mine.yaml"), str(tmp_path / "more.yaml"))
    written = (*layers[:2], "--config", section.replace(": ", "=", 1))
    for arguments in (layers, written):
        done = snakemake(tmp_path, "-n", *arguments, check=False)
        said = f"error: config: {key}: {tmp_path / 'nowhere'}: no such file or directory"
        assert done.stdout.splitlines()[-1] == said
        assert done.returncode == 1
        assert "Traceback" not in done.stdout
    assert snakemake(tmp_path, "-n", "-q", *layers, "--", "demo").returncode == 0
