"""A board for the bench's requests: the real bench, server, log and guard; chips as told.

The profile and the log lie in a folder of their own. Time is moved by the test; the restart, which
ends a real board, is counted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from dewarlog_firmware.bench import Bench
from dewarlog_firmware.config import parse_config
from dewarlog_firmware.profile import default_document
from dewarlog_firmware.server import Server
from dewarlog_wire import PROTOCOL_VERSION, block, events, layout
from dewarlog_wire.frame import parse_frame
from memory_board import DEVICE_ID, MemoryDevice
from test_keeper import Bench as Keeping

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = [
    (0, 0, 0, 0, 0, 0),
    (2, 1, 1, -24320, -25600, -19200),
    *[(7, axis, 2, 0, 40, 1020) for axis in range(40)],
]


@dataclass
class Tester:
    """Stands for selftest.SelfTest: takes some steps, then has its results."""

    steps: int = 3
    busy: bool = False
    results: list[tuple[int, int, int, int, int, int]] = field(
        default_factory=list["tuple[int, int, int, int, int, int]"]
    )
    begun: int = 0
    left: int = 0

    def begin(self) -> None:
        """Begin anew."""
        if self.busy:
            raise ValueError("a shock is being captured")
        self.results = []
        self.begun += 1
        self.left = self.steps

    def step(self) -> bool:
        """Do a slice."""
        self.left -= 1
        if self.left <= 0:
            self.results = list(RESULTS)
        return self.left > 0


class BenchBoard:
    """One board at the end of one link; `root` is its folder."""

    def __init__(self, root: Path, *, in_hand: bool = True) -> None:
        self.root = root
        self.profile = root / "profile.json"
        config = parse_config(default_document())
        (root / "log").mkdir(exist_ok=True)
        self.keeping = Keeping(root / "log", config)
        self.logbook = self.keeping.logbook
        self.device = MemoryDevice(features=layout.FEATURE_BENCH | layout.FEATURE_AUTH)
        self.guard = self.device.guard(DEVICE_ID)
        self.restarts = 0
        self.stops = 0
        self.tester = Tester()
        self.app: Any = SimpleNamespace(
            config=config,
            logbook=self.logbook,
            keeper=self.keeping.keeper,
            engine=self.keeping.engine,
            tilt=SimpleNamespace(is_known=False, values=lambda: (1, 33, 10, 20, 30, 40)),
            chips=SimpleNamespace(states=lambda: 0x20001),
            rest=SimpleNamespace(wake_ups=77, awake_ms=61_999),
            gauges=SimpleNamespace(
                pass_max_us=5000,
                heap_free_bytes=90_000,
                heap_low_bytes=80_000,
                look_when_due=lambda _every_ms: None,
            ),
            board=SimpleNamespace(ticks_ms=lambda: self.device.now_ms),
            guard=self.guard,
            awaits_second=False,
            stamp=lambda: self.logbook.at(*divmod(self.device.now_ms, 1000)),
            restart=self._restart,
            selftest=self.tester,
            begin_selftest=self.tester.begin,
        )
        desk: Any = SimpleNamespace(stop=self._stop)
        self.bench = Bench(self.app, desk, str(self.profile))
        self.server = Server(
            self.logbook,
            self.device,
            self.guard,
            lambda count: b"n" * count,
            in_hand=in_hand,
            more=self.bench.handlers,
        )
        self.takes = True
        self.answers: list[tuple[int, int, bytes]] = []
        self.seq = 0
        self.hello()

    # --- what the app does --------------------------------------------------------------------

    def _restart(self) -> None:
        self.restarts += 1

    def _stop(self) -> None:
        self.stops += 1

    def send(self, frame: bytearray, length: int) -> bool:
        """Take a frame, or not."""
        if self.takes:
            self.answers.append(parse_frame(bytes(frame[:length])))
        return self.takes

    def turn(self) -> None:
        """Do one pass of the main loop."""
        self.server.poll(self)
        self.bench.step()

    # --- what a host does ---------------------------------------------------------------------

    def hello(self, body_max: int = 4096) -> None:
        """Begin a conversation."""
        body = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, body_max, b"nonce..!")
        assert self.ask(layout.MSG_HELLO, body)[0] == layout.MSG_HELLO | layout.REPLY

    def say(self, kind: int, body: bytes = b"") -> None:
        """Ask, and wait for nothing."""
        self.seq = (self.seq + 1) % 256
        self.server.handle(kind, self.seq, body)

    def ask(self, kind: int, body: bytes = b"") -> tuple[int, bytes]:
        """Ask, and let the board work until it answers."""
        self.say(kind, body)
        before = len(self.answers)
        for _ in range(200):
            self.turn()
            if len(self.answers) > before:
                answer, seq, reply = self.answers[-1]
                assert seq == self.seq
                return answer, reply
        raise AssertionError("the board does not answer")

    def code(self, kind: int, body: bytes = b"") -> int:
        """Ask; return the error's code, 0 when there was none."""
        answer, reply = self.ask(kind, body)
        return reply[0] if answer == layout.MSG_ERROR else 0

    def hand_over(self, profile: bytes, part_bytes: int = 200) -> None:
        """PUT a profile in parts."""
        for offset in range(0, len(profile), part_bytes):
            body = put(len(profile), offset, profile[offset : offset + part_bytes])
            assert self.code(layout.MSG_PUT, body) == 0

    def put_end(self, profile: bytes, **changed: int) -> tuple[int, bytes]:
        """PUT_END of a profile, over the file as it is."""
        before = self.profile.read_bytes() if self.profile.exists() else b""
        fields = {
            "total": len(profile),
            "purpose": 1,
            "before": crc32(before) if before else 0,
            "crc": crc32(profile),
        } | changed
        values = (fields["purpose"], 1000, fields["before"], fields["crc"])
        body = struct.pack(layout.PUT_END.format, fields["total"])
        body += events.texts_body(layout.KIND_PROFILE, values, ("Ann", "ice point"))
        return self.ask(layout.MSG_PUT_END, body)

    # --- what the log says --------------------------------------------------------------------

    def recorded(self, kind: int) -> list[tuple[Any, ...]]:
        """Return the bodies of the open run's events of one kind."""
        run = self.logbook.recorder.run
        self.logbook.seal()
        found: list[tuple[Any, ...]] = []
        for path in sorted((self.root / "log" / f"{run:08x}").glob("*.seg")):
            data, offset = path.read_bytes(), 0
            while offset < len(data):
                one = block.check_block(data, offset, None)
                for section, start, end in block.sections(data, one.body_start, one.body_end):
                    if section == layout.SECTION_EVENTS:
                        told = events.read_events(data, start, end)
                        found += [entry[4] for entry in told if entry[1] == kind]
                offset += one.length
        return found

    def next_run(self) -> int:
        """End the open run, begin another, and return the number of the one that ended."""
        ended = self.logbook.recorder.run
        self.logbook.end()
        self.logbook.begin([], b"logid%03d" % (ended + 1), 1)
        return ended

    def confirm(self, run: int) -> None:
        """Have a host confirm that it holds all of a run."""
        blocks, chain = self.logbook.flash.head_of(run)
        assert self.logbook.confirm(run, blocks, chain, 1000)

    def close(self) -> None:
        """Give the journal's handle back."""
        self.logbook.flash.release()


def put(total: int, offset: int, part: bytes) -> bytes:
    """Return PUT's body."""
    return struct.pack(layout.PUT.format, total, offset) + part
