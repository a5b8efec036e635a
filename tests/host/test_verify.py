"""`dewarlog verify`: what it says, with what exit code, by the keys and receipts it finds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.archive import _write_manifest  # pyright: ignore[reportPrivateUsage]
from dewarlog.certificate import write_certificate
from dewarlog.errors import ExitCode
from dewarlog.keys import BoardKeys, KeyStore
from dewarlog.pull import Asked, FiledLog
from dewarlog.receipt import UNSIGNED_FORMAT, judge_receipt, read_receipt, write_receipt
from trusted import TrustedBoard, fixed, warmer

if TYPE_CHECKING:
    from pathlib import Path

    from trusted import Trip


@dataclass(frozen=True, slots=True)
class Site:
    """A receiving site: a log, perhaps its receipt, and what the site was given before."""

    folder: Path
    board: TrustedBoard
    trip: Trip
    log: Path

    def run(self, *more: str, log: Path | None = None) -> tuple[int, str]:
        """Run `dewarlog verify`; return its exit code and all it said."""
        folders = ("--keys", str(self.folder / "keys"), "--archive", str(self.folder / "archive"))
        result = CliRunner().invoke(cli.app, ["verify", str(log or self.log), *folders, *more])
        return result.exit_code, " ".join(result.output.split())

    def data(self, *more: str) -> Any:  # noqa: ANN401 - JSON
        """Run it with --json."""
        return json.loads(self.run("--json", *more)[1])

    def certificate(self) -> str:
        """Put the board's certificate into a file."""
        path = self.folder / "from the owner.json"
        write_certificate(self.board.certificate, path)
        return str(path)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Bring a log to a site that was given the sealing state and nothing else."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    board = TrustedBoard()
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    KeyStore(keys).keep(BoardKeys(board.device_id, seal=board.state))
    trip = board.trip()
    log = tmp_path / "trip.dwl"
    log.write_bytes(trip.log.data)
    return Site(tmp_path, board, trip, log)


def test_a_site_that_was_given_a_certificate_is_told_what_it_proves(site: Site) -> None:
    """By which key, over which blocks, and what follows the newest signature."""
    code, said = site.run("--certificate", site.certificate())

    assert code == ExitCode.USE
    assert "Nothing contradicts this log. Keys vouch for all of it: blocks 0 to 5." in said
    fingerprint = site.board.certificate.fingerprint
    assert f"by: device certificate {fingerprint}; blocks 0 to 3" in said
    name, log = site.board.device_id.hex(), site.trip.log
    assert f"This is the log of run {log.run} of logger {name} (log {log.log_id.hex()})." in said
    assert "Not signed: blocks 4 to 5, which came after the newest signature." in said
    assert "by: sealing key, from the state held here (key 1) on; blocks 0 to 5" in said


def test_a_site_without_any_key_is_told_what_would_prove_it(site: Site) -> None:
    """Exit code 4: nothing contradicted, nothing proved by a key."""
    nothing = site.folder / "nothing"
    code, said = site.run("--keys", str(nothing))

    assert code == ExitCode.NO_DATA
    assert "no key here proves who wrote it" in said
    assert "would be proved by: the logger's device certificate (--certificate)" in said
    assert "would be proved by: a state of the sealing key" in said


def test_the_first_bad_block_is_named_with_its_byte(site: Site) -> None:
    """To a person and to a program, with exit code 3."""
    site.log.write_bytes(fixed(site.trip.blocks, warmer(2), chain=True))
    code, said = site.run()
    data = site.data()

    offset = site.trip.log.offsets[2]
    assert code == ExitCode.NOT_INTACT
    assert f"First bad: block 2, byte {offset:,}." in said
    assert (data["first_bad_block"], data["first_bad_byte"]) == (2, offset)
    assert (data["exit_code"], data["contradicted"]) == (3, True)


def test_a_program_reads_every_claim_with_its_key_and_blocks(site: Site) -> None:
    """Standing, key, blocks; and what is needed where nothing is proved."""
    data = site.data("--certificate", site.certificate())

    signed = [claim for claim in data["claims"] if claim["claim"] == "signed"]
    assert [(claim["standing"], claim["blocks"]) for claim in signed] == [
        ("proved", [0, 3]),
        ("not proved", [4, 5]),
    ]
    assert signed[0]["by_key"]
    assert signed[1]["needs"] == "a handoff or a pull that has the logger sign its log"
    assert data["log"]["device_id"] == site.board.device_id.hex()
    assert {claim["standing"] for claim in data["claims"]} == {"proved", "not proved"}


def test_a_public_key_taken_at_pairing_serves_as_the_certificate(site: Site) -> None:
    """This computer had it from the board itself."""
    store = KeyStore(site.folder / "keys")
    store.keep(BoardKeys(site.board.device_id, public_key=site.board.certificate.public_key))

    assert "device certificate" in site.run()[1]
    assert site.run()[0] == ExitCode.USE


def test_a_certificate_of_another_key_than_the_board_gave_is_refused(site: Site) -> None:
    """Its maker signs what he likes: the key taken by cable stands against it."""
    store = KeyStore(site.folder / "keys")
    paired = BoardKeys(site.board.device_id, public_key=site.board.certificate.public_key)
    store.keep(paired)
    path = site.folder / "from the courier.json"
    other = TrustedBoard(2).certificate
    write_certificate(replace(other, device_id=site.board.device_id), path)
    receipt = write_receipt(site.trip.receipt, site.log)
    keys = ("--keys", str(site.folder / "keys"), "--certificate", str(path))
    judged = CliRunner().invoke(cli.app, ["receipt", str(receipt), *keys])

    code, said = site.run("--certificate", str(path))
    assert code == judged.exit_code == ExitCode.NOT_INTACT
    assert f"there {other.fingerprint}, here {site.board.certificate.fingerprint}" in said
    assert "Proved by a key" not in said


def test_how_far_keys_vouch_stands_in_the_first_sentence(site: Site) -> None:
    """By the signature alone: not for what came after it."""
    path = site.folder / "nothing"
    certificate = site.certificate()
    data = site.data("--keys", str(path), "--certificate", certificate)

    assert data["sentence"] == (
        "Nothing contradicts this log. Keys vouch for blocks 0 to 3, and not for blocks 4 to 5."
    )
    assert (data["blocks_vouched_for"], data["blocks_not_vouched_for"]) == ([[0, 3]], [[4, 5]])


def test_a_file_beside_the_log_that_is_no_receipt_does_not_hide_what_is_proved(
    site: Site,
) -> None:
    """Whoever put it there does not decide whether the log is looked at."""
    site.log.with_name("trip.handoff-9.json").write_text('{"format": 2, "format": 2}')
    code, said = site.run()

    assert code == ExitCode.NOT_INTACT
    assert "trip.handoff-9.json, beside the log: this receipt proves nothing" in said
    assert "by: sealing key, from the state held here (key 1) on; blocks 0 to 5" in said


def test_a_signature_this_computer_asked_for_is_told_to_be_no_older(site: Site) -> None:
    """By the nonce it chose, which its archive keeps."""
    folder = site.folder / "archive" / site.board.device_id.hex() / "run"
    folder.mkdir(parents=True)
    log = site.trip.log
    filed = FiledLog(
        path=folder / "trip.dwl",
        device_id=log.device_id,
        run=log.run,
        log_id=log.log_id,
        size_bytes=len(log.data),
        new_bytes=0,
        sha256=bytes(32),
        blocks=log.blocks,
        chain=log.chain,
        problem=None,
        superseded=(),
        asked=(Asked(site.trip.signed.nonce, 4, 1_772_000_000),),
    )
    _write_manifest(folder / "manifest.json", filed, datetime.now(UTC))

    said = site.run("--certificate", site.certificate())[1]
    assert "This computer asked for it at 2026-02-25 06:13:20 UTC, by its own clock" in said


def test_a_certificate_beside_the_log_is_not_taken_by_itself(site: Site) -> None:
    """It came from whom the log came from."""
    write_certificate(TrustedBoard(2).certificate, site.log.with_suffix(".certificate.json"))

    assert site.data()["contradicted"] is False


def test_receipts_beside_the_log_are_held_against_it(site: Site) -> None:
    """A log cut behind the handoff: the receipt says that there was more."""
    write_receipt(site.trip.receipt, site.log)
    whole = site.data("--certificate", site.certificate())
    site.log.write_bytes(b"".join(site.trip.blocks[:3]))
    code, said = site.run()

    assert [c["standing"] for c in whole["claims"] if c["claim"] == "receipt"] == [
        "not proved",
        "proved",
    ]
    assert code == ExitCode.NOT_INTACT
    assert "The log was cut, or is an older copy: trip.handoff-1.json names 4 blocks" in said


def test_a_damaged_certificate_ends_the_command_with_its_own_code(site: Site) -> None:
    """And names the file and the field."""
    path = site.folder / "c.json"
    path.write_text('{"format": 1}')
    code, said = site.run("--certificate", str(path))

    assert code == ExitCode.NOT_INTACT
    assert "its field 'device_id' is wrong" in said


def test_the_very_file_of_the_archive_is_no_witness_for_itself(site: Site, tmp_path: Path) -> None:
    """Its own manifest says nothing that the file does not."""
    folder = tmp_path / "archive" / site.board.device_id.hex() / "run"
    folder.mkdir(parents=True)
    log = folder / "trip.dwl"
    log.write_bytes(site.trip.log.data)
    fields = {
        "file": log.name,
        "device": site.board.device_id.hex(),
        "run": site.trip.log.run,
        "log_id": site.trip.log.log_id.hex(),
        "bytes": len(site.trip.log.data),
        "sha256": "00" * 32,
        "blocks": site.trip.log.blocks,
        "chain": site.trip.log.chain.hex(),
        "problem": None,
        "superseded": [],
    }
    (folder / "manifest.json").write_text(json.dumps(fields))

    assert "this computer holds no other one of it" in site.run(log=log)[1]
    assert "The copy filed on this computer has no more: 6 blocks." in site.run()[1]
    site.log.write_bytes(b"".join(site.trip.blocks[:4]))
    assert site.run()[0] == ExitCode.NOT_INTACT


def test_hostile_text_in_a_log_reaches_no_terminal(site: Site) -> None:
    """The name of a receiver, quoted from a receipt that disagrees with the log."""
    receipt = site.trip.receipt
    body = receipt.body.replace(b"K. Mori", b"\x1b[2Jori")
    write_receipt(replace(receipt, body=body), site.log)
    result = CliRunner().invoke(cli.app, ["verify", str(site.log)])

    assert result.exit_code == ExitCode.NOT_INTACT
    assert "\x1b" not in result.output
    assert "\\x1b[2J" in result.output


# --- receipts with a signature -------------------------------------------------------------------
def test_a_receipt_with_a_signature_says_the_same_once_more_when_read(site: Site) -> None:
    """Format 2; the words for a person name the signature too."""
    path = write_receipt(site.trip.receipt, site.log)
    read = read_receipt(path)

    assert read == site.trip.receipt
    fields = json.loads(path.read_text())
    assert fields["format"] == 2
    assert fields["text"][-1] == (
        "The logger signed the first 4 blocks of its log at 2026-03-01 03:00:00 UTC by its own "
        "clock."
    )


def test_a_receipt_of_the_first_format_is_still_read(site: Site) -> None:
    """It has no signature and no place for one."""
    old = replace(site.trip.receipt, signed=None, format=UNSIGNED_FORMAT)
    path = write_receipt(old, site.log)

    assert "signed" not in json.loads(path.read_text())
    assert read_receipt(path) == old


def test_a_receipts_signature_is_judged_by_the_certificate(site: Site) -> None:
    """Proved, wrong or left open, apart from the tag."""
    receipt, certificate = site.trip.receipt, site.board.certificate
    assert receipt.signed is not None
    forged = replace(receipt, signed=replace(receipt.signed, utc_s=1))

    held = judge_receipt(receipt, None, site.log, certificate)
    assert any("the signature holds by its certificate" in text for text in held.proved)
    assert held.wrong == {}
    assert "signed" in judge_receipt(forged, None, site.log, certificate).wrong
    unknown = judge_receipt(receipt, None, site.log)
    assert any("its certificate is not here" in text for text in unknown.open)


def test_the_receipt_command_takes_the_certificate(site: Site) -> None:
    """A site that has nothing else learns from it what is proved."""
    path = str(write_receipt(site.trip.receipt, site.log))
    certificate = ("--certificate", site.certificate())
    with_it = CliRunner().invoke(cli.app, ["receipt", path, "--keys", "none", *certificate])
    without = CliRunner().invoke(cli.app, ["receipt", path, "--keys", "none"])

    assert "the signature holds by its certificate" in " ".join(with_it.output.split())
    assert "its certificate is not here" in " ".join(without.output.split())


@pytest.mark.parametrize(
    ("name", "value"),
    [("blocks", -1), ("nonce", "00"), ("signature", None), ("clock_state", 256), ("more", 1)],
)
def test_a_wrong_field_of_a_signature_is_refused(site: Site, name: str, value: object) -> None:
    """As strictly as the rest of a receipt."""
    path = write_receipt(site.trip.receipt, site.log)
    fields = json.loads(path.read_text())
    fields["signed"][name] = value
    other = site.folder / "changed.json"
    other.write_text(json.dumps(fields))

    assert CliRunner().invoke(cli.app, ["receipt", str(other)]).exit_code == ExitCode.NOT_INTACT
