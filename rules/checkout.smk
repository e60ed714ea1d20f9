# The Snakefile's own checkout: its library and its config, whichever nodal is installed.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent

if (PROJECT / "workflow" / "nodal").exists():  # not so where the Snakefile is an address
    sys.path.insert(0, str(PROJECT / "workflow"))
    # For jobs, whose Python finds an installed library before what Snakemake adds to its path.
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    first = dict.fromkeys([sys.path[0], *filter(None, inherited)])
    os.environ.update(PYTHONPATH=os.pathsep.join(first))

from nodal.errors import NodalError
from nodal.pipeline import paths

try:
    paths.require_own_library(PROJECT)
    CONFIG_FILE = paths.config_file(project=PROJECT if PROJECT.exists() else None)
    if workflow.is_main_process:
        paths.require_writable()
except NodalError as error:
    raise WorkflowError(str(error)) from None
