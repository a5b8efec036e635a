"""The open run: every sample and event durable first, sealed later, found again after a cut.

Takes samples and events from app, joins recorder (bytes) with flash_log (files) and keeps the
excursion engine's state with them; answers the server's questions about what is stored.

Order of writing, so that a power cut at any point loses at most the sample being written:
  1. journal records of a sample and its events: one write, one flush
  2. sealing: what is not yet in the journal goes there, then the block to its segment, then a new
     journal replaces the old in one step
  3. a cut between the two leaves a block and a journal that say the same: `resume` sees by the
     block number that the journal is already sealed
  4. once a block is stored the sealing key moves on (SPEC 4.9), before anything else is written; a
     cut between the two leaves a key whose block is stored: `resume` and `begin` move it on first
"""

import struct

from dewarlog_firmware.flash_log import TORN
from dewarlog_firmware.recorder import LATENESS_MAX_MS
from dewarlog_firmware.seal_key import IN_USE, LOST, NEW
from dewarlog_wire import journal, layout
from dewarlog_wire.errors import JournalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from dewarlog_firmware.flash_log import FlashLog, StoredFile
    from dewarlog_firmware.recorder import Recorder, SealedBlock
    from dewarlog_firmware.seal_key import SealKey

    class Engine(Protocol):
        """What is asked of excursion.Engine."""

        mute: bool

        def sample(self, number: int, t_s: int, t_ms: int, codes: "Sequence[int]") -> None:
            """Judge one sample."""
            ...

        def state_bytes(self) -> bytes:
            """Return what an engine of the same rules needs to go on."""
            ...

        def restore(self, state: bytes) -> None:
            """Go on from there."""
            ...

        def break_time(self) -> None:
            """Count no time across a gap."""
            ...

    class Stalls(Protocol):
        """Who must know that a flash operation may hold interrupts off."""

        def stall_begins(self) -> None:
            """Interrupts may be off from now on."""
            ...

        def stall_ends(self) -> None:
            """Interrupts are on again."""
            ...


ENOSPC = 28  # errno, the same on every port
_EBADF = 9  # what flash_log says where no journal is open: a boot that found no room for one
NO_ROOM = (ENOSPC, _EBADF)  # errnos of a log that takes no event
# What the journal's state record holds before the engine's: shocks so far, 1 if one meant HOLD.
_STATE_HEAD = "<HB"
_STATE_HEAD_BYTES = 3
# Room kept for one full journal, one full block and the last words when memory runs out.
RESERVE_BYTES = 112 * 1024
_LAST_WORDS_BYTES = 16 * 1024
# The pin behind a custody event, and an access event that may come before it, holder and all.
_BESIDE_CUSTODY_BYTES = (
    2 * layout.EVENT_HEAD.size + layout.EVENT_PIN.size + layout.EVENT_ACCESS.size + 33
)


class Recovery:
    """What was found when the board came up in the middle of a run."""

    def __init__(self, recovered_samples: int, dropped_bytes: int, boot: int) -> None:
        self.recovered_samples = recovered_samples
        self.dropped_bytes = dropped_bytes
        self.boot = boot  # the boot that the recovered samples belong to
        self.last_uptime_s: "int | None" = None  # of the newest sample, or None
        self.interval_ms = 10000
        self.was_stopped = False  # the last event says that the logger was stopped on purpose
        self.clock_uptime_s: "int | None" = (
            None  # of the newest clock reading before the cut, or None
        )
        self.clock_utc_s = layout.UTC_UNKNOWN
        self.tilt_values: "tuple | None" = None  # of the newest TILT event, or None
        self.tilt_uptime_s = 0


class Logbook:
    """One run being written. `engine`: excursion.Engine; `full_policy`: layout.FULL_*.

    `key` seals the blocks; without one, or with one that is lost, they have no seal.
    """

    def __init__(
        self,
        recorder: "Recorder",
        flash: "FlashLog",
        engine: "Engine",
        full_policy: int,
        stalls: "Stalls | None" = None,
        means_hold: "Callable[[tuple], bool] | None" = None,
        key: "SealKey | None" = None,
    ) -> None:
        self.recorder = recorder
        self.key = key
        recorder.key = key
        self.flash = flash
        self.engine = engine
        self.stalls = stalls  # told when interrupts may be off: stall_begins, stall_ends
        self.is_full = False
        self.is_open = False  # a run is being written
        # False once no run will be: what is emitted then has no place.
        self.takes_events = True
        self.shocks = 0  # shocks of this run so far, which numbers them
        self.has_held_shock = False  # one of them meant HOLD
        self.last_shock: "tuple | None" = None  # of this boot, or from the journal it found
        self._is_loss_noted = False  # the log says that the key is lost
        self._means_hold = means_hold  # takes the values of a SHOCK event
        # Told of each event before it is added; may add what must stand before it (audit.py).
        self.on_event: "Callable[[int, bytes], None] | None" = None
        self.confirms = 0  # times that a host has confirmed more than before
        self._full_policy = full_policy
        self._now_s = 0
        self._now_ms = 0

    # --- beginning and ending -----------------------------------------------------------------

    def begin(self, sections: list, log_id: bytes, config_crc: int) -> None:
        """Open a new run whose block 0 holds `sections`."""
        self.takes_events = True
        self._settle_key(self.flash.newest_key_index)
        run = self.flash.begin(log_id, config_crc)
        self.recorder.resume(run, 0, 0, layout.CHAIN_START, 0, 0)
        self._make_room(RESERVE_BYTES)
        self._append(self.recorder.run_block(sections, self._now_s, self._now_ms))
        self._open_journal()
        self.is_open = True

    def resume(self) -> Recovery:
        """Continue the run that flash.open_run() found: seal what the journal held."""
        tail = self.flash.recover_tail()
        self._settle_key(lambda: tail.key_index if tail.blocks else self.flash.newest_key_index())
        recorder = self.recorder
        recorder.resume(self.flash.run, 0, tail.blocks, tail.chain, 0, 0)
        try:
            recovery, is_sealed = self._replay()
        except JournalError:
            recovery, is_sealed = self._without_journal()
        except OSError as error:
            if error.args[0] == ENOSPC:
                raise
            recovery, is_sealed = self._without_journal()
        is_torn = (
            recovery.dropped_bytes > 0
        )  # what cannot be read of the journal may be sealed too
        recovery.dropped_bytes += tail.dropped_bytes
        if not recorder.is_empty:
            self._seal_recovered()
        elif is_torn and is_sealed:
            # A block has all of the journal, of which less may be readable by now.
            _, next_sample, next_event, _ = self.flash.counters()
            recorder.resume(
                recorder.run,
                recorder.boot,
                recorder.blocks,
                recorder.chain,
                max(recorder.next_sample, next_sample),
                max(recorder.next_event, next_event),
            )
        self.is_open = True
        # A board that starts again and again stays at the last number there is.
        recorder.boot = min(recovery.boot + 1, 0xFFFF)
        self.engine.break_time()  # before the journal keeps its state: uptime starts anew
        self._open_journal()
        return recovery

    def _seal_recovered(self) -> None:
        """Seal what the journal held; the first block without a seal says why it has none."""
        key, recorder = self.key, self.recorder
        values = struct.pack(layout.EVENT_SEAL_KEY.format, LOST, 0)
        if key is not None and not key.index and recorder.fits_event(len(values)):
            recorder.event(layout.KIND_SEAL_KEY, values, self._now_s, self._now_ms)
            recorder.take_journal()
        self._append(recorder.seal())

    def _settle_key(self, stored_index: "Callable[[], int]") -> None:
        """Move the key on if its block is stored: the power failed between the two."""
        key = self.key
        # A key of this boot has sealed nothing: an index of 1 that is stored was a former key's.
        if key is not None and key.state == IN_USE and stored_index() == key.index:
            self._move_on(key)

    def _replay(self) -> tuple:
        """Put the journal's records back into the recorder and the engine.

        What does not fit one block, since the board that wrote the journal makes larger ones, is
        sealed in several. After a cut among them, what they hold is passed over.
        """
        recorder = self.recorder
        head, records = self.flash.read_journal()
        boot, _, block_seq, first_sample, first_event = head[1:6]
        recorder.resume(
            recorder.run, boot, recorder.blocks, recorder.chain, first_sample, first_event
        )
        recovery = Recovery(0, 0, boot)
        sealed_sample = sealed_event = 0
        is_sealed = self.flash.sealed_since(block_seq)
        if is_sealed:
            _, sealed_sample, sealed_event, _ = self.flash.counters()
        readable = True
        for kind, body in records:
            if kind == TORN:
                recovery.dropped_bytes += body
            elif readable and self._can_replay(kind, body, first_sample):
                if not self._has_room_for(kind, body):
                    self._split()
                if kind == layout.JOURNAL_EVENT:
                    is_held = recorder.next_event < sealed_event
                else:
                    is_held = recorder.next_sample < sealed_sample
                self._replay_record(kind, body, recovery, is_held)
                recorder.take_journal()
            else:
                # Another firmware wrote it: what it says, and what follows from it, is dropped
                # and counted. A board that does not start would record nothing at all.
                readable = False
                recovery.dropped_bytes += len(body) + journal.RECORD_OVERHEAD_BYTES
        recovery.recovered_samples = recorder.next_sample - first_sample
        if recovery.recovered_samples:
            nominal_ms = recorder.uptime_ms + (recorder.count - 1) * recorder.interval_ms
            recovery.last_uptime_s = recorder.uptime_s + nominal_ms // 1000
            recovery.interval_ms = recorder.interval_ms
        return recovery, is_sealed

    def _has_room_for(self, kind: int, body: bytes) -> bool:
        """Tell whether the open block takes one more record of the journal."""
        if kind == layout.JOURNAL_SAMPLE:
            return self.recorder.has_room()
        if kind == layout.JOURNAL_EVENT:
            return self.recorder.fits_event(len(body) - layout.EVENT_HEAD.size)
        return True

    def _split(self) -> None:
        """Seal what was replayed so far; the samples that follow are due as they were."""
        recorder = self.recorder
        interval_ms = recorder.interval_ms
        nominal_ms = recorder.uptime_ms + recorder.count * interval_ms
        uptime_s = recorder.uptime_s
        self._append(recorder.seal())
        recorder.begin_span(interval_ms, uptime_s + nominal_ms // 1000, nominal_ms % 1000)

    def _can_replay(self, kind: int, body: bytes, first_sample: int) -> bool:
        """Tell whether a record whose CRC holds is one this firmware can have written here."""
        recorder = self.recorder
        if kind == layout.JOURNAL_STATE:
            return len(body) >= _STATE_HEAD_BYTES
        if kind == layout.JOURNAL_SPAN:
            record = layout.JOURNAL_SPAN_BODY
            # Its interval, of 0, would make samples of no time.
            return len(body) == record.size and body[:4] != bytes(4)
        if kind == layout.JOURNAL_SAMPLE:
            return (
                len(body) == 2 + 2 * recorder.columns
                and abs(struct.unpack_from("<h", body, 0)[0]) <= LATENESS_MAX_MS
                and recorder.interval_ms != 0
            )
        if kind == layout.JOURNAL_RAW:
            return len(body) == layout.RAW_SET.size and recorder.next_sample > first_sample
        if kind != layout.JOURNAL_EVENT:
            return True  # `_replay_record` passes over it
        length = len(body) - layout.EVENT_HEAD.size
        if length < 0 or body[1] != length:
            return False
        record = layout.EVENTS.get(body[0])
        if record is None or body[0] in layout.EVENT_TEXTS:
            return True  # stored as it is
        if body[0] == layout.KIND_SETTING:
            return length >= record.size  # two payloads stand behind its record
        return length == record.size

    def _replay_record(self, kind: int, body: bytes, recovery: Recovery, is_held: bool) -> None:
        """Replay one record; of one that a block holds already, only what follows from it."""
        recorder = self.recorder
        if kind == layout.JOURNAL_STATE:
            self.shocks, hard = struct.unpack_from(_STATE_HEAD, body, 0)
            self.has_held_shock = hard != 0
            try:
                self.engine.restore(body[_STATE_HEAD_BYTES:])
            except ValueError:
                # Of another firmware: the rules begin anew, which the host's own count will show.
                # A board that does not start would record nothing at all.
                self.engine.break_time()
        elif kind == layout.JOURNAL_SPAN:
            interval_ms, uptime_ms, uptime_s = struct.unpack(layout.JOURNAL_SPAN_BODY.format, body)
            recorder.begin_span(interval_ms, uptime_s, uptime_ms)
        elif kind == layout.JOURNAL_SAMPLE:
            values = struct.unpack("<%dh" % (len(body) // 2), body)
            self.engine.mute = True
            self.judge(values[0], values[1:])
            self.engine.mute = False
            if is_held:
                recorder.pass_sample()
            else:
                recorder.sample(values[0], values[1:])
        elif kind == layout.JOURNAL_RAW:
            if not recorder.count:
                return  # the sample it belongs to is held
            channel, fault, _, voltage_raw, cold_raw = struct.unpack(layout.RAW_SET.format, body)
            recorder.raw_set(channel, fault, voltage_raw, cold_raw)
        elif kind == layout.JOURNAL_EVENT:
            head_bytes = layout.EVENT_HEAD.size
            event_kind, _, uptime_ms, uptime_s = struct.unpack_from(
                layout.EVENT_HEAD.format, body, 0
            )
            if is_held:
                recorder.pass_event()
            else:
                recorder.event(event_kind, body[head_bytes:], uptime_s, uptime_ms)
            recovery.was_stopped = event_kind == layout.KIND_STOP
            if event_kind == layout.KIND_CLOCK_READ:
                recovery.clock_uptime_s = uptime_s
                recovery.clock_utc_s = struct.unpack_from("<I", body, head_bytes)[0]
            elif event_kind == layout.KIND_SHOCK:
                shock = struct.unpack(layout.EVENT_SHOCK.format, body[head_bytes:])
                self.shocks = shock[0]
                self._weigh_shock(shock)
            elif event_kind == layout.KIND_TILT:
                recovery.tilt_uptime_s = uptime_s
                recovery.tilt_values = struct.unpack(layout.EVENT_TILT.format, body[head_bytes:])

    def _without_journal(self) -> tuple:
        """The journal is gone or its head unreadable: go on behind the last block."""
        boot, next_sample, next_event, self.shocks = self.flash.counters()
        recorder = self.recorder
        recorder.resume(
            recorder.run, boot, recorder.blocks, recorder.chain, next_sample, next_event
        )
        self.engine.break_time()
        return Recovery(0, self.flash.stored_journal_bytes(), boot), False

    def end(self) -> None:
        """Seal what is open and close the run for good.

        A journal that finds no room as a block stays as it is, for a host. Where not even the
        run's state finds any, the run is open again after the next boot.
        """
        self.is_open = self.takes_events = False
        keep_journal = False
        try:
            if not self.recorder.is_empty:
                self.commit()
                self._append(self.recorder.seal())
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise
            keep_journal = True
        try:
            self.flash.close_run(keep_journal)
        except OSError as error:
            if error.args[0] != ENOSPC:
                raise

    # --- writing ------------------------------------------------------------------------------

    def at(self, uptime_s: int, uptime_ms: int) -> None:
        """Set the time that events carry from here on."""
        self._now_s = uptime_s
        self._now_ms = uptime_ms

    def emit(self, kind: int, values: tuple) -> None:
        """Add one event; it is durable after the next `commit`."""
        self.record(kind, struct.pack(layout.EVENTS[kind].format, *values))

    def record(self, kind: int, body: bytes) -> None:
        """Add one event whose body is packed already.

        Room for the events of a sample is made before the sample (Recorder.has_room), so that
        only other events can meet a full block or a full buffer here.
        """
        if not self.takes_events:
            return
        if self.on_event is not None:
            self.on_event(kind, body)
        if not self.recorder.fits_event(len(body)):
            self.seal()
        if self.recorder.wants_commit:
            self.commit()
        self.recorder.event(kind, body, self._now_s, self._now_ms)

    def note_shock(self, values: tuple) -> None:
        """Add a SHOCK event."""
        self.emit(layout.KIND_SHOCK, values)
        self._weigh_shock(values)

    def _weigh_shock(self, values: tuple) -> None:
        """Remember a SHOCK event, new or from the journal, and whether it means HOLD."""
        self.last_shock = values
        if self._means_hold is not None and self._means_hold(values):
            self.has_held_shock = True

    def judge(self, lateness_ms: int, codes: "Sequence[int]") -> None:
        """Show the next sample to the excursion engine, which emits what it finds."""
        recorder = self.recorder
        nominal_ms = recorder.uptime_ms + recorder.count * recorder.interval_ms + lateness_ms
        self.engine.sample(
            recorder.next_sample,
            recorder.uptime_s + nominal_ms // 1000,
            nominal_ms % 1000,
            codes,
        )

    def commit(self) -> None:
        """Make everything added so far durable.

        Raises OSError (ENOSPC, with `is_full` set) when memory is full; nothing stored is lost.
        """
        view = self.recorder.take_journal()
        if len(view):
            self._store(self.flash.append_journal, view)

    def seal(self) -> tuple:
        """Seal the open block if it holds anything; return (blocks, chain value).

        OSError when the newest run has a journal that nobody here can seal: who was told that
        all is sealed would not pull it.
        """
        recorder = self.recorder
        if not self.is_open and self.flash.keeps_journal():
            raise OSError(_EBADF)
        if not recorder.is_empty:
            # A cut behind the block finds the old journal: it must hold what the block holds, or
            # numbers would be given twice and the engine would not have seen the last sample.
            self.commit()
            self._append(recorder.seal())
            self._open_journal()
            self._note_loss()
        return recorder.blocks, recorder.chain

    def write_shock(self, sections: "bytes | memoryview", uptime_s: int, uptime_ms: int) -> bool:
        """Store the block of one shock window at once; False when memory is too full for it.

        `sections`: as Recorder.shock_sections made them.
        """
        self.commit()
        if not self._make_room(RESERVE_BYTES):
            return False
        view = self.recorder.shock_block(sections, uptime_s, uptime_ms)
        self._append(view)
        self._note_loss()
        return True

    def note_key(self) -> None:
        """Add a SEAL_KEY event, at the begin of a run or a boot: which key seals from here on."""
        key = self.key
        if key is None:
            return
        self._is_loss_noted = not key.index
        self.emit(layout.KIND_SEAL_KEY, (key.state, key.index))
        if key.state == NEW:
            key.state = IN_USE
        if self._is_loss_noted:
            self.seal()  # so that no other block without a seal comes before the reason

    def _note_loss(self) -> None:
        """Say that the key was lost while it was in use."""
        if self.key is not None and not self.key.index and not self._is_loss_noted:
            self.note_key()

    def record_custody(self, body: bytes) -> None:
        """Add a custody event, and behind it the head the log had then; both durable on return."""
        if not self.recorder.fits_event(len(body) + _BESIDE_CUSTODY_BYTES):
            self.seal()
        self.commit()  # so that both fit the journal's buffer, and one commit
        self.record(layout.KIND_CUSTODY, body)
        self.emit(layout.KIND_PIN, self.head())
        self.commit()

    def _append(self, sealed: "SealedBlock") -> None:
        """Store a block, then forget the key of its seal."""
        self._store(self.flash.append_block, sealed)
        if self.key is not None and self.key.index:
            self._move_on(self.key)

    def _move_on(self, key: "SealKey") -> None:
        if self.stalls is not None:
            self.stalls.stall_begins()
        try:
            key.move_on()
        finally:
            if self.stalls is not None:
                self.stalls.stall_ends()

    def _open_journal(self) -> None:
        state = struct.pack(_STATE_HEAD, self.shocks, int(self.has_held_shock))
        state += self.engine.state_bytes()
        self.recorder.open_journal(state, self._now_s, self._now_ms)
        self._store(self.flash.start_journal, self.recorder.take_journal())

    def _store(self, write: "Callable[[Any], None]", data: "memoryview | SealedBlock") -> None:
        if self.stalls is not None:
            self.stalls.stall_begins()
        try:
            write(data)
        except OSError as error:
            self.is_full = self.is_full or error.args[0] == ENOSPC
            raise
        finally:
            if self.stalls is not None:
                self.stalls.stall_ends()

    # --- room ---------------------------------------------------------------------------------

    def check_room(self) -> bool:
        """Make room for the next block if need be; False when the run must stop."""
        return self._make_room(RESERVE_BYTES)

    def has_last_words(self) -> bool:
        """Tell whether a gap and a stop event can still be sealed."""
        return self.flash.free_bytes() >= _LAST_WORDS_BYTES

    def _make_room(self, wanted_bytes: int) -> bool:
        while self.flash.free_bytes() < wanted_bytes:
            if self._drop_confirmed_run():
                continue
            if self._full_policy != layout.FULL_OVERWRITE or not self._drop_segment():
                return False
        return True

    def _drop_confirmed_run(self) -> bool:
        """Give up the oldest earlier run, if a host has confirmed that it holds all of it."""
        for run in self.flash.runs():
            state = self.flash.read_state(run)
            if run == self.recorder.run:
                continue
            if state is None and self.flash.is_empty(run):  # a power cut stopped its removal
                self.remove_run(run)
                return True
            if self.is_confirmed(run):
                self.remove_run(run)
                return True
        return False

    def remove_run(self, run: int) -> None:
        """Give up a run that has ended. The caller has checked that it may go."""
        if self.stalls is not None:
            self.stalls.stall_begins()
        try:
            self.flash.remove_run(run)
        finally:
            if self.stalls is not None:
                self.stalls.stall_ends()

    def is_confirmed(self, run: int) -> bool:
        """Tell whether a host has confirmed that it holds all of a run that has ended."""
        state = self.flash.read_state(run)
        if state is None or not state.closed:
            return False
        entries = [self.flash.entry(*key) for key in self.flash.entries() if key[0] == run]
        return all(self._is_held(entry) for entry in entries)

    def _is_held(self, entry: tuple) -> bool:
        """Tell whether a host has all that a file of a closed run says."""
        if entry[2] & layout.ENTRY_CONFIRMED:
            return True
        return entry[1] == layout.FILE_JOURNAL and self.flash.journal_is_spent(entry[0])

    def _drop_segment(self) -> bool:
        """Give up the oldest segment of this run but the first, which says what the run is.

        It is told before it is done: a power cut between the two must not leave an untold hole.
        What is told is all that is gone by then, since what was told before may be in it. The
        numbers of samples tell that much, and nothing how long it was.
        """
        segments = self.flash.segments(self.recorder.run)
        if len(segments) < 3:
            return False
        samples = self.flash.samples_between(segments[0], segments[2:], self.recorder.first_sample)
        self.emit(
            layout.KIND_GAP,
            (
                layout.STREAM_SAMPLES,
                layout.GAP_OVERWRITTEN,
                0,
                layout.GAP_LENGTH_UNKNOWN,
                samples,
            ),
        )
        self.commit()
        self.flash.remove_segment(segments[1])
        return True

    # --- what the server asks -----------------------------------------------------------------

    def list_count(self) -> int:
        """Return how many files a host may read."""
        return len(self.flash.entries())

    def list_entry(self, index: int) -> tuple:
        """Return the LIST_ENTRY values of the index-th file. Raises IndexError."""
        return self.flash.entry(*self.flash.entries()[index])

    def open(self, run: int, file: int, etag: int) -> "StoredFile":
        """Open a stored file. Raises KeyError when there is none, ValueError when changed."""
        return self.flash.open_stored(run, file, etag)

    def backlog_bytes(self) -> int:
        """Return the bytes of the open run that no host has confirmed yet."""
        total = 0
        for run, file in self.flash.entries():
            if run == self.recorder.run:
                entry = self.flash.entry(run, file)
                if not entry[2] & layout.ENTRY_CONFIRMED:
                    total += entry[4]
        return total

    def head(self) -> tuple:
        """Return (blocks, chain value) of the open run."""
        return self.recorder.blocks, self.recorder.chain

    def confirm(self, run: int, blocks: int, chain: bytes, utc_s: int) -> bool:
        """Take a host's word that it holds `blocks` blocks, if it names the right chain value."""
        state = self.flash.read_state(run)
        if state is None or self.flash.chain_after(run, blocks) != bytes(chain):
            return False
        if blocks > state.confirmed_blocks:
            state.confirmed_blocks = blocks
            self.flash.write_state(run, state)
            self.confirms += 1
        if run == self.recorder.run and self.is_open and not state.closed:
            self.emit(layout.KIND_PULL, (blocks - 1, utc_s))
            self.commit()
        return True

    def has_chain(self, blocks: int, chain: bytes) -> bool:
        """Tell whether `chain` is the open run's chain value behind its first `blocks` blocks."""
        return self.flash.chain_after(self.recorder.run, blocks) == bytes(chain)

    def log_id(self) -> bytes:
        """Return the id of the open run; zeros when its state file is unreadable."""
        state = self.flash.read_state(self.recorder.run)
        return bytes(8) if state is None else state.log_id
