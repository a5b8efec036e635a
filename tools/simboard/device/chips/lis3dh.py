"""LIS3DH accelerometer at its registers, for orientation.

STMicroelectronics DocID17530, "LIS3DH": registers table 18, data rates table 31, sensitivity
table 4, FIFO table 54. Samples are worked out when somebody reads them. Modelled: data registers
and status, all rates, ranges and resolutions, the FIFO in bypass, FIFO and stream mode, self test.
Not modelled: the interrupt generators, click and the auxiliary converter.
"""

from simboard.device.noise import normal_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.clock import Clock
    from simboard.device.motion import Motion

_WHO_AM_I = 0x0F
_CTRL0 = 0x1E
_CTRL1 = 0x20
_CTRL3 = 0x22
_CTRL4 = 0x23
_CTRL5 = 0x24
_REFERENCE = 0x26
_STATUS = 0x27
_OUT_X_L = 0x28
_OUT_Z_H = 0x2D
_FIFO_CTRL = 0x2E
_FIFO_SRC = 0x2F
_LAST = 0x3F

_RATES_HZ = (0, 1, 10, 25, 50, 100, 200, 400, 1600, 1344)  # 1344 in low-power mode: 5376
_MG_PER_DIGIT = (1, 2, 4, 12)  # high resolution, 12 bits, by full scale 2, 4, 8, 16 g
_NOISE_MG = 3.0  # about 220 ug/rtHz at 50 Hz bandwidth
_SELF_TEST_G = (0.25, -0.25)
_FIFO_LEVELS = 32


class LIS3DH:
    """The tilt sensor on I2C; `motion` tells how it moves, `offset_g` its zero-g error."""

    address = 0x18

    def __init__(
        self,
        clock: "Clock",
        motion: "Motion",
        seed: int,
        offset_g: tuple[float, ...] = (0.0, 0.0, 0.0),
        *,
        stuck: bool = False,
    ) -> None:
        self.registers = bytearray(_LAST + 1)
        self.powered = False
        self._clock = clock
        self._motion = motion
        self._seed = seed
        self._offset_g = offset_g
        self._stuck = stuck  # the self-test's force moves nothing
        self._started_us = 0
        self._pointer = 0
        self._seen = -1  # sample last read from the data registers
        self._fifo_from = 0  # sample at which the FIFO begins
        self._cached = -1  # sample whose acceleration `_cache` holds
        self._cache = (0.0, 0.0, 0.0)

    def power_on(self) -> None:
        """Start with the reset values."""
        for i in range(_LAST + 1):
            self.registers[i] = 0
        self.registers[_WHO_AM_I] = 0x33
        self.registers[_CTRL0] = 0x10
        self.registers[_CTRL1] = 0x07
        self.powered = True
        self._restart()

    def power_off(self) -> None:
        """Lose everything."""
        self.powered = False

    def brown_out(self) -> None:
        """Drop below the reset threshold and come back: the processor may not even notice."""
        self.power_off()
        self.power_on()

    # --- I2C ----------------------------------------------------------------------------------

    def read(self, register: int | None, into: bytearray) -> None:
        """Fill `into`; the register moves on only when bit 7 of its address asks for it."""
        if register is not None:
            self._pointer = register
        moves = self._pointer & 0x80
        at = self._pointer & 0x7F
        for i in range(len(into)):
            into[i] = self._get(at) if self.powered else 0
            if moves:
                at = at + 1 if at < _LAST else 0
                if at == _OUT_Z_H + 1 and self._fifo_mode():
                    at = _OUT_X_L  # a burst of FIFO data goes round
        self._pointer = moves | at

    def write(self, data: bytes) -> None:
        """Write from the register the first byte names."""
        self._pointer = data[0]
        moves = self._pointer & 0x80
        at = self._pointer & 0x7F
        for value in data[1:]:
            if at in (_CTRL0,) or 0x1F <= at <= _REFERENCE or at in (_FIFO_CTRL,) or at >= 0x30:
                self.registers[at] = value
                if at in (_CTRL1, _FIFO_CTRL, _CTRL5):
                    self._restart()
            if moves:
                at = at + 1 if at < _LAST else 0
        self._pointer = moves | at

    def _get(self, at: int) -> int:
        if _OUT_X_L <= at <= _OUT_Z_H:
            return self._data(at - _OUT_X_L)
        if at == _STATUS:
            return self._status()
        if at == _FIFO_SRC:
            return self._fifo_source()
        return self.registers[at]

    # --- samples ------------------------------------------------------------------------------

    def rate_hz(self) -> int:
        """Return the output data rate, 0 when powered down."""
        code = self.registers[_CTRL1] >> 4
        if code == 9 and self.registers[_CTRL1] & 0x08:
            return 5376
        return _RATES_HZ[code] if code < len(_RATES_HZ) else 0

    def _restart(self) -> None:
        self._started_us = self._clock.now
        self._seen = -1
        self._fifo_from = 0
        self._cached = -1

    def _newest(self) -> int:
        """Return the number of the newest sample, -1 when there is none yet."""
        rate = self.rate_hz()
        if not rate:
            return -1
        return (self._clock.now - self._started_us) * rate // 1000000 - 1

    def _fifo_mode(self) -> int:
        return self.registers[_FIFO_CTRL] >> 6 if self.registers[_CTRL5] & 0x40 else 0

    def _fifo_span(self) -> tuple[int, int]:
        """Return first and one-past-last sample in the FIFO."""
        end = self._newest() + 1
        first = self._fifo_from
        if self._fifo_mode() == 1:  # FIFO mode: stops when full
            end = min(end, first + _FIFO_LEVELS)
        elif end - first > _FIFO_LEVELS:
            first = self._fifo_from = end - _FIFO_LEVELS
        return first, end

    def _fifo_source(self) -> int:
        if not self._fifo_mode():
            return 0x20
        first, end = self._fifo_span()
        level = end - first
        source = min(level, 31)
        if level == 0:
            source |= 0x20
        if level >= _FIFO_LEVELS:
            source |= 0x40
        if level > self.registers[_FIFO_CTRL] & 0x1F:
            source |= 0x80
        return source

    def _status(self) -> int:
        newest = self._newest()
        if newest <= self._seen:
            return 0
        return 0xFF if newest > self._seen + 1 and self._seen >= 0 else 0x0F

    def _data(self, place: int) -> int:
        if self._fifo_mode():
            first, end = self._fifo_span()
            sample = first if first < end else -1
            if place == 5 and sample >= 0:
                self._fifo_from = first + 1
        else:
            sample = self._newest()
            if place == 5:
                self._seen = sample
        if sample < 0:
            return 0
        raw = self._raw(sample, place >> 1)
        big_endian = self.registers[_CTRL4] >> 6 & 1
        return raw >> (8 * ((place & 1) ^ big_endian)) & 0xFF

    def _raw(self, sample: int, axis: int) -> int:
        """Return one axis as 16 bits, left-justified at the resolution in use."""
        rate = self.rate_hz()
        if not self.registers[_CTRL1] & 1 << axis or not rate:
            return 0
        at_us = self._started_us + (sample + 1) * 1000000 // rate
        if sample != self._cached:
            self._cached = sample
            self._cache = self._motion.at(at_us)
        g = self._cache[axis] + self._offset_g[axis]
        g += normal_at(sample, self._seed + axis) * _NOISE_MG / 1000
        test = self.registers[_CTRL4] >> 1 & 3
        if test in (1, 2) and not self._stuck:
            g += _SELF_TEST_G[test - 1]
        scale = self.registers[_CTRL4] >> 4 & 3
        digits = int(g * 1000 / _MG_PER_DIGIT[scale] + 2048.5) - 2048
        digits = max(-2048, min(2047, digits))
        if self.registers[_CTRL1] & 0x08:
            drop = 8  # low power: 8 bits
        elif self.registers[_CTRL4] & 0x08:
            drop = 4  # high resolution: 12 bits
        else:
            drop = 6  # normal: 10 bits
        return (digits << 4 >> drop << drop) & 0xFFFF
