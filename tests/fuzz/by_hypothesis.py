"""Cases made by hypothesis: it shrinks what it finds by itself."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from engine import Finding, Tally, alarm, make_case, run_case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from targets import Target

_Edit = tuple[float, str, bytes]


def cases(target: Target) -> st.SearchStrategy[bytes]:
    """Return any bytes; a valid input with edits; or what our own mutation makes of one."""
    seeds = target.seeds()
    short = sorted(seeds, key=len)[: max(4, len(seeds) // 2)]
    fixed = st.booleans() if target.fix_up is not None else st.just(value=False)

    def made(data: bytes, edits: Sequence[_Edit], fix: bool) -> bytes:
        data = _edited(data, edits)[: target.max_bytes]
        return target.fix_up(data) if fix and target.fix_up is not None else data

    edit = st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(("set", "insert", "remove", "cut")),
        st.binary(min_size=1, max_size=16),
    )
    edited = st.builds(made, st.sampled_from(short), st.lists(edit, max_size=6), fixed)
    own = st.integers(0, 2**32).map(lambda number: make_case(random.Random(number), target, seeds))
    return st.one_of(st.binary(max_size=min(target.max_bytes, 512)), edited, own)


def _edited(data: bytes, edits: Sequence[_Edit]) -> bytes:
    made = bytearray(data)
    for place, what, value in edits:
        at = int(place * len(made))
        if what == "set":
            made[at : at + len(value)] = value
        elif what == "insert":
            made[at:at] = value
        elif what == "remove":
            del made[at : at + value[0]]
        else:
            del made[at:]
    return bytes(made)


class _Found(Exception):
    """Carries a finding out of hypothesis."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


def run_by_hypothesis(target: Target, number: int, count: int) -> Tally:
    """Run that many examples; the first fault ends the share, shrunk."""
    tally = Tally(target.name, "hypothesis")

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
    )
    @given(cases(target))
    def examine(data: bytes) -> None:
        finding = run_case(target, tally, data, measured=False)
        if finding is not None:
            raise _Found(finding)

    with alarm():
        try:
            examine()
        except _Found as found:
            tally.find(found.finding)
    return tally
