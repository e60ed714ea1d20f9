"""The one error a user can cause."""

from difflib import get_close_matches


class NodalError(Exception):
    """A mistake in the input: one line that names the file, key or label and what was expected."""

    def __init__(self, message):
        super().__init__(" ".join(str(message).splitlines()))


def closest(name, known, label="known"):
    """What to say after "unknown x": the nearest spellings, else everything there is.

    >>> closest("hiden", ["hidden", "ff"])
    "did you mean 'hidden'?"
    """
    known = [str(k) for k in known]
    near = get_close_matches(str(name), known, n=3)
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + "?"
    return f"{label}: {', '.join(known)}"
