"""The excursion text read word by word, as slowly and plainly as it stands; a judge for tests.

Shares nothing with the board's engine or the host's check: whole milliseconds, all 32 history
entries, no shortcuts. Times are milliseconds of uptime; None as time says "a gap or a boot".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog_firmware.config import Rule

Event = tuple[int, tuple[int, ...]]


@dataclass
class Machine:
    """One rule on one channel, with the text's own variable names."""

    rule: Rule
    channel: int
    state: str = "IDLE"
    last: int | None = None
    history: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    onset: int = 0
    stay_ms: int = 0
    total_ms: int = 0
    extreme: int = 0
    extreme_sample: int = 0
    was_beyond: bool = False

    def break_time(self) -> None:
        """Take a gap or a boot."""
        self.last = None
        self.history.clear()

    def rate(self, t: int, x: int) -> int | None:
        """Return the rate in K/h, or None when no entry is old enough; keep an entry if due."""
        window_ms = self.rule.rate_window_s * 1000
        old = [entry for entry in self.history if t - entry[1] >= window_ms]
        value = None
        if old:
            x_then, t_then = old[-1]
            value = (x - x_then) * 3600000 // (128 * (t - t_then))
        if not self.history or t - self.history[-1][1] >= window_ms // 16:
            self.history.append((x, t))
            del self.history[:-32]
        return value

    def value(self, t: int, x: int) -> int | None:
        """Return what the rule compares with its threshold, or None when there is nothing."""
        if self.rule.kind not in (layout.RULE_RISING, layout.RULE_FALLING):
            return x
        rate = self.rate(t, x)
        if rate is None:
            return None
        return -rate if self.rule.kind == layout.RULE_FALLING else rate

    def sample(self, number: int, t: int, x: int, events: list[Event]) -> None:
        """Judge one sample."""
        rule = self.rule
        if x < layout.READING_MIN:
            self.break_time()
            return
        value = self.value(t, x)
        if value is None:
            return
        if rule.kind == layout.RULE_BELOW:
            beyond = value < rule.threshold
            back = value >= rule.threshold + rule.hysteresis
        else:
            beyond = value > rule.threshold
            back = value <= rule.threshold - rule.hysteresis
        dt = 0 if self.last is None else t - self.last
        self.last = t
        if self.state == "IDLE":
            if beyond:
                self.state = "PENDING"
                self.onset = self.extreme_sample = number
                self.stay_ms = 0
                self.extreme = value
                self.dwell(number, value, events)
        elif self.state == "PENDING":
            if beyond:
                self.stay_ms += dt
                self.total_ms += dt
                self.reach(number, value)
                self.dwell(number, value, events)
            else:
                self.state = "IDLE"
        elif back:
            self.end(number, events)
            self.state = "IDLE"
        elif beyond:
            if self.was_beyond:
                self.stay_ms += dt
                self.total_ms += dt
            self.reach(number, value)
        self.was_beyond = beyond

    def reach(self, number: int, value: int) -> None:
        """Keep the first sample that goes furthest."""
        lower = self.rule.kind == layout.RULE_BELOW
        if (lower and value < self.extreme) or (not lower and value > self.extreme):
            self.extreme = value
            self.extreme_sample = number

    def dwell(self, number: int, value: int, events: list[Event]) -> None:
        """Declare the excursion once it has lasted long enough."""
        cumulative = self.rule.mode == layout.MODE_CUMULATIVE
        counted_ms = self.total_ms if cumulative else self.stay_ms
        if counted_ms >= self.rule.dwell_s * 1000:
            self.state = "ACTIVE"
            body = (self.rule.rule, self.channel, clamp(value), self.onset, number)
            events.append((layout.KIND_EXCURSION_BEGIN, body))

    def end(self, number: int, events: list[Event]) -> None:
        """Say how far the excursion went and that it is over."""
        rule, channel, onset = self.rule.rule, self.channel, self.onset
        body = (rule, channel, clamp(self.extreme), onset, self.extreme_sample)
        events.append((layout.KIND_EXCURSION_EXTREME, body))
        duration = (self.stay_ms % 1000, self.stay_ms // 1000)
        events.append((layout.KIND_EXCURSION_END, (rule, channel, *duration, onset, number)))


def clamp(value: int) -> int:
    """Return the value as an event can hold it."""
    return max(-32768, min(32767, value))


def judge(
    rules: Sequence[Rule],
    columns: Sequence[tuple[int, int]],
    samples: Sequence[tuple[int | None, tuple[int, ...]]],
) -> list[Event]:
    """Return every event of a log: samples are (time in ms or None, reading codes)."""
    machines = [
        (Machine(rule, channel), column)
        for rule in rules
        for channel, column in columns
        if rule.channel_mask & 1 << channel
    ]
    events: list[Event] = []
    number = 0
    for t, codes in samples:
        if t is None:
            for machine, _ in machines:
                machine.break_time()
            continue
        for machine, column in machines:
            machine.sample(number, t, codes[column], events)
        number += 1
    return events
