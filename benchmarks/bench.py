"""All side-by-side benchmarks in one table, and what became slower since the last one was kept.

    python benchmarks/bench.py [--only training,streaming] [--keep]

Compared are ratios to the reference of the same run: they outlive a change of machine better than
seconds do. `--keep` writes docs/performance/bench.csv, which the next run is compared with.
"""

import argparse
import datetime
import os
import platform
import statistics
import sys
from importlib import import_module
from pathlib import Path

import common
import pandas as pd
import torch

KEPT = Path(__file__).parents[1] / "docs" / "performance" / "bench.csv"
MODULES = ("measurement", "training", "readouts", "streaming")
SLOWER = 0.85  # of the kept ratio, and below all that was measured then


def machine():
    """The processor or the GPU, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    vectors = next((f for f in ("avx512_bf16", "avx512f", "avx2") if f in flags), "")
    return f"{names[0] if names else platform.processor()}, {len(names)} cores, {vectors}"


def table(rows):
    """What was measured -> a data frame: seconds are medians, ratio with its least and most."""
    records = []
    for one in rows:
        low, high = one.ratios
        records.append({
            "what": one.what, "seconds": statistics.median(one.ours), "least": min(one.ours),
            "most": max(one.ours), "reference": statistics.median(one.reference),
            "ratio": one.ratio, "ratio_least": low, "ratio_most": high,
        })  # fmt: skip
    return pd.DataFrame(records)


def regressions(now, kept):
    """Rows whose ratio fell: [(what, ratio now, ratio kept)]."""
    both = now.merge(kept, on="what", suffixes=("", "_kept"))
    limit = (SLOWER * both.ratio_kept).clip(upper=both.ratio_least_kept)
    fell = both[both.ratio < limit]
    return list(zip(fell.what, fell.ratio, fell.ratio_kept, strict=True))


def text(now, kept):
    """The table as it is printed, kept ratios beside."""
    before = {} if kept is None else dict(zip(kept.what, kept.ratio, strict=True))
    yield (
        f"{'':<44} {'median':>9} {'spread':>19}  {'reference':>9} {'ratio':>7} {'spread':>15} "
        f"{'kept':>7}"
    )
    for one in now.itertuples():
        spread = f"{one.least:.4f}-{one.most:.4f}"
        ratios = f"{one.ratio_least:.2f}-{one.ratio_most:.2f}"
        was = f"{before[one.what]:7.2f}" if one.what in before else f"{'':>7}"
        yield (
            f"{one.what:<44} {one.seconds:9.4f} {spread:>19}  {one.reference:9.4f} "
            f"{one.ratio:7.2f} {ratios:>15} {was}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(MODULES), help="modules, with commas between")
    parser.add_argument("--keep", action="store_true", help="compare with this run from now on")
    options = parser.parse_args()
    names, sys.argv[1:] = options.only.split(","), []
    threads = common.threads()
    load = os.getloadavg()[0]
    for name in names:
        import_module(name).main()
    now = table(common.MEASURED)
    now["threads"], now["load"] = threads, round(load, 1)
    now["machine"], now["date"] = machine(), datetime.date.today().isoformat()
    kept = pd.read_csv(KEPT) if KEPT.exists() else None
    print(f"\n{now.machine[0]}; {threads} thread(s); {now.date[0]}; load {load:.1f} as it began")
    if kept is not None:
        print(f"kept: {kept.machine.iloc[-1]}, {kept.date.iloc[-1]}")
    print("\n".join(text(now, kept)))
    fell = [] if kept is None else regressions(now, kept)
    for what, ratio, was in fell:
        print(f"slower: {what}, {ratio:.2f} times the reference, {was:.2f} kept")
    if options.keep:
        others = [] if kept is None else [kept[~kept.what.isin(now.what)]]
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        pd.concat([*others, now]).to_csv(KEPT, index=False, float_format="%.5g")
        print(f"kept in {KEPT}")
    return 1 if fell and not options.keep else 0


if __name__ == "__main__":
    sys.exit(main())
