"""What a bench asks of a board: live figures, profile, self-test, erasure.

Beside session, whose rule of asking it uses: typed data out, an error of `errors` where the board
refuses. Knows nothing of what stands in a profile. Message bytes and rules: protocol/SPEC.md 7.11.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

from dewarlog.errors import (
    DeviceRefused,
    KeyNeeded,
    LinkError,
    NoAnswer,
    NoBench,
    NotRecording,
    NotRestarted,
    PeerViolation,
    ProfileChanged,
    ProfileNotPut,
    ProfileRefused,
    ProfileUnknown,
    Unreachable,
)
from dewarlog.replies import read_record
from dewarlog_wire import access, events, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dewarlog.replies import Board, Status
    from dewarlog.session import Session

# A self-test is over within 30 s (7.11.4); erasing takes the flash about as long.
SLOW_AGAIN_S: Final = 5.0
SLOW_GIVE_UP_S: Final = 60.0
# A board starts again within 2 s, and then a Pico opens its log and its sealing key.
RESTART_GIVE_UP_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.3
# Times that a profile which changes on its way is read, and a lost link's handed over, anew.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Live:
    """The board's figures now; fields as in layout.LIVE_REPLY, a test holds the two together."""

    firmware_major: int
    firmware_minor: int
    firmware_patch: int
    micropython_major: int
    micropython_minor: int
    micropython_patch: int
    profile_crc32: int
    heap_free_bytes: int
    heap_low_bytes: int
    pass_max_us: int
    wake_ups: int
    awake_s: int
    late_ms: int
    rules_pending: int
    parts: int
    tilt_angle_deg: int
    tilt_band: int
    band_0_s: int
    band_1_s: int
    band_2_s: int
    band_3_s: int
    shocks: int
    shock_band: int
    shock_peak: int
    shock_velocity_change_mm_s: int
    voltage_raw_0: int
    voltage_raw_1: int
    voltage_raw_2: int
    voltage_raw_3: int
    cold_junction_raw_0: int
    cold_junction_raw_1: int
    cold_junction_raw_2: int
    cold_junction_raw_3: int
    fault_0: int
    fault_1: int
    fault_2: int
    fault_3: int

    @property
    def firmware(self) -> str:
        """The firmware's version: `0.1.0`."""
        return f"{self.firmware_major}.{self.firmware_minor}.{self.firmware_patch}"

    @property
    def micropython(self) -> str:
        """MicroPython's version: `1.25.0`."""
        return f"{self.micropython_major}.{self.micropython_minor}.{self.micropython_patch}"

    @property
    def part_states(self) -> dict[str, int]:
        """The state of each of layout.PART_NAMES, as in layout.SENSOR_STATE_NAMES."""
        return {name: self.parts >> 4 * index & 15 for index, name in enumerate(layout.PART_NAMES)}

    @property
    def band_s(self) -> tuple[int, int, int, int]:
        """Seconds in each tilt band since the run began."""
        return (self.band_0_s, self.band_1_s, self.band_2_s, self.band_3_s)

    @property
    def voltages_raw(self) -> tuple[int, int, int, int]:
        """The thermocouple code of each channel, as in a RAW_SET."""
        return (self.voltage_raw_0, self.voltage_raw_1, self.voltage_raw_2, self.voltage_raw_3)

    @property
    def cold_junctions_raw(self) -> tuple[int, int, int, int]:
        """The cold junction of each channel, in 1/64 degC."""
        return (
            self.cold_junction_raw_0,
            self.cold_junction_raw_1,
            self.cold_junction_raw_2,
            self.cold_junction_raw_3,
        )

    @property
    def faults(self) -> tuple[int, int, int, int]:
        """The fault register of each channel's converter."""
        return (self.fault_0, self.fault_1, self.fault_2, self.fault_3)


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of a self-test; the first six fields as in layout.EVENT_SELFTEST."""

    test: int
    index: int
    """Which of several: a channel or an axis, else 0."""
    verdict: int
    """Of layout.SELFTEST_VERDICT_NAMES."""
    value: int
    least: int
    most: int

    @property
    def name(self) -> str:
        """What was tested; a test that this program does not know has a number."""
        known = self.test < len(layout.SELFTESTS)
        return layout.SELFTESTS[self.test][0] if known else f"test {self.test}"

    @property
    def unit(self) -> str:
        """The unit of `value`, `least` and `most`."""
        return layout.SELFTESTS[self.test][1] if self.test < len(layout.SELFTESTS) else ""

    @property
    def passed(self) -> bool:
        """True for a pass, False for a failure and for what is not there."""
        return self.verdict == 0


@dataclass(frozen=True, slots=True)
class Erased:
    """What ERASE answers."""

    erased: int
    """Runs."""
    kept: int
    """Runs in reach that were left, because no host has confirmed to hold them."""


def live(session: Session) -> Live:
    """Ask for the board's figures.

    Raises:
        NoBench: its firmware has none.
    """
    _expect_bench(session)
    reply = session.request(layout.MSG_LIVE, b"", "LIVE")
    return Live(*read_record(layout.LIVE_REPLY, reply))


# --- the profile ---------------------------------------------------------------------------------


def get_profile(session: Session) -> bytes:
    """Return the board's /profile.json, b"" when it has none: it runs by its built-in profile.

    Raises:
        NoBench: its firmware gives none.
        ProfileChanged: it became another each time it was read.
        PeerViolation: the parts do not make a whole.
    """
    board = _expect_bench(session)
    for _ in range(_TRIES):
        profile = _read_once(session)
        if profile is not None:
            return profile
    raise ProfileChanged(board.name, "it became another each time it was read")


def _read_once(session: Session) -> bytes | None:
    """Return the profile; None when it became another on the way."""
    profile = b""
    first: tuple[int, int] | None = None
    while True:
        body = struct.pack(layout.GET.format, len(profile))
        try:
            reply = session.request(layout.MSG_GET, body, "GET of the profile")
        except DeviceRefused as refusal:
            if refusal.code == layout.ERROR_RANGE and profile:
                return None  # it has become shorter
            raise
        head = layout.GET_REPLY.size
        total, crc = read_record(layout.GET_REPLY, reply[:head])
        first = first or (total, crc)
        if (total, crc) != first:
            return None
        part = reply[head:]
        profile += part
        if len(profile) > total or (not part and len(profile) < total):
            raise PeerViolation(f"its profile of {total} bytes came as {len(profile)}")
        if len(profile) == total:
            if crc32(profile) != crc:
                raise PeerViolation("its profile is not the one whose CRC it tells")
            return profile


def put_profile(
    session: Session,
    profile: bytes,
    *,
    before: bytes,
    purpose: int,
    utc_s: int,
    actor: str,
    note: str,
    on_loss: Callable[[], object] = lambda: None,
) -> None:
    """Put a profile in force: the board records it, ends its run, and starts again.

    `await_restart` waits for that.

    `before` is the profile that was read before (get_profile); `purpose` one of
    layout.PURPOSE_NAMES; `utc_s` this computer's clock, in seconds since
    layout.UTC_EPOCH_UNIX_S. A profile equal to the one before begins a new run too. `on_loss` is
    called when the board has to be looked for.

    Raises:
        ProfileRefused: the board cannot use it, or it is too large for one; nothing changed.
        ProfileChanged: the board's profile is not `before`; nothing changed.
        DeviceRefused: another reason; nothing changed.
        ProfileNotPut: the link was lost; nothing changed.
        ProfileUnknown: the link was lost, and the board did not come back to be asked; or it came
            back, and the profile is the one before, which says nothing.
        BlockError: `actor` or `note` is too long.
        NoBench: its firmware takes none.
    """
    board = _expect_bench(session)
    _expect_size(board, profile)
    values = (purpose, utc_s, crc32(before) if before else 0, crc32(profile))
    end = struct.pack(layout.PUT_END.format, len(profile)) + events.texts_body(
        layout.KIND_PROFILE, values, (actor, note)
    )
    try:
        _hand_over(session, profile)
    except (Unreachable, NoAnswer) as loss:
        raise ProfileNotPut(session.link.name, board.name, loss) from loss
    try:
        session.request(layout.MSG_PUT_END, end, "PUT_END of the profile", once=True)
    except DeviceRefused as refusal:
        if refusal.code == layout.ERROR_MALFORMED:
            raise ProfileRefused(board.name, refusal) from refusal
        if refusal.code == layout.ERROR_CHANGED:
            raise ProfileChanged(board.name, refusal.text) from refusal
        raise
    except (Unreachable, NoAnswer) as loss:
        # It may have been carried out: the board then starts again, which takes the link away too.
        if profile == before:
            raise ProfileUnknown(session.link.name, board.name, loss) from loss
        on_loss()
        if _when_back(session, board, loss) != profile:
            raise ProfileNotPut(session.link.name, board.name, loss) from loss


def _when_back(session: Session, board: Board, loss: LinkError) -> bytes:
    """Return the profile of a board whose link was lost, once it answers again."""
    began_s = session.clock()
    last = loss
    while session.clock() - began_s < RESTART_GIVE_UP_S:
        session.pause(_LOOK_EVERY_S)
        try:
            session.reopen()
            return get_profile(session)
        except LinkError as error:
            last = error
        except DeviceRefused as refusal:
            if refusal.code != layout.ERROR_BUSY:  # busy: it is about to start again
                raise
    raise ProfileUnknown(session.link.name, board.name, last) from last


def _expect_size(board: Board, profile: bytes) -> None:
    if 0 < len(profile) <= layout.PROFILE_MAX_BYTES:
        return
    text = f"it has {len(profile)} bytes; a logger takes 1 to {layout.PROFILE_MAX_BYTES}"
    name = layout.ERROR_NAMES[layout.ERROR_RANGE]
    raise ProfileRefused(
        board.name, DeviceRefused("PUT of the profile", layout.ERROR_RANGE, name, text)
    )


def _hand_over(session: Session, profile: bytes) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            _hand_over_once(session, profile)
            break
        except Unreachable as loss:
            if not tries_left:
                raise
            session.come_back(loss)  # the board has forgotten what it was handed


def _hand_over_once(session: Session, profile: bytes) -> None:
    room = min(layout.REQUEST_BODY_MAX_BYTES, session.link.body_max_bytes)
    room -= layout.PUT.size + layout.SESSION_TAG.size
    for offset in range(0, len(profile), room):
        body = struct.pack(layout.PUT.format, len(profile), offset)
        body += profile[offset : offset + room]
        session.request(layout.MSG_PUT, body, "PUT of the profile", once=True)


def await_restart(
    session: Session, run_before: int, timeout_s: float = RESTART_GIVE_UP_S
) -> Status:
    """Open the link anew until the board has started again and recorded in a new run.

    `run_before` is the run it had (Status.run). The session goes on with the board as it is then.

    Raises:
        NotRestarted: it did not within `timeout_s`.
        Impostor, KeyRefused, PeerViolation and the like: what answers is not the board as it was.
    """
    return _await(session, lambda status: status.run != run_before, timeout_s)


def await_boot(
    session: Session, board: Board, before: Status, timeout_s: float = RESTART_GIVE_UP_S
) -> Status:
    """Open the link anew until the board has started again and records, in whatever run.

    `board` is what it was, which `session` need not know, and `before` its status. Raises as
    `await_restart`; PeerViolation where another board is there then.
    """
    was = (before.run, before.boot)
    status = _await(session, lambda now: (now.run, now.boot) != was, timeout_s)
    now = session.hello()
    if now.device_id != board.device_id:
        raise PeerViolation(f"logger {board.name} became logger {now.name} meanwhile")
    return status


def _await(session: Session, is_new: Callable[[Status], bool], timeout_s: float) -> Status:
    name = "?" if session.board is None else session.board.name
    began_s = session.clock()
    last = "it does not answer"
    while session.clock() - began_s < timeout_s:
        session.pause(_LOOK_EVERY_S)
        try:
            session.reopen()
            status = session.status()
        except LinkError as error:  # the port is away, or not there yet, or nobody listens yet
            last = str(error)
            continue
        if is_new(status) and status.recording:
            return status
        last = f"it is in run {status.run}" + ("" if status.recording else ", not recording")
    raise NotRestarted(name, timeout_s, last)


# --- self-test and erasure -----------------------------------------------------------------------


def selftest(session: Session) -> tuple[TestResult, ...]:
    """Have the board test itself, and return every result; it takes up to half a minute.

    Raises:
        NoBench: its firmware has no self-test.
        DeviceRefused: not now.
        PeerViolation: the pages do not make a whole.
    """
    return _results(session, 0)


def last_selftest(session: Session) -> tuple[TestResult, ...]:
    """Return every result of the newest self-test since the board started; empty: there was none.

    Raises:
        NoBench, PeerViolation: as `selftest`.
        DeviceRefused: it tests itself just now, or this takes a key that is not here.
    """
    try:
        return _results(session, layout.SELFTEST_LAST)
    except DeviceRefused as refusal:
        if refusal.code == layout.ERROR_RANGE:
            return ()
        raise


def _results(session: Session, begin: int) -> tuple[TestResult, ...]:
    """Ask for results page by page; `begin` is asked for the first of them."""
    _expect_bench(session)
    results: list[TestResult] = []
    total = 1
    while len(results) < total:
        body = struct.pack(layout.SELFTEST.format, len(results) or begin)
        reply = session.request(
            layout.MSG_SELFTEST,
            body,
            "SELFTEST",
            again_s=SLOW_AGAIN_S,
            give_up_s=SLOW_GIVE_UP_S,
        )
        head = layout.SELFTEST_REPLY.size
        said, first, count = read_record(layout.SELFTEST_REPLY, reply[:head])
        if not results:
            total = said
        if (said, first) != (total, len(results)) or not 0 < count <= total - first:
            raise PeerViolation(
                f"asked for its test results from {len(results)}, it answered with {count} of "
                f"{said} from {first}"
            )
        size = layout.EVENT_SELFTEST.size
        if len(reply) != head + count * size:
            raise PeerViolation(f"{len(reply)} bytes cannot hold {count} test results")
        entries = struct.iter_unpack(layout.EVENT_SELFTEST.format, reply[head:])
        results.extend(TestResult(*entry) for entry in entries)
    return tuple(results)


def erase(session: Session, to_run: int, *, unpulled: bool) -> Erased:
    """Erase the runs up to `to_run`, never the open one; with `unpulled` also what nobody holds.

    Raises:
        NoBench: its firmware erases nothing by wire.
        DeviceRefused: not now, or there is no room to record it.
    """
    _expect_bench(session)
    flags = layout.ERASE_UNPULLED if unpulled else 0
    reply = session.request(
        layout.MSG_ERASE,
        struct.pack(layout.ERASE.format, to_run, flags),
        "ERASE",
        again_s=SLOW_AGAIN_S,
        give_up_s=SLOW_GIVE_UP_S,
    )
    return Erased(*read_record(layout.ERASE_REPLY, reply))


@contextlib.contextmanager
def in_an_open_run(session: Session, what: str) -> Generator[None]:
    """Say what to do where the block is refused because the board's run has ended.

    Raises:
        NotRecording: it has; `what` names what was asked for.
    """
    try:
        yield
    except DeviceRefused as refusal:
        if refusal.code != layout.ERROR_MALFORMED or session.status().recording:
            raise
        name = "?" if session.board is None else session.board.name
        raise NotRecording(name, what) from refusal


def expect_rights(session: Session, status: Status, what: str = "PUT of the profile") -> None:
    """Refuse before a wait, or half an hour of baths, what the board would refuse after it.

    Raises:
        KeyNeeded: this computer may not do there what takes the admin key; `what` names it.
    """
    may = access.MAY_UNPROVEN[not session.link.name.startswith("ble:"), status.locked]
    may |= 0 if session.proof is None else session.proof.may
    if may & layout.MAY_BENCH:
        return
    name = layout.ERROR_NAMES[layout.ERROR_NOT_ALLOWED]
    refusal = DeviceRefused(what, layout.ERROR_NOT_ALLOWED, name, "")
    held = session.not_proven if session.proof is None else f"it has the {session.proof.name} only"
    board = _expect_bench(session)
    raise KeyNeeded(board.name, refusal, locked=status.locked, needs=layout.MAY_BENCH, held=held)


def _expect_bench(session: Session) -> Board:
    """Return the board of this conversation, which must know these requests.

    Raises:
        NoBench: it does not.
    """
    board = session.board
    if board is None:
        board = session.hello()
    if not board.features & layout.FEATURE_BENCH:
        raise NoBench(board.name)
    return board
