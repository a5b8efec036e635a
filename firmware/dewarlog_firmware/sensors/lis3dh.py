"""LIS3DH: which way is down, over I2C. Read now and then by the main loop.

Source: LIS3DH data sheet, ST DocID17530, Rev 2 (December 2016). Checked against Linux
drivers/iio/accel/st_accel_core.c (st_accel_sensors_settings, WHO_AM_I 0x33).
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from dewarlog_firmware.sensors import I2c

ADDRESS = 0x18  # SDO/SA0 tied low; 0x19 when high (section 6.1.1, I2C operation)
_AUTO_INCREMENT = const(0x80)  # bit 7 of the sub-address counts it up (section 6.1.1)

# Register address map, Table 21.
_WHO_AM_I = const(0x0F)
_IDENTITY = const(0x33)  # Table 24
_CTRL_REG1 = const(0x20)  # followed by CTRL_REG2 to CTRL_REG6
_STATUS_REG = const(0x27)  # followed by OUT_X_L to OUT_Z_H

# CTRL_REG1: ODR in bits 7:4 (data rate configuration, Table 31), LPen bit 3, Zen Yen Xen bits 2:0.
_RATE = {1: 0x10, 10: 0x20, 25: 0x30}
_LOW_POWER = const(0x08)
_ALL_AXES = const(0x07)
# CTRL_REG4: BDU bit 7 (the two bytes of a value belong together), FS bits 5:4 = 00 for +-2 g.
_BLOCK_UPDATE = const(0x80)
# STATUS_REG: a set was overwritten unread; a new set is there.
_ZYXOR = const(0x80)
_ZYXDA = const(0x08)

# Self-test (section 3.2.2): ST bits 2:1 of CTRL_REG4 = 01 push the proof mass. Each axis changes
# by 17 to 360 digits (Table 4, Vst: +-2 g, normal mode, 10 bits, 4 mg a digit). AN3308 "Self-test"
# measures at 100 Hz from 90 ms after each change of settings, and takes the mean of five.
_SELF_TEST = const(0x02)
_RATE_100_HZ = const(0x50)
_DIGIT_SHIFT = const(6)  # 10 bits, left-justified in 16
SELF_TEST_SETTLE_MS = const(90)
SELF_TEST_LEAST = const(17)
SELF_TEST_MOST = const(360)

# Sensitivity at +-2 g, Table 4: 16 mg in the 8 bits of low power, 1 mg in the 12 bits of high
# resolution. Values are left-justified in 16 bits, so 16 raw counts are 1 mg in either mode.
_RAW_PER_MG_SHIFT = const(4)


class LIS3DH:
    """One tilt sensor. Every method raises OSError when the chip does not answer."""

    def __init__(self, i2c: "I2c", address: int = ADDRESS) -> None:
        self._i2c = i2c
        self._address = address
        self._byte = bytearray(1)
        self._answer = bytearray(7)
        self._settings = bytearray(6)
        self.overrun = False  # at the last `read_mg`: earlier sets went unread, as they may

    def identified(self) -> bool:
        """Say whether the chip gives its fixed byte."""
        self._i2c.readfrom_mem_into(self._address, _WHO_AM_I, self._byte)
        return self._byte[0] == _IDENTITY

    def configure(self, rate_hz: int = 10) -> bool:
        """Measure at 1, 10 or 25 Hz, +-2 g, low power; say whether the chip holds the settings.

        Raises KeyError for another rate.
        """
        settings = self._settings
        for at in range(len(settings)):
            settings[at] = 0
        settings[0] = _RATE[rate_hz] | _LOW_POWER | _ALL_AXES
        settings[3] = _BLOCK_UPDATE
        self._i2c.writeto_mem(self._address, _CTRL_REG1 | _AUTO_INCREMENT, settings)
        return self.settings_kept()

    def settings_kept(self) -> bool:
        """Say whether the chip still holds what `configure` wrote."""
        return self.registers() == self._settings

    def registers(self) -> bytes:
        """Return CTRL_REG1 to CTRL_REG6, for `set_registers` to bring back."""
        found = bytearray(len(self._settings))
        self._i2c.readfrom_mem_into(self._address, _CTRL_REG1 | _AUTO_INCREMENT, found)
        return bytes(found)

    def set_registers(self, values: bytes) -> None:
        """Write what `registers` returned."""
        self._i2c.writeto_mem(self._address, _CTRL_REG1 | _AUTO_INCREMENT, values)

    def begin_self_test(self, *, push: bool) -> None:
        """Measure as the self-test asks for, with or without the push; `set_registers` ends it."""
        force = _SELF_TEST if push else 0
        self.set_registers(bytes((_RATE_100_HZ | _ALL_AXES, 0, 0, _BLOCK_UPDATE | force, 0, 0)))

    def add_digits(self, sums: "MutableSequence[int]") -> bool:
        """Add x, y, z in digits of the self-test to `sums`, if a new set is there; say whether."""
        if not self._read_set():
            return False
        for axis in range(3):
            sums[axis] += self._raw(axis) >> _DIGIT_SHIFT
        return True

    def read_mg(self, axes: "MutableSequence[int]") -> bool:
        """Put x, y, z in mg into `axes`, if a new set is there; say whether one was."""
        if not self._read_set():
            return False
        self.overrun = self._answer[0] & _ZYXOR != 0
        for axis in range(3):
            axes[axis] = self._raw(axis) >> _RAW_PER_MG_SHIFT
        return True

    def _read_set(self) -> bool:
        answer = self._answer
        self._i2c.readfrom_mem_into(self._address, _STATUS_REG | _AUTO_INCREMENT, answer)
        return answer[0] & _ZYXDA != 0

    def _raw(self, axis: int) -> int:
        value = self._answer[1 + 2 * axis] | self._answer[2 + 2 * axis] << 8
        return value - 0x10000 if value & 0x8000 else value
