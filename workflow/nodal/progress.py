"""How far a long job is: a line for its log, wherever nothing else was said for a minute."""

import logging
import time
from operator import length_hint

EVERY = 60.0  # seconds of silence
LOG = logging.getLogger(__name__)
_said = [time.monotonic()]


def heard():
    """Something was said: silence begins anew."""
    _said[0] = time.monotonic()


def told(items, what, total=None):
    """Yield the items; after a minute of silence this module's logger hears `what: 12 of 96`.

    total: how many there are, where the items do not know. Changes nothing of the items, so
    `nodal.pipeline.code` reads the call as the items themselves.
    """
    total = total or length_hint(items)
    for done, item in enumerate(items):
        if time.monotonic() - _said[0] >= EVERY:
            LOG.info("%s: %d%s", what, done, f" of {total}" if total else "")
            heard()
        yield item
