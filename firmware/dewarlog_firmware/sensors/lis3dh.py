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
        found = bytearray(len(self._settings))
        self._i2c.readfrom_mem_into(self._address, _CTRL_REG1 | _AUTO_INCREMENT, found)
        return found == self._settings

    def read_mg(self, axes: "MutableSequence[int]") -> bool:
        """Put x, y, z in mg into `axes`, if a new set is there; say whether one was."""
        answer = self._answer
        self._i2c.readfrom_mem_into(self._address, _STATUS_REG | _AUTO_INCREMENT, answer)
        if not answer[0] & _ZYXDA:
            return False
        self.overrun = answer[0] & _ZYXOR != 0
        for axis in range(3):
            value = answer[1 + 2 * axis] | answer[2 + 2 * axis] << 8
            if value & 0x8000:
                value -= 0x10000
            axes[axis] = value >> _RAW_PER_MG_SHIFT
        return True
