"""The command that says what is proved of a log, by which key, and what is not.

Beside cli, which adds it to the others. It gathers what is here (certificate, keys, receipts, the
archive) and leaves the judging to verify.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console
from dewarlog.cli.options import ArchiveFolder, AsJson, KeysFolder, LogPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.pull import FiledLog
    from dewarlog.receipt import Receipt
    from dewarlog.verify.case import Proofs


def verify(
    log: LogPath,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="The logger's device certificate, from somebody you trust and not from whom the "
            "log came from. Default: the public key taken when this computer claimed it.",
        ),
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option(
            "--previous",
            metavar="LOG",
            exists=True,
            dir_okay=False,
            readable=True,
            help="The log of the run before on the same logger: the two show whether the end of "
            "the earlier is missing.",
        ),
    ] = None,
    receipt: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipt",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="A receipt of a handoff (*.handoff-*.json); may be given several times. Default: "
            "those beside the log.",
        ),
    ] = None,
    keys: KeysFolder = None,
    archive: ArchiveFolder = None,
    following: Annotated[
        Path | None,
        typer.Option(
            "--next",
            metavar="LOG",
            exists=True,
            dir_okay=False,
            readable=True,
            help="The log of the run behind it: shows whether the end of this one is missing. "
            "Default: the one this computer has filed, if any.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is proved of a log, by which key, over which blocks, and what is not.

    Holds the log against its own check sums and chain, against the seals, signatures and receipts
    by the keys that are here, and against what this computer has filed. What cannot be checked is
    told with the key or file that would prove it, and is no failure.

    Exit code 0: nothing is contradicted, and keys vouch for the blocks that the first sentence
    names; it names those too that nobody's key vouches for. 3: something is contradicted; the
    first bad block and its byte are named. 4: nothing is contradicted, but no key here proves who
    wrote the log. It says nothing of the product: that is `dewarlog check`.
    """
    with console.failures(as_json=as_json):
        from dewarlog.answers import verify as answers_verify
        from dewarlog.verify.course import verify_log

        given = _Given(certificate, tuple(receipt or ()), previous, following)
        found = verify_log(log, _proofs(log, given, keys, archive))
        if as_json:
            console.say_json(answers_verify.verified_data(found))
        else:
            answers_verify.say_verified(found)
    raise typer.Exit(found.exit_code)


@dataclass(frozen=True, slots=True)
class _Given:
    """What was named on the command line."""

    certificate: Path | None
    receipts: tuple[Path, ...]
    previous: Path | None
    following: Path | None


def _proofs(log: Path, given: _Given, keys_folder: Path | None, archive: Path | None) -> Proofs:
    """Gather what is here; keys and copies are those of the logger that the log names."""
    from dewarlog.certificate import trusted_certificate
    from dewarlog.keys import KeyStore
    from dewarlog.verify.case import Proofs
    from dewarlog.verify.log_facts import run_of

    receipts, damaged = _receipts(log, given.receipts)
    run = run_of(log)
    if run is None:
        named = trusted_certificate(given.certificate, None)
        return Proofs(named, receipts=receipts, damaged=damaged)
    keys = KeyStore(keys_folder).of(run.device_id)
    held = _filed(archive, run.device_id)
    filed = tuple(one for one in held if not (one.path.exists() and one.path.samefile(log)))
    return Proofs(
        certificate=trusted_certificate(given.certificate, keys),
        seal_state=keys.seal,
        receipt_key=keys.receipt,
        receipts=receipts,
        damaged=damaged,
        asked={asked.nonce: asked.unix_s for one in held for asked in one.asked},
        previous=given.previous,
        following=given.following or _filed_run(filed, run.run + 1),
        filed=filed,
    )


def _filed_run(filed: Sequence[FiledLog], run: int) -> Path | None:
    """Give where the only filed log of that run is, if its blocks are known to be sound."""
    held = [one for one in filed if one.run == run and one.path.exists()]
    return held[0].path if len(held) == 1 and held[0].problem is None else None


def _receipts(
    log: Path, named: Sequence[Path]
) -> tuple[tuple[tuple[str, Receipt], ...], tuple[tuple[str, str], ...]]:
    """Read the receipts that were named, or those beside the log; and say which are none.

    One that was named and is none ends the command. One beside the log is told: whoever put it
    there does not decide whether the log is looked at.
    """
    from dewarlog.errors import ReceiptDamaged
    from dewarlog.receipt import read_receipt

    if named:
        return tuple((path.name, read_receipt(path)) for path in named), ()
    read: list[tuple[str, Receipt]] = []
    damaged: list[tuple[str, str]] = []
    for path in sorted(log.parent.glob(f"{glob.escape(log.stem)}.handoff-*.json")):
        try:
            read.append((path.name, read_receipt(path)))
        except ReceiptDamaged as error:
            damaged.append((path.name, str(error).removeprefix(f"{path}: ")))
    return tuple(read), tuple(damaged)


def _filed(root: Path | None, device_id: bytes) -> tuple[FiledLog, ...]:
    """Give what the archive holds of a board."""
    from dewarlog.archive import Archive, read_manifest

    return tuple(
        read_manifest(path)
        for path in Archive(root).manifests()
        if path.parent.parent.name == device_id.hex()
    )


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(verify)
