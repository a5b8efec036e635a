"""The LIS3DH driver against a chip of registers."""

from array import array

import pytest

from dewarlog_firmware.sensors.lis3dh import ADDRESS, LIS3DH
from register_chips import I2cBus, Lis3dhChip


def connect() -> tuple[Lis3dhChip, LIS3DH]:
    """Return a chip and its driver."""
    bus = I2cBus()
    chip = Lis3dhChip()
    bus.chips[ADDRESS] = chip
    return chip, LIS3DH(bus)


def test_it_knows_its_chip_and_no_other() -> None:
    """WHO_AM_I is 0x33."""
    chip, driver = connect()
    assert driver.identified()
    chip.registers[0x0F] = 0x32

    assert not driver.identified()


@pytest.mark.parametrize(("rate_hz", "register"), [(1, 0x1F), (10, 0x2F), (25, 0x3F)])
def test_settings_are_what_the_datasheet_names(rate_hz: int, register: int) -> None:
    """Low power, all axes, +-2 g, both bytes of a value from one moment."""
    chip, driver = connect()

    assert driver.configure(rate_hz)
    assert chip.registers[0x20:0x26].hex() == f"{register:02x}0000800000"


def test_a_rate_it_does_not_offer_is_refused() -> None:
    """Rather than rounded to something else."""
    _, driver = connect()
    with pytest.raises(KeyError):
        driver.configure(50)


def test_settings_that_were_lost_are_found() -> None:
    """After a dip of the supply."""
    chip, driver = connect()
    driver.configure()
    chip.registers[0x20] = 0x07

    assert not driver.settings_kept()


@pytest.mark.parametrize(
    ("raw", "axes_mg"),
    [
        ((0, 0, 0x3E80), [0, 0, 1000]),
        ((-0x3E80, 0, 0), [-1000, 0, 0]),
        ((0x7F00, -0x8000, 0x0100), [2032, -2048, 16]),  # ends of 8 bits, and one step
    ],
)
def test_left_justified_values_become_mg(raw: tuple[int, int, int], axes_mg: list[int]) -> None:
    """16 raw counts are 1 mg at +-2 g in every mode."""
    chip, driver = connect()
    chip.measure(*raw)
    axes = array("h", [0, 0, 0])

    assert driver.read_mg(axes)
    assert axes.tolist() == axes_mg


def test_an_old_set_is_not_read_twice() -> None:
    """The caller keeps what it had."""
    chip, driver = connect()
    chip.measure(1600, 1600, 1600, status=0x00)
    axes = array("h", [7, 8, 9])

    assert not driver.read_mg(axes)
    assert axes.tolist() == [7, 8, 9]


def test_overrun_is_told() -> None:
    """It only means that nobody looked for a while."""
    chip, driver = connect()
    chip.measure(0, 0, 0, status=0x88)
    driver.read_mg(array("h", [0, 0, 0]))
    assert driver.overrun
    chip.measure(0, 0, 0, status=0x08)
    driver.read_mg(array("h", [0, 0, 0]))

    assert not driver.overrun


def test_a_chip_that_is_not_there_is_an_error_of_the_bus() -> None:
    """For the caller to record."""
    driver = LIS3DH(I2cBus())
    with pytest.raises(OSError, match="5"):
        driver.identified()


# --- self-test -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("push", "ctrl4"), [(False, 0x80), (True, 0x82)])
def test_the_self_test_is_set_up_as_the_datasheet_asks(*, push: bool, ctrl4: int) -> None:
    """100 Hz, all axes, normal mode, +-2 g; ST = 01 pushes."""
    chip, driver = connect()
    driver.configure()
    driver.begin_self_test(push=push)

    assert chip.registers[0x20:0x26] == bytes((0x57, 0, 0, ctrl4, 0, 0))


def test_digits_are_the_upper_ten_bits_and_are_summed() -> None:
    """A set counts once: without a new one nothing is added."""
    chip, driver = connect()
    sums = [0, 0, 0]
    chip.measure(63 << 6, -(17 << 6), 250 << 6)
    assert driver.add_digits(sums)
    assert driver.add_digits(sums)
    chip.measure(1 << 6, 1 << 6, 1 << 6, status=0)

    assert not driver.add_digits(sums)
    assert sums == [126, -34, 500]


def test_registers_are_brought_back_as_they_were() -> None:
    """Those of a chip that was never set up, too."""
    chip, driver = connect()
    chip.registers[0x20] = 0x07
    before = driver.registers()
    driver.begin_self_test(push=True)
    driver.set_registers(before)

    assert chip.registers[0x20:0x26] == bytes((0x07, 0, 0, 0, 0, 0))
