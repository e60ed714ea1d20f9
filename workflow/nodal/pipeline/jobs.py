"""What every script of the workflow shares: its log file, its cores, and how it fails."""

import contextlib
import logging
import sys
import time
import traceback
from pathlib import Path

from nodal import progress
from nodal.errors import NodalError


@contextlib.contextmanager
def job(snakemake):
    """Run a rule's script on the cores it was given, with its log file; yield `log(message)`.

    A user's mistake (NodalError) ends the script with one line, in the log and on the terminal;
    anything else leaves its traceback in the log as well.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with open(path, "w", errors="backslashreplace") as file:  # names of files may be any bytes

        def log(message):
            print(f"{time.perf_counter() - started:8.1f} s  {message}", file=file, flush=True)
            progress.heard()

        # As many threads as asked for, on however few cores: they decide how sums are rounded.
        threads = snakemake.params.get("cores") or snakemake.threads
        log(
            f"rule {snakemake.rule} {dict(snakemake.wildcards)}, {threads} thread(s) "
            f"on {snakemake.threads} core(s)"
        )
        try:
            with _cores(threads), _hearing(log):
                yield log
            log("done")
        except NodalError as error:
            log(f"error: {error}")
            print(f"error in rule {snakemake.rule}: {error}", file=sys.stderr)
            sys.exit(1)
        except Exception:
            file.write(traceback.format_exc())
            raise


@contextlib.contextmanager
def _hearing(log):
    """Whatever tells how far it is does so in the log of the job."""
    handler = logging.Handler()
    handler.emit = lambda record: log(record.getMessage())
    progress.LOG.setLevel(logging.INFO)
    progress.LOG.addHandler(handler)
    try:
        yield
    finally:
        progress.LOG.removeHandler(handler)


@contextlib.contextmanager
def _cores(threads):
    from threadpoolctl import threadpool_limits

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    with threadpool_limits(threads):
        yield


def missing_gpu(device, gpus):
    """A sentence where a job that asked for GPUs has none; else None."""
    if not gpus or device.type == "cuda":
        return None
    return (
        f"compute.gpus: {gpus}, but no GPU is visible: it works on the processor; compute.device: "
        "cuda refuses that"
    )
