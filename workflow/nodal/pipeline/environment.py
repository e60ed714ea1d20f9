"""The conda form of envs/requirements.txt, envs/nodal.yaml; written by `make envs`."""

from pathlib import Path

import yaml

ENVS = Path(__file__).parents[3] / "envs"
PYTHON = "3.12"


def requirements():
    """The pinned requirements, one `name==version` each."""
    lines = (ENVS / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def conda_environment():
    """The text of envs/nodal.yaml: the same pins, installed by pip inside a conda environment."""
    content = {
        "name": "nodal",
        "channels": ["conda-forge"],
        "dependencies": [f"python={PYTHON}", "pip", {"pip": requirements()}],
    }
    note = "# Written from requirements.txt by `make envs`; change that file, not this one.\n"
    return note + yaml.safe_dump(content, sort_keys=False)


if __name__ == "__main__":
    (ENVS / "nodal.yaml").write_text(conda_environment())
