"""Figures, each made from a table by one function. Importing this module loads no plot library."""

from importlib import import_module

# figure -> (module, the tables it is made from)
FIGURES = {
    "node": ("fields", ("node",)),
    "layers": ("layers", ("layers",)),
    "clusters": ("layers", ("layers",)),
    "pruning": ("pruning", ("pruning",)),
    "scopes": ("pruning", ("pruning",)),
    "heads": ("heads", ("heads",)),
    "silencing": ("heads", ("heads",)),
    "training": ("training", ("histories",)),
}


def names(tables, scopes):
    """The figures that can be made where an experiment has these tables and pruned in these scopes.

    Of the whole network alone, the figure of the scopes would say what that of pruning says.
    """
    made = {*tables, "node", "histories"}
    can = [name for name, (_, needed) in FIGURES.items() if made >= set(needed)]
    return [name for name in can if name != "scopes" or {*scopes} - {"all"}]


def draw(wanted, tables, folder, said):
    """Write {folder}/{figure}.png and .svg for each wanted figure.

    said: stands on each, the dataset and what of it was trained and tested on.
    """
    from nodal.figures import style

    for name in wanted:
        module, sources = FIGURES[name]
        function = getattr(import_module(f"nodal.figures.{module}"), name)
        with style.paper():
            figure = function(*(tables[source] for source in sources))
            style.say(figure, said)
            style.save(figure, folder, name)


def draw_comparison(table, folder):
    """Write {folder}/comparison.png and .svg from the headline rows of several layer tables."""
    from nodal.figures import layers, style
    from nodal.verdicts.tables import sources

    with style.paper():
        figure = layers.comparison(table)
        style.say(figure, sources(table))
        style.save(figure, folder, "comparison")


def draw_sensitivity(table, threshold, folder, said):
    """Write {folder}/sensitivity.png and .svg: what the rise along the blocks owes to how it was
    measured. table: see nodal.verdicts.sensitivity.rise; threshold: the configured theta; said:
    stands on it, as in `draw`."""
    from nodal.figures import sensitivity, style

    with style.paper():
        figure = sensitivity.sensitivity(table, threshold)
        style.say(figure, said)
        style.save(figure, folder, "sensitivity")
