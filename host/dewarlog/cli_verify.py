"""The command that says what is proved of a log, by which key, and what is not.

Beside cli, which adds it to the others. It gathers what is here (certificate, keys, receipts, the
archive) and leaves the judging to verify.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console
from dewarlog.cli import ArchiveFolder, AsJson, KeysFolder, LogPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.certificate import Certificate
    from dewarlog.keys import BoardKeys
    from dewarlog.pull import FiledLog
    from dewarlog.receipt import Receipt
    from dewarlog.verify import Proofs


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
            "log came from. Default: the public key taken when this computer was paired with it.",
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
            help="The log of the run before on the same logger: shows whether its end is missing.",
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
    as_json: AsJson = False,
) -> None:
    """Say what is proved of a log, by which key, over which blocks, and what is not.

    Holds the log against its own check sums and chain, against the seals, signatures and receipts
    by the keys that are here, and against what this computer has filed. What cannot be checked is
    told with the key or file that would prove it, and is no failure.

    Exit code 0: nothing is contradicted, and a key proves what the answer says. 3: something is
    contradicted; the first bad block and its byte are named. 4: nothing is contradicted, but no key
    here proves who wrote the log. It says nothing of the product: that is `dewarlog check`.
    """
    with console.failures(as_json=as_json):
        from dewarlog import answers_verify
        from dewarlog.verify import verify_log

        found = verify_log(log, _proofs(log, certificate, previous, receipt, (keys, archive)))
        if as_json:
            console.say_json(answers_verify.verified_data(found))
        else:
            answers_verify.say_verified(found)
    raise typer.Exit(found.exit_code)


def _proofs(
    log: Path,
    certificate: Path | None,
    previous: Path | None,
    receipts: Sequence[Path] | None,
    folders: tuple[Path | None, Path | None],
) -> Proofs:
    """Gather what is here; keys and copies are those of the logger that the log names."""
    from dewarlog.certificate import read_certificate
    from dewarlog.keys import KeyStore
    from dewarlog.log_facts import device_of
    from dewarlog.verify import Proofs

    device_id = device_of(log)
    keys = None if device_id is None else KeyStore(folders[0]).of(device_id)
    named = None if certificate is None else read_certificate(certificate)
    return Proofs(
        certificate=named or _paired(keys),
        seal_state=None if keys is None else keys.seal,
        receipt_key=None if keys is None else keys.receipt,
        receipts=_receipts(log, receipts),
        previous=previous,
        filed=() if device_id is None else _filed(folders[1], device_id, log),
    )


def _paired(keys: BoardKeys | None) -> Certificate | None:
    """Make a certificate of the public key that this computer took from the board itself."""
    from dewarlog.certificate import Certificate

    if keys is None or keys.public_key is None:
        return None
    return Certificate(keys.device_id, keys.public_key, 0)


def _receipts(log: Path, named: Sequence[Path] | None) -> tuple[tuple[str, Receipt], ...]:
    from dewarlog.receipt import read_receipt

    paths = named or sorted(log.parent.glob(f"{log.stem}.handoff-*.json"))
    return tuple((path.name, read_receipt(path)) for path in paths)


def _filed(root: Path | None, device_id: bytes, log: Path) -> tuple[FiledLog, ...]:
    """Give what the archive holds of a board, but for the very file that is judged."""
    from dewarlog.archive import Archive, read_manifest

    held = [
        read_manifest(path)
        for path in Archive(root).manifests()
        if path.parent.parent.name == device_id.hex()
    ]
    return tuple(one for one in held if not (one.path.exists() and one.path.samefile(log)))


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(verify)
