"""The supply monitor."""

import pytest

from dewarlog_firmware.sensors.supply import Supply


class Adc:
    """A converter that gives the same codes over and over."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def read_u16(self) -> int:
        """Give the next code."""
        self.codes.append(self.codes.pop(0))
        return self.codes[-1]


class CalibratedAdc(Adc):
    """A converter that knows its voltage, as esp32's does."""

    def read_uv(self) -> int:
        """Give the next code as microvolts."""
        return self.read_u16()


@pytest.mark.parametrize(("code", "supply_mv"), [(0, 0), (65535, 6600), (32768, 3300)])
def test_the_divider_is_undone(code: int, supply_mv: int) -> None:
    """Half of the supply is at the pin."""
    assert Supply(Adc(code), 3300, 100, 100).read_mv() == supply_mv


def test_eight_readings_are_averaged() -> None:
    """Noise of one reading counts an eighth."""
    assert Supply(Adc(32768, 32768, 32768, 32768, 0, 0, 0, 0), 3300, 100, 100).read_mv() == 1650


def test_an_uneven_divider_is_undone() -> None:
    """200 kohm over 100 kohm is three times the pin."""
    assert Supply(Adc(21845), 3300, 200, 100).read_mv() == 3300


def test_a_calibrated_converter_is_preferred() -> None:
    """Its full scale is not its reference."""
    assert Supply(CalibratedAdc(1_650_000), 3100, 100, 100).read_mv() == 3300
