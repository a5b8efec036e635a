"""Everything that can go wrong on the host, by the decision the caller can take.

The tree, with the exit code a command ends with:

    DewarlogError
    |- LinkError                  5   nothing useful came through the port
    |  |- BadDeviceName           2   the name is not usb:PORT, ble:NAME or sim:
    |  |- PortMissing             5   no such port: plug in, or look again
    |  |- PortBusy                5   another program holds the port: close it
    |  |- PortDenied              5   the operating system refuses: get the right
    |  |- NotOurs                 5   something answers, but it is not a dewarlog board
    |  |- NoAnswer                5   nothing answers at all
    |  |- Unreachable             5   the other end is not there, or no more: get it back
    |  |  |- Unplugged            5   the port went away while in use
    |  |  |- NotHeard             5   no such dewar is on the air here
    |  |  `- OutOfRange           5   the radio link was lost, or could not be made
    |  |- NoDewar                 5   no logger is on the air
    |  |- SeveralDewars           2   more than one is: name it
    |  |- TwoOfOneName            2   more than one dewar on the air answers to the name
    |  |- NotByRadio              2   this is done through the USB cable only
    |  |- Stranger                5   a radio that only looks like the dewar asked for
    |  `- NoBluetooth             5   this computer's Bluetooth is off, refused or absent
    |- PullError                  5   the board answered, and the pull could not be finished
    |  |- Incomplete              5   cut short; what came is kept, run it again to go on
    |  |- Changed                 5   the board's file is not the one held a moment ago
    |  |- DeviceRefused           5   the board answered with an error
    |  |  `- KeyNeeded            5   what was asked takes a key or a token that is not here
    |  |- PeerViolation           5   the board broke the protocol
    |  |- Impostor                5   the board cannot prove that it is the one it says it is
    |  |- Tampered                5   answers were changed on their way; none of them was taken
    |  |- KeyRefused              5   the board does not take this computer's key
    |  |- TokenRefused            5   nor its token: it has expired, or is for another board
    |  |- LockedOut               5   wrong keys were tried on the board; it takes none for a while
    |  |- NotSecret               5   enciphering was asked for, and cannot be had
    |  |- NoKey                   5   this computer does not hold the key that this takes
    |  |- NoHandoff               5   the board cannot record a handoff, or not now
    |  |- NoBench                 5   the board's firmware is too old to be prepared by wire
    |  |- ProfileRefused          5   the board cannot use the profile it was given
    |  |- ProfileChanged          5   the board's profile is not the one that was read
    |  |- NotRestarted            5   the board did not come back with a new run
    |  |- NoLog                   4   the board has no log of its open run
    |  |- NotRecorded             5   the handoff is not, or perhaps not, in the board's log
    |  `- HashMismatch            3   received bytes are not the bytes the board stores
    |- ArchiveError               6   the host's own storage
    |  |- DiskFull                6   nothing lost; make room and run it again
    |  |- ArchiveLocked           6   another pull of the same board is writing there
    |  |- KeyExposed              6   others on this computer can read a key
    |  |- KeyDamaged              6   a key file is none
    |  |- KeyringUnusable         6   the operating system's keyring is locked, or not there
    |  |- ReceiptNotWritten       6   the handoff is recorded, its receipt is not on the disk
    |  |- NothingToMerge          6   the other folder is no archive
    |  `- ArchiveDamaged          3   an archived file is not what it was when it was filed
    |- LogError                   3   a log file
    |  |- LogDamaged              3   bytes changed, missing or torn
    |  |- UnknownVersion          3   written by a newer board than this program knows
    |  `- NotALog                 4   empty, or not a dewarlog log at all
    |- LogInTheWay                2   the file to write is, or is named like, a log
    |- ReceiptDamaged             3   a receipt cannot be read, or not all of it
    |- TokenDamaged               3   a token cannot be read
    |- TokenUseless               4   a token has expired
    |- CertificateDamaged         3   a device certificate is none
    `- SetUpError                 2   this installation lacks something
       |- ExtraMissing            2   an optional library: the message names the extra
       |- SimulatorMissing        2   the simulated board comes with the source tree only
       `- AirMissing              2   so does the virtual radio

Every class carries its data as attributes, so that a caller never reads the sentence; the
sentence says what happened, where, and what to do next.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ExitCode(IntEnum):
    """What a command's exit code says; the same in every command."""

    USE = 0
    """Done. Where a log was judged: it is intact and the verdict is USE."""
    HOLD = 1
    """The log is intact and the verdict is HOLD."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    NOT_INTACT = 3
    """The log, or a copy of it, is not what the board recorded."""
    NO_DATA = 4
    """There is nothing to judge."""
    DEVICE = 5
    """The port or the board; what was received is kept."""
    STORAGE = 6
    """This computer's storage; what was received is kept."""
    FAULT = 70
    """A fault of this program itself (EX_SOFTWARE of sysexits.h): please report it."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C (128 + SIGINT, as shells count); what was received is kept."""


class DewarlogError(Exception):
    """Root of every error this package raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.DEVICE


# --- the port -----------------------------------------------------------------------------------


class LinkError(DewarlogError):
    """Nothing useful came through the link called `name`."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class BadDeviceName(LinkError):
    """The device name is not one this program can open."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, f"{name!r} is not a device name this program can open: {reason}")
        self.reason = reason


class PortMissing(LinkError):
    """No port of that name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"{name}: no such port. Check the cable (some carry power only) and the name; "
            "`dewarlog scan` lists what is there.",
        )


class PortBusy(LinkError):
    """Another program has the port open."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"{name}: another program has this port open. Close it (a terminal, mpremote, "
            "another pull) and run the command again.",
        )


class PortDenied(LinkError):
    """The operating system does not let this user open the port."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"{name}: not allowed to open this port ({reason}). On Linux, join the group that "
            "owns it (often `dialout`) and log in again.",
        )
        self.reason = reason


class NotOurs(LinkError):
    """Bytes came, but no frame of ours: another device, or the logger is not running."""

    def __init__(self, name: str, seen: bytes) -> None:
        super().__init__(
            name,
            f"{name}: something is there, but it does not speak dewarlog (it sent {seen[:40]!r}). "
            "If this is the logger, its program is stopped: reset it. "
            "Otherwise choose another device.",
        )
        self.seen = seen


class NoAnswer(LinkError):
    """Nothing came back."""

    def __init__(self, name: str, asked: str, waited_s: float) -> None:
        super().__init__(
            name,
            f"{name}: no answer to {asked} in {waited_s:.0f} s. Check that this is the "
            "logger and that it has power; if so, reset it and run the command again.",
        )
        self.asked = asked
        self.waited_s = waited_s


class NoDewar(LinkError):
    """No logger advertises itself here."""

    def __init__(self) -> None:
        super().__init__(
            "ble:",
            "No logger is on the air here. Go nearer to the dewar; its radio may be in flight "
            "mode (`dewarlog radio usb:PORT on`). By cable: `dewarlog handoff usb:PORT`.",
        )


class SeveralDewars(LinkError):
    """More than one logger is on the air, and nobody named one."""

    exit_code = ExitCode.USAGE

    def __init__(self, found: Sequence[str]) -> None:
        super().__init__(
            "ble:",
            f"{len(found)} loggers are on the air: {', '.join(found)}. Name the one at hand, for "
            f"example: `dewarlog handoff {found[0]}`.",
        )
        self.found = tuple(found)


class Unreachable(LinkError):
    """The other end is not there, or not any more; a link that bears it can be opened again."""

    reason: str = "it is not there"


class Unplugged(Unreachable):
    """The port disappeared while it was in use."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"{name}: the port went away ({reason}). Plug the logger in again and run the command "
            "again: what was received is kept.",
        )
        self.reason = reason


# --- the radio ----------------------------------------------------------------------------------


class NotHeard(Unreachable):
    """No dewar of that name was heard; `heard` names those that were."""

    def __init__(self, name: str, waited_s: float, heard: tuple[str, ...]) -> None:
        others = f"Heard: {', '.join(heard)}." if heard else "No other dewar was heard either."
        super().__init__(
            name,
            f"{name}: not on the air here, listened for {waited_s:.0f} s. {others} Go nearer; "
            "see that the logger has power, is not in flight mode, and that no other computer is "
            "connected to it; `dewarlog scan` shows what is in range.",
        )
        self.waited_s = waited_s
        self.heard = heard


class OutOfRange(Unreachable):
    """The radio link was lost, or could not be made."""

    def __init__(self, name: str, reason: str, waited_s: float = 0.0) -> None:
        waited = f" and did not come back in {waited_s:.0f} s" if waited_s else ""
        super().__init__(
            name,
            f"{name}: the radio link is gone ({reason}){waited}. Go nearer and run the command "
            "again: what was received is kept.",
        )
        self.reason = reason
        self.waited_s = waited_s


class TwoOfOneName(LinkError):
    """More than one dewar answers to the name; `heard` says how to name each."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, heard: tuple[str, ...]) -> None:
        super().__init__(
            name,
            f"{name}: {len(heard)} dewars here answer to that name. Name one by its address: "
            f"{', '.join(heard)}.",
        )
        self.heard = heard


class Stranger(LinkError):
    """A radio with our service, or of the name asked for, that is not the dewar meant."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"{name}: this is not the logger asked for ({reason}). Nothing was read from it. "
            "Choose another: `dewarlog scan` shows what is in range.",
        )
        self.reason = reason


# Why there is no Bluetooth: what is so, and what to do about it.
_NO_BLUETOOTH = {
    "absent": (
        "This computer has no Bluetooth LE radio",
        "Plug in an adapter, or use the USB cable.",
    ),
    "off": ("Bluetooth is switched off", "Switch it on and run the command again."),
    "denied": (
        "This program is not allowed to use Bluetooth",
        "Allow it in the system's privacy settings, for the terminal too, or use the USB cable.",
    ),
    "no service": (
        "The system's Bluetooth service does not answer",
        "On Linux, install bluez and start it (systemctl start bluetooth), or use the USB cable.",
    ),
    "busy": (
        "Another program keeps the Bluetooth radio busy",
        "Close it, or wait a moment, and run the command again.",
    ),
    "failed": (
        "The Bluetooth radio does not work just now",
        "Switch Bluetooth off and on again, or use the USB cable.",
    ),
}


class NoBluetooth(LinkError):
    """This computer's Bluetooth cannot be used.

    `cause` is absent, off, denied, no service, busy or failed.
    """

    def __init__(self, name: str, cause: str, reason: str) -> None:
        what, then = _NO_BLUETOOTH[cause]
        super().__init__(name, f"{what} ({reason}). {then}")
        self.cause = cause
        self.reason = reason


# --- the conversation ---------------------------------------------------------------------------


class PullError(DewarlogError):
    """The board answered, and the pull could not be finished."""


class Incomplete(PullError):
    """The pull stopped early; everything received is kept and the next pull goes on from it."""

    def __init__(self, what: str, held_bytes: int, wanted_bytes: int, reason: str) -> None:
        super().__init__(
            f"{what}: only {held_bytes} of {wanted_bytes} bytes came through ({reason}). They are "
            "kept; run the command again and it goes on from there."
        )
        self.what = what
        self.held_bytes = held_bytes
        self.wanted_bytes = wanted_bytes
        self.reason = reason


class Changed(PullError):
    """The board's file is no longer the one listed, or not the one partly held."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            f"{what}: changed on the logger while it was pulled ({reason}). "
            "Nothing in the archive was replaced; run the command again."
        )
        self.what = what
        self.reason = reason


class DeviceRefused(PullError):
    """The board answered a request with an error."""

    def __init__(self, request: str, code: int, code_name: str, text: str) -> None:
        detail = f": {text}" if text else ""
        super().__init__(f"The logger refused {request}: {code_name} (code {code}){detail}.")
        self.request = request
        self.code = code
        self.code_name = code_name
        self.text = text


class PeerViolation(PullError):
    """The board said something the protocol does not allow; the fault is on its side."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The logger broke the protocol: {what}. Nothing was filed from this answer. "
            "Update the logger's firmware or this program, and report it if that does not help."
        )
        self.what = what


class Impostor(PullError):
    """What answers is not the logger it says it is: it does not hold that logger's key."""

    def __init__(self, device_name: str, what: str) -> None:
        super().__init__(
            f"This is not the logger it says it is: it calls itself {device_name}, but {what}. "
            "Nothing it says can be trusted. Look at the number on the dewar, and call the "
            "sender if it is the right one."
        )
        self.device_name = device_name
        self.what = what


class KeyRefused(PullError):
    """The logger does not take this computer's key for it."""

    def __init__(self, device_name: str, text: str) -> None:
        super().__init__(
            f"Logger {device_name} does not take the key this computer holds for it ({text}): "
            "either it is not the logger it says it is, or it was given a new key since. If you "
            "hold it in your hands, pair again over USB: `dewarlog pair usb:PORT`."
        )
        self.device_name = device_name
        self.text = text


_NEEDS_WORDS = {
    layout.MAY_READ: "the reader key, or more",
    layout.MAY_RECORD: "the courier key or a token",
    layout.MAY_SET: "the courier key or a token",
    layout.MAY_STOP: "the admin key",
    layout.MAY_KEYS: "the admin key",
    layout.MAY_BENCH: "the admin key",
}


class KeyNeeded(DeviceRefused):
    """What was asked takes a proof that this computer has not given; nothing was done.

    `locked` says whether the board is; `needs` is one of layout.MAY_*; `held` says what this
    computer has instead, None for nothing.
    """

    def __init__(
        self,
        device_name: str,
        refusal: DeviceRefused,
        *,
        locked: bool,
        needs: int,
        held: str | None,
    ) -> None:
        super().__init__(refusal.request, refusal.code, refusal.code_name, refusal.text)
        have = "this computer has none" if held is None else f"this computer has none: {held}"
        state = "is locked" if locked else "is reached over the air"
        then = (
            "Ask whoever has claimed the logger to do it: no token allows this."
            if needs == layout.MAY_BENCH and locked
            else "Say it through the USB cable, which needs no key while the logger is not locked."
            if needs == layout.MAY_BENCH
            else "Ask whoever has claimed the logger for a token, and put it here: "
            "`dewarlog token add FILE`."
            if locked
            else "Pair first, by its USB cable: `dewarlog pair usb:PORT`; or say it through the "
            "cable, which needs no key; or put a token here: `dewarlog token add FILE`."
        )
        sentence = (
            f"Logger {device_name} {state}: {refusal.request} takes {_NEEDS_WORDS[needs]}, and "
            f"{have}. Nothing was changed. {then}"
        )
        self.args = (sentence,)
        self.device_name = device_name
        self.locked = locked
        self.needs = needs
        self.held = held


class TokenRefused(PullError):
    """The logger does not take the token that this computer has for it."""

    def __init__(self, device_name: str, token_name: str, why: str) -> None:
        super().__init__(
            f"Logger {device_name} does not take the {token_name} ({why}). Nothing was changed. "
            "Ask whoever made it for a new one, and put it here: `dewarlog token add FILE`."
        )
        self.device_name = device_name
        self.token_name = token_name
        self.why = why


class LockedOut(PullError):
    """Wrong keys were tried on the logger: it evaluates no proof, right or wrong, for a while."""

    def __init__(self, device_name: str, wait_s: int) -> None:
        wait = f"in {wait_s} s" if wait_s > 0 else "in a minute"
        super().__init__(
            f"Logger {device_name} takes no proof now: somebody has tried wrong keys on it. "
            f"Nothing was changed. Run the command again {wait}. If nobody here did that, tell "
            "whoever keeps the logger: its log names every try."
        )
        self.device_name = device_name
        self.wait_s = wait_s


class NotSecret(PullError):
    """Enciphering was asked for, and cannot be had: nothing was asked in the clear."""

    def __init__(self, device_name: str, why: str) -> None:
        super().__init__(
            f"Logger {device_name}: --secret cannot be had ({why}). Nothing of the log was sent. "
            "Leave --secret away where others may listen, or use the USB cable."
        )
        self.device_name = device_name
        self.why = why


class Tampered(PullError):
    """Somebody changes what goes over the link; nothing of it was taken for the logger's.

    No exit code of its own: of the log nothing wrong was filed, and the next step is another link.
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(
            f"{name}: the connection is being tampered with: {what}. Nothing of it was filed. "
            "Use another way to the logger: its USB cable, another cable, another place. If it "
            "happens there too, call whoever keeps the logger."
        )
        self.name = name
        self.what = what


class NotByRadio(LinkError):
    """A logger does this through its USB cable only, whoever asks."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, what: str) -> None:
        super().__init__(
            name,
            f"{name}: {what} through the USB cable only, where one holds it in hand. Plug it in "
            "and name it as usb:PORT; `dewarlog scan` lists the ports.",
        )


class NoKey(PullError):
    """This computer does not hold the key of the logger that this takes."""

    def __init__(self, device_name: str, kind: str, then: str) -> None:
        super().__init__(
            f"This computer does not hold the {kind} of logger {device_name}, and this takes it. "
            f"Nothing was changed. {then}"
        )
        self.device_name = device_name
        self.kind = kind


class NoHandoff(PullError):
    """This logger can record no handoff, or none now; nothing was recorded."""

    def __init__(self, device_name: str, why: str) -> None:
        super().__init__(
            f"Logger {device_name} cannot record a handoff: {why} Nothing was recorded. "
            "`dewarlog pull --check` still brings its log and judges it."
        )
        self.device_name = device_name
        self.why = why


class NoBench(PullError):
    """This logger's firmware does not know the requests that prepare it."""

    def __init__(self, device_name: str) -> None:
        super().__init__(
            f"The firmware of logger {device_name} is older than these commands: it tells no "
            "figures and takes no profile, self-test or erasure by wire. Nothing was changed. "
            "Update it: `dewarlog flash PORT`."
        )
        self.device_name = device_name


class ProfileRefused(DeviceRefused):
    """The logger cannot use the profile; `text` names the key and what may stand there."""

    def __init__(self, device_name: str, refusal: DeviceRefused) -> None:
        super().__init__(refusal.request, refusal.code, refusal.code_name, refusal.text)
        sentence = (
            f"Logger {device_name} cannot use this profile: {refusal.text}. Nothing was changed: "
            "its profile and its run are as they were."
        )
        self.args = (sentence,)
        self.device_name = device_name


class ProfileChanged(PullError):
    """The profile on the logger is not the one that was read, so that nothing was written."""

    def __init__(self, device_name: str, why: str) -> None:
        super().__init__(
            f"The profile of logger {device_name} was not replaced: {why}. Another program may be "
            "preparing it too. Run the command again: it begins with the profile as it is then."
        )
        self.device_name = device_name
        self.why = why


class NotRestarted(PullError):
    """The logger took what it was told, and did not come back with a new run in time."""

    def __init__(self, device_name: str, waited_s: float, last: str) -> None:
        super().__init__(
            f"Logger {device_name} did not come back with a new run in {waited_s:.0f} s ({last}). "
            "Look at it with `dewarlog status`; pull its cable and plug it in again if it does "
            "not answer. Its log is kept."
        )
        self.device_name = device_name
        self.waited_s = waited_s
        self.last = last


class NoLog(PullError):
    """The logger offers no log of the run it says it records."""

    exit_code = ExitCode.NO_DATA

    def __init__(self, device_name: str) -> None:
        super().__init__(
            f"Logger {device_name} gives no log of the run it records: there is nothing to judge "
            "and nothing to hand over. Nothing was recorded."
        )
        self.device_name = device_name


class NotRecorded(PullError):
    """The log was pulled and checked, but the handoff is not, or perhaps not, recorded.

    `verdict` is what the check said; `perhaps` tells whether the record may stand all the same.
    """

    def __init__(self, verdict: str, cause: DewarlogError, *, perhaps: bool) -> None:
        state = (
            "It is not known whether the handoff stands in its log; there is no receipt. Run the "
            "command again: it looks."
            if perhaps
            else "The handoff is not recorded; there is no receipt."
        )
        super().__init__(f"The log was pulled and checked ({verdict}), but: {cause} {state}")
        self.verdict = verdict
        self.cause = cause
        self.perhaps = perhaps


class HashMismatch(PullError):
    """What was received is not what the board stores, although every frame was sound."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, what: str, ours: bytes, theirs: bytes) -> None:
        super().__init__(
            f"{what}: the logger's SHA-256 is {theirs.hex()[:16]}..., that of the bytes received "
            f"is {ours.hex()[:16]}.... They were put aside, not filed; run the command again."
        )
        self.what = what
        self.ours = ours
        self.theirs = theirs


# --- this computer's storage --------------------------------------------------------------------


class ArchiveError(DewarlogError):
    """The archive at `path` could not be read or written."""

    exit_code = ExitCode.STORAGE

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


class DiskFull(ArchiveError):
    """No room to write; what was received before is kept."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: no room to write ({reason}). Nothing is lost, on the logger or here: make "
            "room, or choose another folder with --archive, and run the command again.",
        )
        self.reason = reason


class ArchiveLocked(ArchiveError):
    """Another pull of the same board is writing into the same archive."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            f"{path}: another pull of this logger is writing here. Wait for it to end.",
        )


class ArchiveDamaged(ArchiveError):
    """A file of the archive is not what it was when it was filed."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: this archived file is not what was filed ({reason}). It is left as it is, "
            "as evidence. To pull a fresh copy, name an empty folder with --archive.",
        )
        self.reason = reason


class KeyExposed(ArchiveError):
    """Others on this computer can read or change a key, or the folder it stands in."""

    def __init__(self, path: Path, mode: int, *, mine: bool) -> None:
        whose = f"its permissions are {mode:04o}" if mine else "it belongs to another user"
        what = "the keys in this folder" if path.is_dir() else "this key"
        right = "0700 and those of the files in it to 0600" if path.is_dir() else "0600"
        super().__init__(
            path,
            f"{path}: others on this computer may know {what} ({whose}); what others know proves "
            f"nothing. Set the permissions to {right}. If somebody may have read it, tell whoever "
            "keeps the logger.",
        )
        self.mode = mode


class KeyDamaged(ArchiveError):
    """A file with a logger's keys cannot be read as one."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: this key file cannot be used ({reason}). Remove it, and pair again over "
            "USB: `dewarlog pair usb:PORT`.",
        )
        self.reason = reason


class KeyringUnusable(ArchiveError):
    """The operating system's keyring, in which keys are kept, cannot be used now."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"The keyring of this computer, where its keys are kept, cannot be used ({reason}). "
            "Unlock it, or run the command in the session it belongs to (not as another user, nor "
            "by ssh without D-Bus). Or keep keys in a folder: `--keys FOLDER` with this and every "
            "later command.",
        )
        self.reason = reason


class ReceiptNotWritten(ArchiveError):
    """The logger has recorded the handoff, and its receipt found no place on this computer."""

    def __init__(self, path: Path, event: int, cause: ArchiveError) -> None:
        super().__init__(
            path,
            f"The handoff is recorded by the logger as event {event}, but its receipt could not "
            f"be written: {cause} The record stands in the log all the same; for a receipt, hand "
            "over once more.",
        )
        self.event = event
        self.cause = cause


class NothingToMerge(ArchiveError):
    """The folder to merge from holds no log, or is the archive itself."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: nothing to merge ({reason}). Name the folder that `dewarlog archive` shows "
            "on the other computer, or a copy of it.",
        )
        self.reason = reason


# --- a log file ---------------------------------------------------------------------------------


class LogError(DewarlogError):
    """The log file at `path` cannot be used as it is; `offset` says where."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path | None, offset: int, sentence: str) -> None:
        super().__init__(sentence if path is None else f"{path}: {sentence}")
        self.path = path
        self.offset = offset


class LogDamaged(LogError):
    """Bytes of the log changed, are missing, or are torn."""

    def __init__(self, path: Path | None, offset: int, reason: str) -> None:
        super().__init__(path, offset, f"damaged at byte {offset}: {reason}.")
        self.reason = reason


class UnknownVersion(LogError):
    """The log was written in a format newer than this program knows."""

    def __init__(self, path: Path | None, offset: int, version: int) -> None:
        super().__init__(
            path,
            offset,
            f"the block at byte {offset} has format version {version}, which this program does "
            "not know. Install a newer dewarlog.",
        )
        self.version = version


class NotALog(LogError):
    """The file is empty, or no dewarlog log at all."""

    exit_code = ExitCode.NO_DATA

    def __init__(self, path: Path | None, reason: str) -> None:
        super().__init__(path, 0, f"not a dewarlog log: {reason}.")
        self.reason = reason


# --- what a command writes ----------------------------------------------------------------------


class LogInTheWay(DewarlogError):
    """What a command was to write over is a log, or is named like one."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: this is a log, or named like one, and logs are evidence: it is left as it "
            "is. Name another file with --output."
        )
        self.path = path


# --- a receipt ----------------------------------------------------------------------------------


class ReceiptDamaged(DewarlogError):
    """A receipt cannot be read; `field` names the one that is wrong, empty for the whole file."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, field: str, reason: str) -> None:
        what = f"its field {field!r} is wrong" if field else "it is no receipt"
        super().__init__(f"{path}: this receipt proves nothing: {what} ({reason}).")
        self.path = path
        self.field = field
        self.reason = reason


# --- a token ------------------------------------------------------------------------------------


class TokenDamaged(DewarlogError):
    """A token file, or a token in this computer's store, cannot be read as one."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: this token cannot be used: {reason}. Ask whoever made it for a new one."
        )
        self.path = path
        self.reason = reason


class TokenUseless(DewarlogError):
    """A token can be read, and no logger would take it."""

    exit_code = ExitCode.NO_DATA

    def __init__(self, path: Path, token_name: str, why: str) -> None:
        super().__init__(
            f"{path}: the {token_name} is of no use: {why}. Nothing was kept. Ask whoever made it "
            "for a new one."
        )
        self.path = path
        self.why = why


# --- a device certificate -----------------------------------------------------------------------


class CertificateDamaged(DewarlogError):
    """A file is no device certificate; `field` names what is wrong, empty for the whole file."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, field: str, reason: str) -> None:
        what = f"its field {field!r} is wrong" if field else "it is none"
        super().__init__(
            f"{path}: this device certificate cannot be used: {what} ({reason}). Get it again "
            "from whom you trust for it (`dewarlog claim usb:PORT` writes one)."
        )
        self.path = path
        self.field = field
        self.reason = reason


# --- this installation --------------------------------------------------------------------------


class SetUpError(DewarlogError):
    """The command needs something that is not installed here."""

    exit_code = ExitCode.USAGE


class ExtraMissing(SetUpError):
    """An optional library is not installed."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {library}, which is not installed. Install it with: "
            f'pip install "dewarlog[{extra}]"'
        )
        self.library = library
        self.extra = extra


class SimulatorMissing(SetUpError):
    """The simulated board is not here, or cannot run here."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The simulated board cannot be started: {reason}. It comes with the source tree: "
            "clone the project, run tools/setup, and start it from there."
        )
        self.reason = reason


class AirMissing(SetUpError):
    """DEWARLOG_AIR asks for the virtual radio, and it is not here."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"DEWARLOG_AIR names a virtual radio, which cannot be used: {reason}. It comes with "
            "the source tree; unset DEWARLOG_AIR to use this computer's own Bluetooth."
        )
        self.reason = reason
