"""Timing side by side: alternate the candidates, report medians, spreads and the ratio."""

import statistics
import time


def times(functions, repeats=5):
    """{name: callable} -> {name: [seconds]}; one warm-up each, then turn by turn."""
    for function in functions.values():
        function()
    measured = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            measured[name].append(time.perf_counter() - started)
    return measured


def row(what, ours, reference):
    """One line: our median and spread, the reference's, and how many times faster we are."""
    a, b = statistics.median(ours), statistics.median(reference)
    return (
        f"{what:<44} {a:10.4f} s ({min(ours):.4f}-{max(ours):.4f})   "
        f"{b:10.4f} s ({min(reference):.4f}-{max(reference):.4f})   {b / a:8.2f} x"
    )


HEADER = f"{'':<44} {'nodal':>10}{'':<20}   {'reference':>10}{'':<20}   {'ratio':>8}"
