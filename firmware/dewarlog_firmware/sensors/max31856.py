"""MAX31856: thermocouple voltage and cold junction of one probe, over SPI.

Place in the line: first; the sampler calls it from interrupts, the main loop decodes what it read.
The chip's own linearisation is not used: its tables end at -200 degC, 4 K below liquid nitrogen.
In voltage mode the thermocouple registers hold the plain voltage code instead.

Source: MAX31856 data sheet, Maxim 19-7534, Rev 0 (2/15); page numbers below are of that document.
Checked against Linux drivers/iio/temperature/max31856.c and the vendor's own mbed driver.

One conversion is one burst of all 16 registers, so every sample carries the chip's settings beside
its result: a chip that lost its supply for a moment is found with the very sample it spoiled, and
no other traffic on the bus is needed while interrupts use it.
"""

from micropython import const

from dewarlog_wire.layout import (
    STATE_ABOVE_TABLE,
    STATE_BELOW_TABLE,
    STATE_BROWN_OUT,
    STATE_COLD_JUNCTION,
    STATE_OK,
    STATE_OPEN,
    STATE_SHORT,
    STATE_SILENT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.sensors import Bytes, Output, ReadOnlyBytes, Spi

# Serial interface: SPI mode 1 or 3, p. 15-16; at most 5 MHz, p. 5.
BAUDRATE = 5_000_000
POLARITY = 0
PHASE = 1

# Register memory map, Table 6, p. 18. Bit 7 of the address says write.
_WRITE = const(0x80)
_CR0 = const(0x00)
_CR1 = const(0x01)
_MASK = const(0x02)
_CJHF = const(0x03)  # first of the thresholds: CJHF, CJLF, LTHFTH, LTHFTL, LTLFTH, LTLFTL
_CJTO = const(0x09)  # cold-junction offset
_CJTH = const(0x0A)  # cold junction, two bytes
_LTCBH = const(0x0C)  # thermocouple, three bytes
_SR = const(0x0F)  # fault status
_REGISTERS = const(16)

# CR0, p. 19. What stays clear matters as much: CMODE 0 (bit 7) converts only when told to; CJ 0
# (bit 3) keeps the cold-junction sensor on, also in voltage mode; FAULT 0 (bit 2) is comparator
# mode, in which SR tells the present state and needs no clearing.
_CR0_ONE_SHOT = const(0x40)  # starts when CS rises; clears itself
_CR0_SETTINGS = const(0xBD)  # all but 1SHOT and FAULTCLR, which clear themselves
_CR0_50_HZ = const(0x01)  # 0: rejects 60 Hz
# Open-circuit test, Table 4, p. 14: 01 is for a source below 5 kohm (ours: 2 x 100 ohm and wire).
# The test drives a current through the probe; it does not depend on the thermocouple type, and p.
# 26 excepts only TCRANGE from voltage mode. By itself it comes once in 16 conversions, 160 s at a
# sample every 10 s. p. 14 gives the way to have it on demand: select 00, then the wanted setting.
_CR0_OPEN_TEST = const(0x10)

# CR1, p. 20: AVGSEL in bits 6:4, TC TYPE in bits 3:0; type 10xx is voltage mode with gain 8, 11xx
# with gain 32. Code = gain x 1.6 x 2**17 x volts, 19 bits signed, full scale +-2**17 (p. 20, note
# 7 on p. 5): +-19.5 mV at gain 32, where one code is 149 nV. T, K and E from -210 to +60 degC
# with any cold junction the chip can have stay within +-13 mV.
_CR1_GAIN = {8: 0x08, 32: 0x0C}
_CR1_AVERAGING = {1: 0x00, 2: 0x10, 4: 0x20, 8: 0x30, 16: 0x40}

# MASK, p. 21: gates only the FAULT pin, which is a test point here: open and OVUV drive it.
# Bits 7:6 are reserved. The power-on value is 0xFF, so ours also tells a restarted chip.
_MASK_VALUE = const(0xFC)
_MASK_USED = const(0x3F)
# Thresholds, p. 21-22: their power-on values, which no reading reaches; limits are the firmware's.
_THRESHOLDS = b"\x7f\xc0\x7f\xff\x80\x00"

# SR, p. 25-26.
FAULT_CJ_RANGE = const(0x80)  # cold junction outside -55 to +125 degC
FAULT_TC_RANGE = const(0x40)  # to be ignored in voltage mode, p. 26
FAULT_CJ_HIGH = const(0x20)
FAULT_CJ_LOW = const(0x10)
FAULT_TC_HIGH = const(0x08)
FAULT_TC_LOW = const(0x04)
FAULT_OVUV = const(0x02)  # an input above the supply or below ground; suspends conversions
FAULT_OPEN = const(0x01)

_NO_LIMIT = const(-1)  # no register reads so

# What one read leaves behind: the byte that came while the address went out, then register n at
# index n + 1.
IMAGE_BYTES = const(17)

# Conversion time, one-shot, p. 4 (longest) and p. 20 (each further averaged sample).
_ONE_SHOT_MAX_MS = {60: 155, 50: 185}
_AVERAGE_STEP_US = {60: 33_334, 50: 40_000}
_OPEN_TEST_MAX_MS = const(15)  # Table 4, p. 14, setting 01


class MAX31856:
    """One converter. `configure` belongs to the main loop, the rest to the interrupt side."""

    def __init__(
        self, spi: "Spi", cs: "Output", gain: int = 32, averaging: int = 16, mains_hz: int = 50
    ) -> None:
        """Build every buffer. Raises KeyError for a gain, averaging or mains the chip lacks."""
        self._spi = spi
        self._cs = cs
        self.gain = gain
        self.conversion_max_ms = (
            _ONE_SHOT_MAX_MS[mains_hz]
            + ((averaging - 1) * _AVERAGE_STEP_US[mains_hz] + 999) // 1000
            + _OPEN_TEST_MAX_MS
        )
        idle = _CR0_50_HZ if mains_hz == 50 else 0
        cr0 = idle | _CR0_OPEN_TEST
        cr1 = _CR1_AVERAGING[averaging] | _CR1_GAIN[gain]
        self._settings = bytes((cr0, cr1, _MASK_VALUE)) + _THRESHOLDS + b"\x00"
        self._normal = self._write_settings = bytes((_CR0 | _WRITE,)) + self._settings
        self._low_limit = _NO_LIMIT  # CJHF while its fault is provoked
        self._write_idle = bytes((_CR0 | _WRITE, idle))
        self._write_start = bytes((_CR0 | _WRITE, cr0 | _CR0_ONE_SHOT))
        self._read_all = bytes(IMAGE_BYTES)  # address 0x00, then zeros to clock the answer out
        self._unused_settings = bytearray(len(self._write_settings))
        self._unused_pair = bytearray(2)

    def configure(self) -> bool:
        """Write all settings and say whether the chip holds them. Main loop only.

        Call while the sampler is stopped: its interrupts share the bus. The read-back also
        releases DRDY, should an old conversion still hold it low.
        """
        self.restore()
        image = bytearray(IMAGE_BYTES)
        self.read_into(image)
        return self.settings_kept(image)

    def restore(self) -> None:
        """Write all settings again. Interrupt-safe."""
        self._cs(0)
        self._spi.write_readinto(self._write_settings, self._unused_settings)
        self._cs(1)

    def start(self) -> None:
        """Start one conversion with its own open-circuit test. Interrupt-safe.

        Should a chip run the test after the conversion it was asked with, the fault shows one
        sample later.
        """
        cs = self._cs
        spi = self._spi
        cs(0)
        spi.write_readinto(self._write_idle, self._unused_pair)
        cs(1)
        cs(0)
        spi.write_readinto(self._write_start, self._unused_pair)
        cs(1)

    def read_into(self, image: "Bytes") -> None:
        """Read all registers into `image` (IMAGE_BYTES long); releases DRDY. Interrupt-safe."""
        self._cs(0)
        self._spi.write_readinto(self._read_all, image)
        self._cs(1)

    def settings_kept(self, image: "ReadOnlyBytes") -> bool:
        """Say whether the image shows our settings, a finished one-shot aside. Allocates nothing.

        1SHOT reads 1 while a conversion runs, which is no loss of settings.
        """
        return self.registers_lost(image) == 0

    def registers_lost(self, image: "ReadOnlyBytes") -> int:
        """Return how many settings registers of an image are not as written. Allocates nothing."""
        settings = self._settings
        lost = 0
        if image[1 + _CR0] & _CR0_SETTINGS != settings[_CR0]:
            lost += 1
        if image[1 + _CR1] != settings[_CR1]:
            lost += 1
        if image[1 + _MASK] & _MASK_USED != _MASK_VALUE & _MASK_USED:
            lost += 1
        for register in range(_CJHF, _CJTO + 1):
            value = image[1 + register]
            if value != settings[register] and (register != _CJHF or value != self._low_limit):
                lost += 1
        return lost

    def provoke(self, limit_degc: int) -> None:
        """Let the next `restore` set the cold-junction high limit (CJHF, p. 21) to this.

        Images made before and after both count as kept, and the fault it raises is no state of
        the probe: samples go on while the fault logic is tested. -128 to 127.
        """
        low = bytearray(self._normal)
        low[1 + _CJHF] = limit_degc & 0xFF
        self._low_limit = limit_degc & 0xFF
        self._write_settings = bytes(low)

    def calm(self) -> None:
        """Let the next `restore` set the limit back; call `calmed` once that was seen."""
        self._write_settings = self._normal

    def calmed(self) -> None:
        """Take the low limit for lost settings again."""
        self._write_settings = self._normal
        self._low_limit = _NO_LIMIT

    def provoked(self, image: "ReadOnlyBytes") -> int:
        """Return FAULT_CJ_HIGH if the image shows the low limit and its fault, else 0."""
        if image[1 + _CJHF] != self._low_limit:
            return 0
        return image[1 + _SR] & FAULT_CJ_HIGH

    def state(self, image: "ReadOnlyBytes", fresh: bool) -> int:
        """Return the probe state (layout.STATE_*) an image stands for. Allocates nothing.

        `fresh`: the chip said a conversion was done. The first that holds is the answer:
        1. no answer on the bus: all bytes 0x00 or all 0xFF, neither of which a live chip can
           give, for its settings are not      -> SILENT
        2. settings lost                       -> BROWN_OUT
        3. OVUV; the chip converts nothing and updates no other fault while it lasts -> SHORT
        4. OPEN                                -> OPEN
        5. CJRANGE, CJHIGH or CJLOW            -> COLD_JUNCTION
        6. no conversion was done              -> SILENT
        7. TCHIGH, TCLOW; thresholds stand at full scale -> ABOVE_TABLE, BELOW_TABLE
        TCRANGE judges the chip's own linearisation, off in voltage mode, and is ignored; that the
        voltage itself leaves the reference function is for `thermocouple` to find.
        """
        if not answered(image):
            return STATE_SILENT
        if not self.settings_kept(image):
            return STATE_BROWN_OUT
        faults = image[1 + _SR] & ~self.provoked(image)
        if faults & FAULT_OVUV:
            return STATE_SHORT
        if faults & FAULT_OPEN:
            return STATE_OPEN
        if faults & (FAULT_CJ_RANGE | FAULT_CJ_HIGH | FAULT_CJ_LOW):
            return STATE_COLD_JUNCTION
        if not fresh:
            return STATE_SILENT
        if faults & FAULT_TC_HIGH:
            return STATE_ABOVE_TABLE
        if faults & FAULT_TC_LOW:
            return STATE_BELOW_TABLE
        return STATE_OK


def answered(image: "ReadOnlyBytes") -> bool:
    """Say whether any chip drove the bus: a dead line reads all zeros or all ones."""
    first = image[1]
    if first not in (0x00, 0xFF):
        return True
    for register in range(1, _REGISTERS):
        if image[1 + register] != first:
            return True
    return False


def voltage_raw(image: "ReadOnlyBytes") -> int:
    """Return the 19-bit signed thermocouple voltage code (Table 3, p. 13: bits 23 to 5)."""
    code = image[1 + _LTCBH] << 11 | image[2 + _LTCBH] << 3 | image[3 + _LTCBH] >> 5
    return code - 0x80000 if code & 0x40000 else code


def cold_junction_raw(image: "ReadOnlyBytes") -> int:
    """Return the 14-bit signed cold junction in 1/64 degC (Table 2, p. 13: bits 15 to 2)."""
    code = image[1 + _CJTH] << 6 | image[2 + _CJTH] >> 2
    return code - 0x4000 if code & 0x2000 else code


def fault(image: "ReadOnlyBytes") -> int:
    """Return the fault status register."""
    return image[1 + _SR]
