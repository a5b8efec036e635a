"""Errors of a board that answers: what it refuses, and what does not hold."""

from __future__ import annotations

from dewarlog.errors.link import LinkError
from dewarlog.errors.root import DewarlogError, ExitCode
from dewarlog_wire import layout


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


class NotRecording(PullError):
    """The logger's run has ended, and what was asked for is recorded in an open one."""

    def __init__(self, device_name: str, what: str) -> None:
        super().__init__(
            f"Logger {device_name} records nothing now, and {what} is recorded in an open run. "
            "Pull what it holds; then reset it, or take its power away for a moment: it begins a "
            "run when it starts. Nothing was changed."
        )
        self.device_name = device_name


class StartedAgain(PullError):
    """The logger started again while its probes were watched: nothing was armed."""

    def __init__(self, device_name: str) -> None:
        super().__init__(
            f"Logger {device_name} started again while its probes were watched, and was not "
            "armed. If nobody else prepares it, see to its battery and its plug: `dewarlog "
            "selftest`. Then run the command again."
        )
        self.device_name = device_name


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
