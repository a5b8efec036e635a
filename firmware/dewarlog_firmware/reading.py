"""Raw conversions become the reading codes of one sample.

Takes what the converters said (sampler), gives one code for each column of the open block to
logbook: reading (, min, max) for each fitted channel, then the cold junction. Pure; integers only.
Codes: protocol/SPEC.md section 3. Linearisation: thermocouple.
"""

from dewarlog_firmware.thermocouple import temperature_count, voltage_nv_from_raw
from dewarlog_wire import layout


class ReadingBuilder:
    """Collects the conversions of one sample; every buffer is made once.

    `channels`: config.Channel tuples of the fitted probes, in order. A sample of which any
    conversion failed carries that failure's state: a mean never hides a fault.
    """

    def __init__(self, channels: tuple, gain: int, conversions: int) -> None:
        self._channels = channels
        self._gain = gain
        self._conversions = conversions
        self._width = 3 if conversions > 1 else 1
        self.codes = [0] * (len(channels) * self._width + 1)
        self._sums = [0] * len(channels)
        self._lows = [0] * len(channels)
        self._highs = [0] * len(channels)
        self.states = [layout.STATE_OK] * len(channels)
        # The newest conversion of each channel: fault register, voltage code, cold-junction code.
        self.raw = [[0, 0, 0] for _ in channels]
        self._cold_sum = 0
        self._cold_count = 0
        self._taken = 0

    def add(self, position: int, state: int, fault: int, voltage_raw: int, cold_raw: int) -> None:
        """Take one conversion of the channel at `position`; `state` is the converter's own."""
        raw = self.raw[position]
        raw[0], raw[1], raw[2] = fault, voltage_raw, cold_raw
        if state not in (layout.STATE_COLD_JUNCTION, layout.STATE_SILENT, layout.STATE_BROWN_OUT):
            self._cold_sum += cold_raw
            self._cold_count += 1
        channel = self._channels[position]
        code = 0
        if state == layout.STATE_OK:
            voltage_nv = voltage_nv_from_raw(voltage_raw, self._gain)
            code = temperature_count(channel.probe_type, voltage_nv, cold_raw)
            state = layout.state_of(code)
        if state != layout.STATE_OK:
            self.states[position] = state
            return
        code += channel.offset_count
        if code < layout.READING_MIN:
            self.states[position] = layout.STATE_BELOW_TABLE
            return
        if not self._taken:
            self._sums[position] = self._lows[position] = self._highs[position] = code
            return
        self._sums[position] += code
        if code < self._lows[position]:
            self._lows[position] = code
        if code > self._highs[position]:
            self._highs[position] = code

    def complete(self) -> bool:
        """Count one conversion of all channels; True when the sample has all of its own."""
        self._taken += 1
        return self._taken >= self._conversions

    def finish(self) -> list:
        """Return the sample's codes, valid until the next `finish`, and start the next sample."""
        taken = self._taken
        for position in range(len(self._channels)):
            first = position * self._width
            state = self.states[position]
            if state != layout.STATE_OK:
                for column in range(first, first + self._width):
                    self.codes[column] = layout.state_code(state)
                continue
            self.codes[first] = (2 * self._sums[position] + taken) // (2 * taken)
            if self._width > 1:
                self.codes[first + 1] = self._lows[position]
                self.codes[first + 2] = self._highs[position]
        if self._cold_count:
            count = self._cold_count
            self.codes[-1] = (2 * self._cold_sum + count) // (2 * count)
        else:
            self.codes[-1] = layout.state_code(layout.STATE_SILENT)
        return self.codes

    def restart(self) -> None:
        """Forget the conversions taken so far and begin a sample."""
        self._taken = 0
        self._cold_sum = 0
        self._cold_count = 0
        for position in range(len(self._channels)):
            self.states[position] = layout.STATE_OK
