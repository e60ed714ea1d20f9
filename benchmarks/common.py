"""Timing side by side: alternate the candidates, report medians, spreads and the ratio.

Without a GPU the clock is the processor time of this process, so that a busy machine counts little.
"""

import os
import statistics
import time
from dataclasses import dataclass

import torch

MEASURED = []  # every row that this process has printed


@dataclass
class Row:
    """What was measured: seconds of ours and of the reference, a number per repetition."""

    what: str
    ours: list
    reference: list

    @property
    def ratio(self):
        """How many times faster we are, by the medians."""
        return statistics.median(self.reference) / statistics.median(self.ours)

    @property
    def ratios(self):
        """The least and the most of it, by turns that followed one another; of one, the ratio."""
        pairs = list(zip(self.ours, self.reference, strict=False))
        found = [b / a for a, b in pairs] if len(pairs) > 1 else [self.ratio]
        return min(found), max(found)


def clock():
    """Seconds: of the processor, or with a GPU, which works by itself, of the wall."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def threads():
    """As many as OMP_NUM_THREADS says, or one; returns the number."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch.get_num_threads()


def times(functions, repeats=5, clock=clock):
    """{name: callable} -> {name: [seconds]}; one warm-up each, then turn by turn."""
    for function in functions.values():
        function()
    measured = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            started = clock()
            function()
            measured[name].append(clock() - started)
    return measured


def row(what, ours, reference):
    """One line: our median and spread, the reference's, and how many times faster we are."""
    MEASURED.append(Row(what, list(ours), list(reference)))
    a, b = statistics.median(ours), statistics.median(reference)
    return (
        f"{what:<44} {a:10.4f} s ({min(ours):.4f}-{max(ours):.4f})   "
        f"{b:10.4f} s ({min(reference):.4f}-{max(reference):.4f})   {b / a:8.2f} x"
    )


HEADER = f"{'':<44} {'nodal':>10}{'':<20}   {'reference':>10}{'':<20}   {'ratio':>8}"
