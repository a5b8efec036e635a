"""Claims that need no key: every byte, the order of the blocks, the heads that custody names.

Beside by_keys and witnesses, on case. What integrity found is sorted here into claims; arithmetic
that anybody can do excludes accidents, and a forger who does not do it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.seals import Worth
from dewarlog.verify.case import NEEDS_CERTIFICATE
from dewarlog.verify.claims import Claim, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dewarlog.verify.case import Case

_PROVED, _OPEN, _WRONG = Standing.PROVED, Standing.NOT_PROVED, Standing.CONTRADICTED
# Findings of integrity by what they contradict; what is not named here is the order's.
_OF_BYTES: Final = frozenset(
    {"corrupt", "incomplete", "journal-torn", "malformed", "journal-malformed"}
)
_OF_HEADS: Final = frozenset({"handoff-head", "pin-head"})


def _broken(case: Case, wanted: frozenset[str] | None) -> list[Claim]:
    """Make a claim of each fault that integrity found; None: those of no other claim."""
    code = "order"
    if wanted is not None:
        code = "bytes" if wanted is _OF_BYTES else "heads"
    return [
        Claim(
            code,
            _WRONG,
            finding.message,
            block_seq=finding.block_seq,
            offset=finding.offset
            if finding.offset is not None or finding.block_seq is None
            else case.facts.offsets.get(finding.block_seq),
            evidence={"finding": finding.code, **finding.evidence},
        )
        for finding in case.facts.findings
        if finding.severity == "broken"
        and (
            finding.code in wanted
            if wanted is not None
            else finding.code not in _OF_BYTES | _OF_HEADS
        )
    ]


def _all_blocks(case: Case) -> tuple[int, int] | None:
    return (0, case.facts.last_block) if case.facts.blocks else None


def bytes_claims(case: Case) -> Iterator[Claim]:
    """Say whether every byte stands in a block whose check sum holds."""
    wrong = _broken(case, _OF_BYTES)
    yield from wrong
    if wrong:
        return
    held = case.facts.integrity
    yield Claim(
        "bytes",
        _PROVED,
        f"Every byte of {words.plural(held.blocks, 'block')} is as it was written: all check "
        "sums hold. That excludes accidents; whoever changes a log on purpose makes new ones.",
        blocks=_all_blocks(case),
    )


def order_claims(case: Case) -> Iterator[Claim]:
    """Say whether the blocks are all there and follow each other."""
    wrong = _broken(case, None)
    yield from wrong
    given_up = [item for item in case.facts.findings if item.code == "overwritten"]
    for finding in given_up:
        yield Claim(
            "order",
            _OPEN,
            f"{finding.message} Nothing here says what stood in them.",
            needs="a pull made before that",
            block_seq=finding.block_seq,
            offset=finding.offset,
        )
    if wrong or not case.facts.blocks:
        return
    besides = "Besides those, no" if given_up else "No"
    yield Claim(
        "order",
        _PROVED,
        f"{besides} block was taken out, put in, changed or moved on its own: each follows from "
        "the one before by its SHA-256. Whoever makes the whole log anew can make that fit too.",
        blocks=None if given_up else _all_blocks(case),
    )


def heads_claims(case: Case) -> Iterator[Claim]:
    """Say whether the heads that handoffs and pins name are those of this log."""
    wrong = _broken(case, _OF_HEADS)
    yield from wrong
    heads = case.facts.heads
    if not heads:
        return
    lost = sum(holds is None for holds in heads.values())
    if lost:
        yield Claim(
            "heads",
            _OPEN,
            f"{words.plural(lost, 'handoff or pin', 'handoffs and pins')} in the log "
            f"{'names' if lost == 1 else 'name'} a block that is not in it.",
            needs="the missing blocks",
        )
    right = sum(holds is True for holds in heads.values())
    if right and not wrong:
        yield Claim(
            "heads",
            _PROVED,
            f"{words.plural(right, 'handoff or pin', 'handoffs and pins')} in the log "
            f"{'names' if right == 1 else 'name'} its head as it was then, and it is this log's.",
        )


def device_claims(case: Case) -> Iterator[Claim]:
    """Say which board the log says it is of, and whether the certificate is of that one."""
    run, certificate = case.facts.run, case.proofs.certificate
    if run is None:
        yield Claim(
            "device",
            _OPEN,
            "The log does not say which logger's it is: its first block is not here.",
            needs="its first block",
        )
        return
    name = run.device_id.hex()
    if certificate is not None and certificate.device_id != run.device_id:
        yield Claim(
            "device",
            _WRONG,
            f"The log says it is of logger {name}, the certificate is of logger "
            f"{certificate.device_id.hex()}: this is not the log of that logger.",
            block_seq=0,
            offset=case.facts.offsets.get(0),
        )
        return
    by = _names_device(case)
    if by is not None:
        yield Claim(
            "device",
            _PROVED,
            f"This is the log of run {run.run} of logger {name} (log {run.log_id.hex()}).",
            by=by,
            keyed=True,
            blocks=(0, 0),
        )
        return
    yield Claim(
        "device",
        _OPEN,
        f"The log says of itself: logger {name}, run {run.run}, log {run.log_id.hex()}. "
        "By itself that proves nothing.",
        needs=None if certificate is not None else NEEDS_CERTIFICATE,
    )


def _names_device(case: Case) -> str | None:
    """Say which key vouches for the first block, which names logger, run and log; None: none."""
    facts, good, certificate = case.facts, case.good_signature, case.certificate
    covered = None if good is None else facts.covered(good.blocks)
    if certificate is not None and covered is not None and covered[0] == 0:
        return f"device certificate {certificate.fingerprint}"
    is_sealed = any(one.first_seq == 0 for one in facts.seals.worth(Worth.PROVEN))
    return "sealing key" if is_sealed else None
