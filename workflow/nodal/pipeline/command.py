"""The command `nodal`: what a run came to, and files checked or exported, without Snakemake."""

import argparse
import os
import sys
import webbrowser
from copy import deepcopy
from pathlib import Path

import yaml

from nodal import __version__, models
from nodal.errors import NodalError
from nodal.pipeline import config, crosscheck, paths, remarks, schemas


def read_config(path):
    """What a config file says. Raises NodalError naming it if it is not readable YAML."""
    try:
        layer = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise NodalError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NodalError(f"{path}: not a YAML file: {error}") from error
    if not isinstance(layer, dict):
        raise NodalError(f"{path}: expected keys such as datasets and experiments")
    schemas.require_plain(path)
    return layer


def merged(layers):
    """What config files say, one laid over another as Snakemake lays --configfile."""
    content = {}
    for layer in layers:
        _lay_over(content, deepcopy(layer))
    return content


def _lay_over(content, layer):
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            _lay_over(content[key], value)
        else:
            content[key] = value


def own_config():
    """[The config file of a run in this folder]; [] if there is none, and no checkout's."""
    try:
        return [paths.config_file()]
    except NodalError:
        return []


def check(arguments):
    """Say what a config asks for, or its first mistake."""
    own = own_config() if arguments.files else [paths.config_file()]
    files = dict.fromkeys([*own, *map(Path.absolute, arguments.files)])
    layers = [(paths.base(file), read_config(file)) for file in files]
    laid = merged(layer for _, layer in layers)
    checked = config.check(paths.resolved(laid, layers, schemas.load()))
    crosscheck.require_files(checked)
    for name, experiment in checked["experiments"].items():
        described = models.describe(experiment["model"])
        print(
            f"{name}: {experiment['model']['name']} on {experiment['dataset']}, "
            f"{described.blocks} blocks, {len(experiment['seeds'])} seeds"
        )
    for line in remarks.of(checked):
        print(line)


def experiments(names):
    """Names of lists of the config, or of experiments -> experiments, each once."""
    content = merged(map(read_config, own_config()))
    lists = {key: part for key, part in content.items() if isinstance(part, list)}
    return list(dict.fromkeys(e for name in names for e in lists.get(name, [name])))


def atlas(arguments):
    """Say where an experiment's atlas is, or open it."""
    for name in experiments(arguments.names):
        page = Path("results", name, "atlas.html")
        if not page.exists():
            raise NodalError(f"{page}: no such file; snakemake --cores all {page} makes it")
        print(page)
        if arguments.open:
            webbrowser.open(page.absolute().as_uri())


def report(arguments):
    """Print claims, dilutions and where the figures are."""
    from nodal.verdicts import report

    report.main(experiments(arguments.names))


def export(arguments):
    """Write an artifact for other programs."""
    from nodal.verdicts import export

    export.export(arguments.source, arguments.target)


def join(arguments):
    """Bring seeds of an experiment together that were measured apart, and judge all of them."""
    from nodal.verdicts import join, report, tables

    claims = join.join(arguments.folders, arguments.to)
    print(report.table_line(tables.read(arguments.to, "layers")))
    print("\n".join(report.verdict_lines(claims, report.painter(sys.stdout))))
    print(f"wrote {arguments.to / 'tables'}/ and {arguments.to / 'figures'}/")


def compare(arguments):
    """Put experiments side by side that were joined, and judge what is claimed of all of them."""
    from nodal.verdicts import comparison, report

    layers = comparison.read(arguments.folders)
    claims = comparison.compare(layers, arguments.to)
    for name, table in layers.items():
        print(f"{name}, {report.table_line(table)}")
    print("\n".join(report.verdict_lines(claims, report.painter(sys.stdout))))
    print(f"wrote {arguments.to}/")


def parser():
    top = argparse.ArgumentParser("nodal", description=__doc__.partition(": ")[2])
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(run, **texts):
        command = commands.add_parser(
            run.__name__, help=run.__doc__, description=run.__doc__, **texts
        )
        command.set_defaults(run=run)
        return command

    add(report).add_argument(
        "names", nargs="*", default=["demo"],
        help="experiments, or lists of the config; demo if none is named",
    )  # fmt: skip
    opened = add(atlas)
    opened.add_argument(
        "names", nargs="*", default=["demo"],
        help="experiments, or lists of the config; demo if none is named",
    )  # fmt: skip
    opened.add_argument("--open", action="store_true", help="in the browser")
    add(check).add_argument(
        "files", nargs="*", type=Path, help="laid over the run's config, as by --configfile"
    )
    for run, what in (
        (join, "results/EXPERIMENT of each machine, or what a join made"),
        (compare, "results/EXPERIMENT, or what a join made; named as the folder is"),
    ):
        made = add(run)
        made.add_argument("folders", nargs="+", type=Path, help=what)
        made.add_argument("--to", required=True, type=Path, help="the folder to write")
    exported = add(export)
    exported.add_argument("source", help="an artifact: .h5, or a model.pt")
    exported.add_argument("target", help=".npz with every array, or .pt with the weights alone")
    return top


def main(words=None):
    """Run one command; a mistake of the user's is one line and exit status 1."""
    arguments = parser().parse_args(words)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except NodalError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        # Whoever reads, `head` for instance, has had enough; what is left would fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
