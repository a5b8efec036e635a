"""How many cases a test of random ones tries: its share in every run, more in a long one.

`tools/test --hypothesis-profile=long -k "model or hostile"` tries 100 times as many.
"""

from __future__ import annotations

from hypothesis import settings

_USUAL = 100  # hypothesis' own number, which the usual profile keeps


def cases(share: int) -> int:
    """Return how many to try, where every run tries `share`."""
    return share * settings().max_examples // _USUAL
