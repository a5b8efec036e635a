"""ADXL372: +-200 g accelerometer whose FIFO holds the newest 53 ms, over SPI.

Place in the line: first; the shock sampler drains it from an interrupt, the main loop decodes.
The FIFO streams all the time, so what came before a trigger is still there when the interrupt
runs, and a stall of up to 53 ms (3200 Hz) loses nothing.

Activity and inactivity are linked: a trigger stays on record until STATUS2 is read, however long
interrupts were off, and the next one is looked for once the chip has been quiet and that, too, was
read. Not linked, activity of a single sample could not be cleared at all while measuring (section
"Interrupt Pins"); in loop mode a shock inside a stall would leave no trace.

Source: ADXL372 data sheet, Analog Devices, Rev. C; table numbers below are its own. Checked
against Linux drivers/iio/accel/adxl372.c and the vendor's no-OS driver (drivers/accel/adxl372).
Known fault er002 (its "Silicon Anomaly", revision 0x03): data may stand in the FIFO as y, z, x.
The marks on the x words keep the axes apart; the vendor's way, to stop the converter for every
read, would tear a hole into every shock.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence

    from dewarlog_firmware.sensors import Bytes, Output, ReadOnlyBytes, Spi

# Section "SPI Protocol": mode 0; at most 10 MHz, and at least 1 MHz for the FIFO. The first byte
# is the address, shifted left, and bit 0 says read; addresses count up, except at FIFO_DATA.
BAUDRATE = 8_000_000
POLARITY = 0
PHASE = 0
_READ = const(0x01)

# Register map, Table 15.
_DEVID_AD = const(0x00)
_IDENTITY = b"\xad\x1d\xfa"  # Tables 16 to 18
_STATUS = const(0x04)  # followed by STATUS2, FIFO_ENTRIES2 and FIFO_ENTRIES
_FIRST_SETTING = const(0x20)  # OFFSET_X; all settings lie from here to POWER_CTL
_THRESH_ACT_X_H = const(0x23)
_TIME_ACT = const(0x29)
_THRESH_INACT_X_H = const(0x2A)
_TIME_INACT_H = const(0x30)
_FIFO_SAMPLES = const(0x39)
_FIFO_CTL = const(0x3A)
_INT1_MAP = const(0x3B)
_TIMING = const(0x3D)
_MEASURE = const(0x3E)
_POWER_CTL = const(0x3F)
_SELF_TEST = const(0x40)  # Table 68: ST bit 0, ST_DONE bit 1
_RESET = const(0x41)
_RESET_CODE = const(0x52)  # Table 69
_FIFO_DATA = const(0x42)  # Table 70
_STANDBY_MS = const(5)  # power-up to standby, Table 1; a reset takes no longer

# STATUS, Table 20. FIFO interrupts fall when STATUS is read after their cause is gone ("Interrupt
# Pins"); FIFO_OVR may stay for as long as the FIFO is never read empty.
_ERR_USER_REGS = const(0x80)  # a settings register was upset
_AWAKE = const(0x40)  # linked mode: from activity to inactivity
_FIFO_OVR = const(0x08)
# STATUS2, Table 21: cleared by reading it.
_ACTIVITY = const(0x20)

# Threshold registers, Tables 39 to 44 and 46 to 51: 11 bits, 100 mg a count; bits [10:3] in _H,
# [2:0] in the top of _L. Bit 0 of each _L enables the axis; bit 1 of X's makes it referenced.
_ENABLE = const(0x01)
_REFERENCED = const(0x02)
_THRESHOLD_MAX = const(2047)
COUNT_MG = 100  # Table 1: scale factor 100 mg/LSB, 12 bits
RANGE_G = 200
# TIME_ACT, Table 45: 0 for a single sample (one count would be 6.6 ms, longer than a knock).
# TIME_INACT, Tables 52 and 53: one count is 26 ms at 3200 Hz and below, 13 ms at 6400 Hz.
_INACTIVITY_COUNT_MS = const(26)
_INACTIVITY_COUNT_6400_MS = const(13)

# FIFO_CTL, Table 62: bits 5:3 format 000 = x, y, z; bits 2:1 mode 01 = stream; bit 0 is bit 8 of
# FIFO_SAMPLES, the watermark in words. To be written in standby ("Using the FIFO").
_FIFO_STREAM_XYZ = const(0x02)
_FIFO_WORDS = const(512)
FIFO_SETS = 170  # 512 words hold 170 sets of x, y, z ("Using the FIFO")
SET_WORDS = 3
SET_BYTES = 6

# INT1_MAP, Table 63. Written while measuring, as the Linux driver does too.
_INT_ACTIVITY = const(0x20)
_INT_FIFO_FULL = const(0x04)  # the watermark is reached

_RATES_HZ = (400, 800, 1600, 3200, 6400)  # TIMING[7:5], Table 65
# MEASURE, Table 66: BANDWIDTH in bits 2:0, LOW_NOISE bit 3 (3.0 instead of 3.5 counts rms for 33
# instead of 22 uA, Table 10), LINKLOOP bits 5:4 = 01 for linked.
_BANDWIDTHS_HZ = (200, 400, 800, 1600, 3200)
_LOW_NOISE = const(0x08)
_LINKED = const(0x10)
# POWER_CTL, Table 67. Both filters are off: the high-pass would spoil the velocity change, and the
# 10 Hz activity detect filter would hide a knock from the trigger. Then 16 ms of settling do.
_FILTERS_OFF = const(0x1C)
_INSTANT_ON_HIGH = const(0x20)  # 30 g +-10 g instead of 10 g +-5 g
# Section "Self Test": the low-pass activity filter must be on; the high-pass is off. z is averaged
# over the first 50 ms after ST and over the last before ST_DONE; the two must differ by more than
# 5 counts. At the rate of 400 Hz that the registers have after a reset, 50 ms are 20 samples. The
# flag USER_ST says the same and was found to err, which is why the averages are to be taken.
_HIGH_PASS_OFF = const(0x04)
_ST = const(0x01)
_ST_DONE = const(0x02)
_FIFO_STREAM_Z = const(0x22)  # FIFO_CTL: format 100 = z alone, so that 512 samples fit, 1.28 s
_ST_WINDOW = const(20)
SELF_TEST_SETTLE_MS = const(400)  # 370 with FILTER_SETTLE 0, Table 67; and a slow clock
SELF_TEST_LEAST = const(6)
MODE_STANDBY = const(0)
MODE_WAKE_UP = const(1)
MODE_INSTANT_ON = const(2)
MODE_MEASURE = const(3)


class ADXL372:
    """One accelerometer. Methods marked interrupt-safe need `configure` to have run before."""

    def __init__(
        self, spi: "Spi", cs: "Output", sleep_ms: "Callable[[int], object]", burst_sets: int = 16
    ) -> None:
        """Build every buffer. `burst_sets`: sets of x, y, z that one `read_fifo` takes."""
        self._spi = spi
        self._cs = cs
        self._sleep_ms = sleep_ms
        self.burst_sets = burst_sets
        self.burst_bytes = 1 + burst_sets * SET_BYTES
        self.rate_hz = 3200
        self._read_burst = bytes((_FIFO_DATA << 1 | _READ,)) + bytes(burst_sets * SET_BYTES)
        self._read_status = bytes((_STATUS << 1 | _READ, 0, 0, 0, 0))
        self._status = bytearray(5)
        self._read_interrupts = bytes((_STATUS << 1 | _READ, 0))
        self._map_activity = bytes((_INT1_MAP << 1, _INT_ACTIVITY))
        self._map_watermark = bytes((_INT1_MAP << 1, _INT_FIFO_FULL))
        self._unused_pair = bytearray(2)
        self._settings = bytearray(_POWER_CTL + 1 - _FIRST_SETTING)

    def identified(self) -> bool:
        """Say whether the chip gives its three fixed bytes."""
        return self._read(_DEVID_AD, len(_IDENTITY)) == _IDENTITY

    def answered(self) -> bool:
        """Say whether any chip drives the bus: a dead line reads all zeros or all ones."""
        identity = self._read(_DEVID_AD, len(_IDENTITY))
        return identity not in (bytes(len(identity)), b"\xff" * len(identity))

    def configure(
        self,
        trigger_count: int,
        rate_hz: int = 3200,
        bandwidth_hz: int = 0,
        watermark_sets: int = 24,
        referenced: bool = False,
        quiet_ms: int = 26,
        low_noise: bool = True,
    ) -> bool:
        """Reset, set up and start measuring; say whether the chip holds the settings.

        `trigger_count`: counts of 100 mg on any axis that are activity. `bandwidth_hz` 0: half the
        rate. `referenced`: relative to the first sample instead of to 0 g; then a reference taken
        in mid-shock blinds the detector, so absolute is the default. `quiet_ms`: below the trigger
        this long, rounded up to 26 ms, the chip is quiet again. Main loop only, with the shock
        sampler stopped.
        Raises ValueError for a rate, bandwidth or threshold the chip lacks.
        """
        rate = _RATES_HZ.index(rate_hz)
        bandwidth = _BANDWIDTHS_HZ.index(bandwidth_hz) if bandwidth_hz else rate
        if not 1 <= trigger_count <= _THRESHOLD_MAX or bandwidth > rate:
            raise ValueError("trigger or bandwidth out of range")
        if not self.burst_sets < watermark_sets < FIFO_SETS:
            raise ValueError("watermark out of range")
        self.reset()
        settings = self._settings
        for at in range(len(settings)):
            settings[at] = 0
        for first in (_THRESH_ACT_X_H, _THRESH_INACT_X_H):
            for axis in range(3):
                at = first - _FIRST_SETTING + 2 * axis
                settings[at] = trigger_count >> 3
                settings[at + 1] = (trigger_count & 7) << 5 | _ENABLE
            if referenced:
                settings[first + 1 - _FIRST_SETTING] |= _REFERENCED
        count_ms = _INACTIVITY_COUNT_6400_MS if rate_hz == 6400 else _INACTIVITY_COUNT_MS
        quiet = min(0xFFFF, max(1, (quiet_ms + count_ms - 1) // count_ms))
        self._set(_TIME_ACT, 0)
        self._set(_TIME_INACT_H, quiet >> 8)
        self._set(_TIME_INACT_H + 1, quiet & 0xFF)
        words = watermark_sets * SET_WORDS
        self._set(_FIFO_SAMPLES, words & 0xFF)
        self._set(_FIFO_CTL, _FIFO_STREAM_XYZ | words >> 8)
        self._set(_INT1_MAP, _INT_ACTIVITY)
        self._set(_TIMING, rate << 5)
        self._set(_MEASURE, _LINKED | bandwidth | (_LOW_NOISE if low_noise else 0))
        self._set(_POWER_CTL, _FILTERS_OFF | MODE_MEASURE)
        # One write in rising order ends with POWER_CTL, which starts the measurement.
        self._transfer(bytes((_FIRST_SETTING << 1,)) + bytes(settings))
        self.rate_hz = rate_hz
        return self.settings_kept()

    def settings_kept(self) -> bool:
        """Say whether the chip still holds what `configure` wrote; INT1_MAP may have changed."""
        found = bytearray(self._read(_FIRST_SETTING, len(self._settings)))
        found[_INT1_MAP - _FIRST_SETTING] = _INT_ACTIVITY
        return found == self._settings

    # --- self-test: main loop only, with the shock sampler stopped -----------------------------

    def begin_self_test(self) -> None:
        """Reset, and measure as the self-test asks for; `push` is next, SELF_TEST_SETTLE_MS later.

        `configure` ends it, whatever came of it.
        """
        self.reset()
        self._write(_FIFO_CTL, _FIFO_STREAM_Z)
        self._write(_POWER_CTL, _HIGH_PASS_OFF | MODE_MEASURE)

    def reset(self) -> None:
        """Bring every register to its power-on value: the chip is in standby."""
        self._write(_POWER_CTL, MODE_STANDBY)
        self._write(_RESET, _RESET_CODE)
        self._sleep_ms(_STANDBY_MS)

    def push(self) -> int:
        """Begin the push on the proof mass; return how many samples of z came before it."""
        before = self._words()
        self._write(_SELF_TEST, _ST)
        return before

    def pushed(self) -> int:
        """Return how many samples of z there are; minus that many once the push is over."""
        is_over = self._read(_SELF_TEST, 1)[0] & _ST_DONE
        words = self._words()
        return -words if is_over else words

    def self_test_change(self, before: int, after: int) -> int:
        """Return by how many counts z changed from sample `before` on to before sample `after`.

        Takes 20 samples at either end; 0 when there are fewer.
        """
        if after - before < 2 * _ST_WINDOW:
            return 0
        # One sample stays behind, as with `read_fifo`.
        data = self._read(_FIFO_DATA, 2 * after)
        return (_mean_of(data, after - _ST_WINDOW) - _mean_of(data, before) + 1) >> 1

    def _words(self) -> int:
        status = self._read(_STATUS, 4)
        return status[2] << 8 | status[3]

    def set_mode(self, mode: int, instant_on_high: bool = False) -> None:
        """Go to standby, wake-up, instant-on or full measurement (MODE_*). Main loop only.

        Instant-on is entered from full measurement (section "Instant On Impact Detection").
        """
        threshold = _INSTANT_ON_HIGH if instant_on_high else 0
        self._set(_POWER_CTL, _FILTERS_OFF | threshold | mode)
        self._write(_POWER_CTL, _FILTERS_OFF | threshold | mode)

    def read_status(self) -> None:
        """Read STATUS to FIFO_ENTRIES for the methods below. Interrupt-safe.

        Clears activity and inactivity, so that the chip looks for the other next.
        """
        status = self._status
        self._cs(0)
        self._spi.write_readinto(self._read_status, status)
        self._cs(1)
        # No FIFO holds more: a dead line, which reads all ones, is neither awake nor full.
        if status[3] << 8 | status[4] > _FIFO_WORDS:
            for at in range(len(status)):
                status[at] = 0

    def fifo_sets(self) -> int:
        """Return how many whole sets were in the FIFO at `read_status`. Interrupt-safe."""
        status = self._status
        return (status[3] << 8 | status[4]) // SET_WORDS

    def overrun(self) -> bool:
        """Say whether the FIFO had overwritten unread samples. Interrupt-safe."""
        return self._status[1] & _FIFO_OVR != 0

    def upset(self) -> bool:
        """Say whether the chip had found its own settings corrupted. Interrupt-safe."""
        return self._status[1] & _ERR_USER_REGS != 0

    def awake(self) -> bool:
        """Say whether the chip had not been quiet since the last activity. Interrupt-safe."""
        return self._status[1] & _AWAKE != 0

    def active(self) -> bool:
        """Say whether activity was on record, which the read took off it. Interrupt-safe."""
        return self._status[2] & _ACTIVITY != 0

    def release_interrupt(self) -> None:
        """Let INT1 fall after `read_fifo`, by reading STATUS alone. Interrupt-safe."""
        self._cs(0)
        self._spi.write_readinto(self._read_interrupts, self._unused_pair)
        self._cs(1)

    def read_fifo(self, burst: "Bytes") -> None:
        """Read `burst_sets` sets into `burst` (burst_bytes long, data from index 1 on).

        Interrupt-safe. At least one set must stay behind: what arrives while the last one is read
        would be stored out of order (section "Using the FIFO"; the Linux driver leaves one too).
        """
        self._cs(0)
        self._spi.write_readinto(self._read_burst, burst)
        self._cs(1)

    def map_activity(self) -> None:
        """Let INT1 tell activity. Interrupt-safe."""
        self._cs(0)
        self._spi.write_readinto(self._map_activity, self._unused_pair)
        self._cs(1)

    def map_watermark(self) -> None:
        """Let INT1 tell that the FIFO reached its watermark. Interrupt-safe."""
        self._cs(0)
        self._spi.write_readinto(self._map_watermark, self._unused_pair)
        self._cs(1)

    def _set(self, register: int, value: int) -> None:
        self._settings[register - _FIRST_SETTING] = value

    def _write(self, register: int, value: int) -> None:
        self._transfer(bytes((register << 1, value)))

    def _read(self, register: int, count: int) -> bytes:
        return self._transfer(bytes((register << 1 | _READ,)) + bytes(count))

    def _transfer(self, outgoing: bytes) -> bytes:
        incoming = bytearray(len(outgoing))
        self._cs(0)
        self._spi.write_readinto(outgoing, incoming)
        self._cs(1)
        return bytes(incoming[1:])


def _mean_of(data: bytes, first: int) -> int:
    """Return the mean of _ST_WINDOW words from `first` on, in half counts."""
    total = 0
    for at in range(2 * first, 2 * (first + _ST_WINDOW), 2):
        value = data[at] << 4 | data[at + 1] >> 4
        total += value - 0x1000 if value & 0x800 else value
    return 2 * total // _ST_WINDOW


class FifoDecoder:
    """Turns FIFO words into counts. Allocates nothing after `__init__`; main loop only.

    A word is 12 bits left-justified; bit 0 marks the x word, the start of a set (Tables 12, 13).
    The 512 words are no multiple of 3, and the chip has its fault er002: a read may begin inside a
    set. Words before the next mark are dropped, and a set split over two bursts is put together.
    """

    def __init__(self) -> None:
        self._set = [0, 0, 0]
        self._axis = 0
        self.misplaced = 0  # words dropped to find a set's start, since `reset`

    def reset(self) -> None:
        """Forget a half set: the next burst does not follow the last one."""
        self._axis = 0
        self.misplaced = 0

    def decode(self, burst: "ReadOnlyBytes", counts: "MutableSequence[int]", at: int) -> int:
        """Write x, y, z of each whole set into `counts` from index `at`; return how many sets."""
        first = at
        axis = self._axis
        current = self._set
        for place in range(1, len(burst), 2):
            low = burst[place + 1]
            value = burst[place] << 4 | low >> 4
            if value & 0x800:
                value -= 0x1000
            if low & 1:
                self.misplaced += axis
                axis = 0
            elif axis == 0:
                self.misplaced += 1
                continue
            current[axis] = value
            axis += 1
            if axis == SET_WORDS:
                counts[at] = current[0]
                counts[at + 1] = current[1]
                counts[at + 2] = current[2]
                at += SET_WORDS
                axis = 0
        self._axis = axis
        return (at - first) // SET_WORDS
