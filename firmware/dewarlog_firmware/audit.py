"""Who did what, in the log: says who speaks before what he brings about, and what went unproven.

Beside logbook, which shows every event to `before` as it comes. What each event says:
protocol/SPEC.md section 5, 18 to 22.

Who speaks is recorded when it first matters, not when he comes: a status asked every minute for
ten days is nobody's business and would fill the log.
"""

import struct

from dewarlog_firmware.access import PROVEN, UNPROVEN
from dewarlog_firmware.logbook import NO_ROOM
from dewarlog_wire import events, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog_firmware.access import Guard, Visitor
    from dewarlog_firmware.logbook import Logbook

# What a host can bring about. Some come of themselves too: nobody speaks then.
_BY_HOST = (
    layout.KIND_CLOCK_SYNC,
    layout.KIND_CUSTODY,
    layout.KIND_PULL,
    layout.KIND_RADIO,
    layout.KIND_HANDOFF,
    layout.KIND_ACKNOWLEDGE,
    layout.KIND_LOCK,
    layout.KIND_SIGNATURE,
    layout.KIND_STOP,
    layout.KIND_PROFILE,
    layout.KIND_SELFTEST,
    layout.KIND_ERASE,
)
# What a person is to look at: place in the body and the value that means nothing is wrong.
_RAISES = {
    layout.KIND_PROBE_STATE: (layout.AT_PROBE_STATE, layout.STATE_OK),
    layout.KIND_SENSOR: (layout.AT_SENSOR_STATE, 0),
    layout.KIND_SUPPLY: (layout.AT_SUPPLY_LOW, 0),
}


class Audit:
    """The log's account of who speaks, and whether a person has seen what was raised.

    `stamp` lets events carry the present time; `has_held` tells whether anything in this run means
    HOLD, `means_hold` whether the values of a SHOCK event do. What was acknowledged is forgotten
    at a boot: how long the board was off is one more thing to look at.
    """

    def __init__(
        self,
        logbook: "Logbook",
        guard: "Guard",
        stamp: "Callable[[], None]",
        has_held: "Callable[[], bool]",
        means_hold: "Callable[[tuple], bool]",
    ) -> None:
        self._logbook = logbook
        self._guard = guard
        self._stamp = stamp
        self._has_held = has_held
        self._means_hold = means_hold
        self._last: "tuple | None" = None  # who spoke last, as the log says in this boot
        self._is_seen = False
        self._seen_held = False

    def before(self, kind: int, body: bytes) -> None:
        """Take note of an event that is about to be added: logbook's `on_event`."""
        speaker = self._guard.speaker
        if speaker is not None and kind in _BY_HOST:
            self._introduce(speaker)
        if self._is_seen and self._raises(kind, body):
            self._is_seen = False

    # --- who speaks ---------------------------------------------------------------------------

    def _introduce(self, visitor: "Visitor") -> None:
        """Say who he is, unless the log's last word on that is he.

        Who has not proven himself is another one in each conversation.
        """
        known = visitor.introduced or visitor.is_proven
        if not (known and self._last == visitor.name()):
            self._add(visitor, PROVEN if visitor.is_proven else UNPROVEN, self._guard.failures)

    def note_access(self, visitor: "Visitor", result: int, failures: int) -> None:
        """Record an attempt, and make it durable; nothing when the log takes no more."""
        logbook = self._logbook
        if not logbook.is_open or logbook.is_full:
            return
        self._stamp()
        try:
            self._add(visitor, result, failures)
            logbook.commit()
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise

    def note(self, kind: int, values: tuple) -> None:
        """Record what has happened; a log that is full or closed does not undo it."""
        logbook = self._logbook
        if not logbook.is_open:
            return
        self._stamp()
        try:
            logbook.emit(kind, values)
            logbook.commit()
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise

    def _add(self, visitor: "Visitor", result: int, failures: int) -> None:
        key = visitor.key if result in (PROVEN, UNPROVEN) else visitor.tried
        values = (result, visitor.link, key, failures, visitor.token_id)
        body = events.texts_body(layout.KIND_ACCESS, values, (visitor.holder,))
        self._logbook.record(layout.KIND_ACCESS, body)
        if result in (PROVEN, UNPROVEN):
            visitor.introduced = True
            self._last = visitor.name()

    # --- what a person has seen ---------------------------------------------------------------

    def acknowledge(self) -> None:
        """Remember that a person has seen what there is."""
        self._is_seen = True
        self._seen_held = self._has_held()

    @property
    def is_acknowledged(self) -> bool:
        """Tell whether nothing was raised since a person looked."""
        return self._is_seen and (self._seen_held or not self._has_held())

    def _raises(self, kind: int, body: bytes) -> bool:
        """Tell whether an event says something that nobody can have seen yet."""
        if kind in _RAISES:
            at, fine = _RAISES[kind]
            return body[at] != fine
        if kind == layout.KIND_GAP:
            return body[layout.AT_GAP_CAUSE] == layout.GAP_MEMORY_FULL
        if kind == layout.KIND_SHOCK:
            return self._means_hold(struct.unpack(layout.EVENT_SHOCK.format, body))
        return kind == layout.KIND_EXCURSION_BEGIN
