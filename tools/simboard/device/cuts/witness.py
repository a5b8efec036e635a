"""Sees what the firmware hands to its log and what of it became durable; remembers over cuts.

Stands between the parts: wraps methods of Recorder, FlashLog, Logbook and Engine, and
`write_whole`. Durable is what was handed over before a call that stores it returned. What was
handed over and not durable may be there after a cut or not; what is there must be what was said.

A reference engine, which never loses power, is shown every sample that is kept, and every break in
time: the board's own must stand as it does after each boot, and emit what it emits.
"""

from dewarlog_firmware import (
    changes,
    device_key,
    flash_log,
    lock,
    logbook,
    radio,
    recorder,
    seal_key,
    signer,
)
from dewarlog_firmware.excursion import Engine
from dewarlog_wire import layout
from simboard.device.cuts.broken import need
from simboard.device.cuts.seals import Seals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BLOCKS = ("/seal.a", "/seal.b")  # of the sealing key, written past the file system
BREAK = None  # in `steps`: no time is counted across here
_EXCURSION_KINDS = (
    layout.KIND_EXCURSION_BEGIN,
    layout.KIND_EXCURSION_EXTREME,
    layout.KIND_EXCURSION_END,
)


class RunWitness:
    """What was said to be of one run."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.samples = []  # (lateness_ms, codes)
        self.events = []  # (kind, body, uptime_s, uptime_ms)
        self.blocks = []  # bytes of each sealed block
        self.boots = set()  # those that samples were recorded in
        self.durable_samples = 0
        self.durable_events = 0
        self.durable_blocks = 0
        self.confirmed_blocks = 0  # answered
        self.offered_blocks = 0  # asked: the answer may have been lost
        self.closed = False
        self.removed_blocks = set()
        self.steps = []  # (number, uptime_s, uptime_ms, codes), or BREAK, as the engine saw them

    def take_back(self, samples: int, events: int, blocks: int) -> None:
        """Forget what did not become durable: after a boot its numbers are given anew."""
        del self.samples[samples:]
        del self.events[events:]
        del self.blocks[blocks:]
        self.steps = [step for step in self.steps if step is BREAK or step[0] < samples]


class Witness:
    """One board's memory of what it must not lose. `attach` it once, before the first boot.

    `image` is the whole flash.
    """

    def __init__(self, image: bytearray) -> None:
        self.seals = Seals(image)
        self.promised = []  # (run, number of the event, what follows it) of what was answered
        self.runs = {}
        self.open_run = None  # RunWitness of the run that must be found open
        self.removed_runs = set()
        self.is_replaying = False
        self.seeding = None  # what the device key's file is to be, once a host gave a seed
        self.small = {}  # path: (durable content or None, content being written or None)
        self.is_dark = False  # the power is gone, and the firmware about to end
        self.context = ""  # what the firmware is at, for choosing where to cut
        self.rot = None  # rot.Rot, once a bit was turned over: much may be missing then, if told
        self.checks = 0  # records compared so far
        self.app = None  # the firmware's App of this boot
        self.engine = None  # the board's own, of this boot
        self._reference = None
        self._reference_events = []
        self._rules = None

    def run(self, number: int) -> RunWitness:
        """Return what is known of a run."""
        if number not in self.runs:
            self.runs[number] = RunWitness(number)
        return self.runs[number]

    @property
    def has_log_rot(self) -> bool:
        """Tell whether a bit of a run's own files was turned over."""
        return self.rot is not None and self.rot.run != 0

    def is_rotten(self, path: str) -> bool:
        """Tell whether a bit was turned over in this small file."""
        return self.rot is not None and self.rot.run == 0 and self.rot.name == path[1:]

    def small_file(self, path: str) -> "bytes | None":
        """Return what a small file holds for sure; None when that is nothing, or not sure."""
        durable, writing = self.small.get(path, (None, None))
        return durable if writing is None else None

    # --- samples and events -------------------------------------------------------------------

    def on_sample(self, recorder: "Any", lateness_ms: int, codes: "Any") -> None:
        """The recorder is given a sample."""
        run = self.run(recorder.run)
        number = recorder.next_sample
        said = (lateness_ms, tuple(codes[: recorder.columns]))
        if self.is_replaying:
            need(
                number < len(run.samples) and run.samples[number] == said,
                "run %d: the journal gives sample %d as %r, it was %r",
                run.number,
                number,
                said,
                run.samples[number] if number < len(run.samples) else None,
            )
            self.checks += 1
            return
        need(
            number == len(run.samples),
            "run %d: sample %d follows sample %d",
            run.number,
            number,
            len(run.samples) - 1,
        )
        run.samples.append(said)
        run.boots.add(recorder.boot)
        nominal_ms = recorder.uptime_ms + recorder.count * recorder.interval_ms + lateness_ms
        step = (number, recorder.uptime_s + nominal_ms // 1000, nominal_ms % 1000, said[1])
        run.steps.append(step)
        if self._reference is not None:
            self._reference.sample(*step)

    def on_event(
        self, recorder: "Any", kind: int, body: "Any", uptime_s: int, uptime_ms: int
    ) -> None:
        """The recorder is given an event."""
        run = self.run(recorder.run)
        number = recorder.next_event
        said = (kind, bytes(body), uptime_s, uptime_ms)
        if self.is_replaying:
            need(
                number < len(run.events) and run.events[number] == said,
                "run %d: the journal gives event %d as %r, it was %r",
                run.number,
                number,
                said,
                run.events[number] if number < len(run.events) else None,
            )
            self.checks += 1
            return
        need(
            number == len(run.events),
            "run %d: event %d follows event %d",
            run.number,
            number,
            len(run.events) - 1,
        )
        run.events.append(said)

    def on_break(self) -> None:
        """The engine is told that time broke."""
        if self.open_run is not None and not self.is_replaying:
            self.open_run.steps.append(BREAK)
            if self._reference is not None:
                self._reference.break_time()

    # --- what is stored -----------------------------------------------------------------------

    def on_block(self, flash: "Any", recorder: "Any", view: "Any") -> None:
        """A block is about to be stored."""
        run = self.run(flash.run)
        del run.blocks[recorder.blocks - 1 :]
        need(
            len(run.blocks) == recorder.blocks - 1,
            "block %d has no block before it",
            recorder.blocks - 1,
        )
        run.blocks.append(view.joined())

    def on_durable(self, recorder: "Any") -> None:
        """A call that stores has returned: all that the recorder was given is durable."""
        run = self.run(recorder.run)
        if self.is_replaying:
            return  # counts begin below what is durable: judged when all is back
        run.durable_samples = recorder.next_sample
        run.durable_events = recorder.next_event
        run.durable_blocks = recorder.blocks

    def on_resumed(self, book: "Any", dropped_bytes: int) -> None:
        """Logbook.resume has returned: what is there is what counts from now on."""
        recorder = book.recorder
        run = self.run(recorder.run)
        for what, found, durable, said in (
            ("samples", recorder.next_sample, run.durable_samples, len(run.samples)),
            ("events", recorder.next_event, run.durable_events, len(run.events)),
            ("blocks", recorder.blocks, run.durable_blocks, len(run.blocks)),
        ):
            is_told = self.has_log_rot and dropped_bytes > 0
            need(
                (durable <= found or is_told) and found <= said,
                "run %d: %d %s after the boot, %d were durable, %d recorded",
                run.number,
                found,
                what,
                durable,
                said,
            )
            self.checks += found
        run.take_back(recorder.next_sample, recorder.next_event, recorder.blocks)
        run.steps.append(BREAK)
        self.open_run = run
        run.closed = False
        if book.engine is self.engine:
            self._rebuild_reference()
            need(
                self.has_log_rot or self._reference.state_bytes() == book.engine.state_bytes(),
                "run %d: the excursion engine does not stand where one without a cut does",
                run.number,
            )

    def on_begun(self, book: "Any") -> None:
        """Logbook.begin is called: the run before it is closed, or was never durable."""
        before = self.open_run
        need(
            before is None or before.closed or not before.durable_blocks or self.has_log_rot,
            "run %d, with %d durable samples, is given up for a new one",
            before.number if before else 0,
            before.durable_samples if before else 0,
        )

    def on_begin_returned(self, book: "Any") -> None:
        """The run that Logbook.begin opened is the one that must be found from now on."""
        self.open_run = self.run(book.recorder.run)
        self._rebuild_reference()

    def on_engine(self, engine: "Any", rules: "Any", columns: "Any") -> None:
        """The firmware has made its engine: the reference is to be one of the same rules."""
        self.engine = engine
        self._rules = (rules, columns)

    def _rebuild_reference(self) -> None:
        """Show a new engine the whole run so far."""
        rules, columns = self._rules
        self._reference_events = []
        self._reference = Engine(rules, columns, self._on_reference_event)
        if self.open_run is not None:
            for step in self.open_run.steps:
                if step is BREAK:
                    self._reference.break_time()
                else:
                    self._reference.sample(*step)

    def _on_reference_event(self, kind: int, values: tuple) -> None:
        self._reference_events.append((kind, values))

    def check_excursions(self, unpack: "Callable[[int, bytes], tuple]") -> None:
        """Hold the open run's excursion events against those of the engine without a cut."""
        run = self.open_run
        found = []
        for kind, body, _, _ in run.events:
            if kind in _EXCURSION_KINDS:
                found.append((kind, unpack(kind, body)))
        need(
            found == self._reference_events or self.has_log_rot,
            "run %d: excursion events %r, without a cut %r",
            run.number,
            found,
            self._reference_events,
        )
        self.checks += len(found)


def attach(witness: Witness) -> None:
    """Wrap the firmware's classes; call once a process."""
    _wrap_recorder(witness)
    _wrap_flash_log(witness)
    _wrap_logbook(witness)
    _wrap_small_files(witness)
    _wrap_seal_key(witness)
    break_time = Engine.break_time

    def watched_break(self: "Any") -> None:
        break_time(self)
        if self is witness.engine:
            witness.on_break()

    Engine.break_time = watched_break


def _wrap_recorder(witness: Witness) -> None:
    sample, event = recorder.Recorder.sample, recorder.Recorder.event

    def watched_sample(self: "Any", lateness_ms: int, codes: "Any") -> None:
        witness.on_sample(self, lateness_ms, codes)
        sample(self, lateness_ms, codes)

    def watched_event(self: "Any", kind: int, body: "Any", uptime_s: int, uptime_ms: int) -> None:
        witness.on_event(self, kind, body, uptime_s, uptime_ms)
        event(self, kind, body, uptime_s, uptime_ms)

    recorder.Recorder.sample = watched_sample
    recorder.Recorder.event = watched_event


def _wrap_flash_log(witness: Witness) -> None:
    log = flash_log.FlashLog
    close_run, remove_segment, remove_run = log.close_run, log.remove_segment, log.remove_run

    def watched_close(self: "Any", keep_journal: bool = False) -> None:
        run = witness.run(self.run)
        run.closed = True  # from here on it may be found closed
        witness.context = "close"
        close_run(self, keep_journal)
        witness.context = ""
        if witness.open_run is run:
            witness.open_run = None

    def watched_remove_segment(self: "Any", segment: int) -> None:
        run = witness.run(self.run)
        for seq in _blocks_in(self, segment):
            run.removed_blocks.add(seq)
        witness.context = "remove"
        remove_segment(self, segment)
        witness.context = ""

    def watched_remove_run(self: "Any", number: int) -> int:
        run = witness.run(number)
        need(
            run.offered_blocks >= run.durable_blocks and (run.closed or not run.durable_blocks),
            "run %d is removed, of which a host holds %d of %d blocks",
            number,
            run.offered_blocks,
            run.durable_blocks,
        )
        witness.removed_runs.add(number)
        witness.context = "remove"
        freed = remove_run(self, number)
        witness.context = ""
        return freed

    log.close_run = watched_close
    log.remove_segment = watched_remove_segment
    log.remove_run = watched_remove_run


def _blocks_in(flash: "Any", segment: int) -> list:
    with open(flash._segment_path(flash.run, segment), "rb") as file:  # noqa: SLF001
        return [fields[6] for _, fields in flash._headers(file)]  # noqa: SLF001


def _wrap_logbook(witness: Witness) -> None:
    book = logbook.Logbook
    init, begin, resume = book.__init__, book.begin, book.resume

    def watched_init(self: "Any", *arguments: "Any", **named: "Any") -> None:
        init(self, *arguments, **named)
        flash, recorder = self.flash, self.recorder
        append_block, append_journal = flash.append_block, flash.append_journal
        start_journal = flash.start_journal

        def watched_block(view: "Any") -> None:
            witness.on_block(flash, recorder, view)
            witness.context = "block"
            append_block(view)
            witness.context = ""
            witness.on_durable(recorder)

        def watched_journal(view: "Any") -> None:
            append_journal(view)
            witness.on_durable(recorder)

        def watched_start(view: "Any") -> None:
            witness.context = "journal"
            start_journal(view)
            witness.context = ""
            witness.on_durable(recorder)

        flash.append_block = watched_block
        flash.append_journal = watched_journal
        flash.start_journal = watched_start

    def watched_begin(self: "Any", sections: list, log_id: bytes, config_crc: int) -> None:
        witness.on_begun(self)
        witness.context = "begin"
        begin(self, sections, log_id, config_crc)
        witness.context = ""
        witness.on_begin_returned(self)

    def watched_resume(self: "Any") -> "Any":
        witness.is_replaying = True
        witness.context = "resume"
        recovery = resume(self)
        witness.is_replaying = False
        witness.context = ""
        witness.on_resumed(self, recovery.dropped_bytes)
        witness.on_durable(self.recorder)
        return recovery

    book.__init__ = watched_init
    book.begin = watched_begin
    book.resume = watched_resume


def _wrap_small_files(witness: Witness) -> None:
    write_whole = radio.write_whole

    def watched_write(path: str, data: "Any", *more: "Any") -> None:
        was = witness.context
        witness.context = "small"
        if more or path in _BLOCKS:  # judged by what they hold
            write_whole(path, data, *more)
        else:
            before = witness.small.get(path, (None, None))[0]
            witness.small[path] = (before, bytes(data))
            write_whole(path, data)
            witness.small[path] = (bytes(data), None)
        witness.context = was

    for module in (flash_log, device_key, radio, lock, changes, signer, seal_key):
        module.write_whole = watched_write


def _wrap_seal_key(witness: Witness) -> None:
    key = seal_key.SealKey
    open_key, move_on = key.open, key.move_on

    def watched_open(self: "Any", was_sealed: "Any") -> None:
        witness.context = "key"
        open_key(self, was_sealed)
        witness.context = "boot"
        has_sealed = any(run.durable_blocks for run in witness.runs.values())
        if not witness.is_dark:
            witness.seals.on_opened(self, has_sealed)

    def watched_move_on(self: "Any") -> None:
        was = witness.context
        witness.context = "key"
        witness.seals.is_moving = True
        move_on(self)
        witness.context = was
        if not witness.is_dark:
            witness.seals.on_moved(self)

    key.open = watched_open
    key.move_on = watched_move_on
