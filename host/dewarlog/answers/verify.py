"""What `dewarlog verify` answers, in words and as data.

Apart from cli/verify.py, which asks for it. Every claim takes one entry: what is proved, by which
key, over which blocks; what is not, and what would prove it; what is contradicted, and where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dewarlog import console, words
from dewarlog.verify.claims import Standing

if TYPE_CHECKING:
    from dewarlog.verify.claims import Claim, Verified


def say_verified(found: Verified) -> None:
    """Print what is contradicted, what is proved, and what is not."""
    console.say()
    console.say(console.wrapped(found.sentence, "  "))
    bad = found.first_bad
    if bad is not None and bad.block_seq is not None:
        console.say(console.wrapped(f"First bad: {_place(bad)}.", "  "))
    proved = found.of(Standing.PROVED)
    _say("Contradicted", found.of(Standing.CONTRADICTED))
    _say("Proved by a key", tuple(claim for claim in proved if claim.keyed))
    _say("Proved without a key", tuple(claim for claim in proved if not claim.keyed))
    _say("Not proved", found.of(Standing.NOT_PROVED))
    console.say()
    of = "" if found.run is None else f": logger {found.run.device_id.hex()}, run {found.run.run}"
    blocks = words.plural(found.blocks, "block")
    console.say(f"  {words.plain(found.path.name)}{of}, {blocks}")
    console.say(f"  SHA-256 {found.sha256}")


def _say(title: str, claims: tuple[Claim, ...]) -> None:
    if not claims:
        return
    console.say()
    console.say(f"  {console.styled(title, 'strong')}")
    for claim in claims:
        console.say(console.wrapped(claim.text, "    ", "  - "))
        more = _more(claim)
        if more:
            console.say(console.styled(console.wrapped(more, "    "), "soft"))


def _more(claim: Claim) -> str:
    if claim.standing is Standing.CONTRADICTED:
        return "" if claim.block_seq is None else _place(claim)
    if claim.standing is Standing.NOT_PROVED:
        return "" if claim.needs is None else f"would be proved by: {claim.needs}"
    parts: list[str] = []
    if claim.by is not None:
        parts.append(f"by: {claim.by}")
    if claim.blocks is not None:
        first, last = claim.blocks
        parts.append(f"block {first}" if first == last else f"blocks {first} to {last}")
    return "; ".join(parts)


def _place(claim: Claim) -> str:
    byte = "" if claim.offset is None else f", byte {claim.offset:,}"
    return f"block {claim.block_seq}{byte}"


def verified_data(found: Verified) -> dict[str, Any]:
    """Give the same as data."""
    bad = found.first_bad
    return {
        "exit_code": int(found.exit_code),
        "sentence": found.sentence,
        "contradicted": bad is not None,
        "proved_by_key": found.proved_by_key,
        "blocks_vouched_for": [list(row) for row in found.vouched],
        "blocks_not_vouched_for": [list(row) for row in found.not_vouched],
        "first_bad_block": None if bad is None else bad.block_seq,
        "first_bad_byte": None if bad is None else bad.offset,
        "log": {
            "path": str(found.path),
            "sha256": found.sha256,
            "blocks": found.blocks,
            "device_id": None if found.run is None else found.run.device_id.hex(),
            "log_id": None if found.run is None else found.run.log_id.hex(),
            "run": None if found.run is None else found.run.run,
        },
        "claims": [
            {
                "claim": claim.code,
                "standing": str(claim.standing),
                "text": claim.text,
                "by": claim.by,
                "by_key": claim.keyed,
                "blocks": None if claim.blocks is None else list(claim.blocks),
                "needs": claim.needs,
                "block": claim.block_seq,
                "byte": claim.offset,
                "evidence": dict(claim.evidence),
            }
            for claim in found.claims
        ],
    }
