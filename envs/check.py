"""Can an environment be installed into the folder that is given? One line if not.

Runs on any Python, so that one too old can be told.
"""

import os
import re
import shutil
import sys

ROOM = 2e9  # bytes; with less than this left, an installation has failed for want of room


def before(folder):
    """What stands in the way of an installation into that folder, in one line; None: nothing."""
    folder = os.path.abspath(folder)
    if sys.version_info < (3, 11):
        return (
            "Python 3.11 or newer is needed, this is %d.%d; try make PYTHON=python3.12"
            % (sys.version_info[:2])
        )
    if not os.access(".", os.W_OK):
        return "this folder cannot be written; copy it to one of yours and run make there"
    if re.search(r"[^\w@%+=:,./-]", folder):
        return (
            "Snakemake starts no Python whose path has a space or a sign of the shell in it: "
            "%s; try make VENV=/another/folder" % folder
        )
    return None


def after(folder):
    """Why an installation into that folder has failed, in one line."""
    folder = os.path.abspath(folder)
    there = folder
    while not os.path.exists(there):
        there = os.path.dirname(there)
    free = shutil.disk_usage(there).free
    if free < ROOM:
        return (
            "the disk of %s is full: an environment takes 6 GB, most of it torch; make room "
            "and run make again, or try make VENV=/another/folder" % folder
        )
    return "the installation failed as said above; run make again, it goes on where it stopped"


if __name__ == "__main__":
    sys.exit({"before": before, "after": after}[sys.argv[1]](sys.argv[2]))
