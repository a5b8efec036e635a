"""The MAX31856 driver against a chip of registers."""

import pytest

from dewarlog_firmware.sensors import max31856
from dewarlog_firmware.sensors.max31856 import MAX31856
from dewarlog_wire import layout
from register_chips import Max31856Chip, SpiBus


def connect(**options: int) -> tuple[Max31856Chip, MAX31856]:
    """Return a chip and its configured driver."""
    chip = Max31856Chip()
    driver = MAX31856(SpiBus(chip), chip.cs, **options)
    assert driver.configure()
    return chip, driver


def image_of(driver: MAX31856) -> bytearray:
    """Read the chip once."""
    image = bytearray(max31856.IMAGE_BYTES)
    driver.read_into(image)
    return image


def test_settings_are_what_the_datasheet_names() -> None:
    """Open test 01, comparator, 50 Hz; 16 averages, voltage mode gain 32; thresholds wide open."""
    chip, _ = connect()

    assert chip.registers[:10].hex() == "114cfc7fc07fff800000"


@pytest.mark.parametrize(
    ("options", "cr0", "cr1"),
    [
        ({"mains_hz": 60}, 0x10, 0x4C),
        ({"gain": 8}, 0x11, 0x48),
        ({"averaging": 1}, 0x11, 0x0C),
        ({"averaging": 2}, 0x11, 0x1C),
        ({"averaging": 4}, 0x11, 0x2C),
        ({"averaging": 8}, 0x11, 0x3C),
    ],
)
def test_each_option_sets_its_own_bits(options: dict[str, int], cr0: int, cr1: int) -> None:
    """CR0 page 19, CR1 page 20."""
    chip, _ = connect(**options)

    assert (chip.registers[0], chip.registers[1]) == (cr0, cr1)


@pytest.mark.parametrize("options", [{"gain": 16}, {"averaging": 3}, {"mains_hz": 55}])
def test_what_the_chip_cannot_do_is_refused(options: dict[str, int]) -> None:
    """Rather than rounded to something else."""
    chip = Max31856Chip()
    with pytest.raises(KeyError):
        MAX31856(SpiBus(chip), chip.cs, **options)


def test_configure_fails_when_nobody_answers() -> None:
    """A dead line reads as all ones."""
    chip = Max31856Chip()
    chip.dead = 0xFF

    assert not MAX31856(SpiBus(chip), chip.cs).configure()


def test_start_converts_once_and_asks_for_an_open_circuit_test() -> None:
    """Page 14: detection off, then on, has the test made with this conversion."""
    chip, driver = connect()
    tests_before = chip.open_tests_asked
    driver.start()

    assert chip.frames[-2:] == [bytes.fromhex("8001"), bytes.fromhex("8051")]
    assert chip.conversions_started == 1
    assert chip.open_tests_asked == tests_before + 1


def test_a_running_conversion_is_no_loss_of_settings() -> None:
    """1SHOT reads 1 until the conversion is done."""
    _, driver = connect()
    driver.start()

    assert driver.settings_kept(image_of(driver))


def test_reading_releases_data_ready() -> None:
    """Else the next conversion would make no edge."""
    chip, driver = connect()
    chip.convert(1, 1)
    image_of(driver)

    assert chip.drdy.now == 1


@pytest.mark.parametrize("code", [0, 1, -1, 0x3FFFF, -0x40000, 131071, -131072, -37_164])
def test_voltage_code_is_19_bits_signed(code: int) -> None:
    """Table 3, page 13: bits 23 to 5 of LTCBH, LTCBM, LTCBL."""
    chip, driver = connect()
    chip.convert(code, 0)

    assert max31856.voltage_raw(image_of(driver)) == code


@pytest.mark.parametrize(
    ("registers", "code"),
    [
        ("7f00", 127 * 64),  # Table 2, page 13: +127 degC
        ("1900", 25 * 64),
        ("0004", 1),  # +1/64 degC
        ("0000", 0),
        ("fffc", -1),
        ("e700", -25 * 64),
        ("c900", -55 * 64),
    ],
)
def test_cold_junction_codes_of_the_datasheet(registers: str, code: int) -> None:
    """14 bits signed in 1/64 degC."""
    image = bytearray(max31856.IMAGE_BYTES)
    image[11:13] = bytes.fromhex(registers)

    assert max31856.cold_junction_raw(image) == code


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (0x00, layout.STATE_OK),
        (max31856.FAULT_OPEN, layout.STATE_OPEN),
        (max31856.FAULT_OVUV, layout.STATE_SHORT),
        (max31856.FAULT_TC_LOW, layout.STATE_BELOW_TABLE),
        (max31856.FAULT_TC_HIGH, layout.STATE_ABOVE_TABLE),
        (max31856.FAULT_CJ_LOW, layout.STATE_COLD_JUNCTION),
        (max31856.FAULT_CJ_HIGH, layout.STATE_COLD_JUNCTION),
        (max31856.FAULT_TC_RANGE, layout.STATE_OK),  # page 26: ignored in voltage mode
        (max31856.FAULT_CJ_RANGE, layout.STATE_COLD_JUNCTION),
        (max31856.FAULT_OVUV | max31856.FAULT_OPEN, layout.STATE_SHORT),
        (max31856.FAULT_OPEN | max31856.FAULT_CJ_RANGE, layout.STATE_OPEN),
        (max31856.FAULT_CJ_RANGE | max31856.FAULT_TC_LOW, layout.STATE_COLD_JUNCTION),
        (0xFF, layout.STATE_SHORT),
    ],
)
def test_every_fault_bit_has_its_own_state(fault: int, state: int) -> None:
    """And of several, the one that says most."""
    chip, driver = connect()
    chip.convert(-30_000, 1600, fault)
    image = image_of(driver)

    assert driver.state(image, fresh=True) == state
    assert max31856.fault(image) == fault


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_a_dead_line_is_silence(byte: int) -> None:
    """Whatever the data registers would mean."""
    chip, driver = connect()
    chip.dead = byte

    assert driver.state(image_of(driver), fresh=True) == layout.STATE_SILENT


def test_a_chip_that_forgot_its_settings_browned_out() -> None:
    """Also right after a start, which writes CR0 alone."""
    chip, driver = connect()
    chip.power_on()
    driver.start()
    chip.convert(-30_000, 1600)

    assert driver.state(image_of(driver), fresh=True) == layout.STATE_BROWN_OUT


@pytest.mark.parametrize("register", range(10))
def test_any_lost_setting_is_found(register: int) -> None:
    """A flipped bit in any of them."""
    chip, driver = connect()
    chip.registers[register] ^= 0x04

    assert driver.state(image_of(driver), fresh=True) == layout.STATE_BROWN_OUT


def test_restore_brings_the_settings_back() -> None:
    """After which the chip is trusted again."""
    chip, driver = connect()
    chip.power_on()
    driver.restore()

    assert driver.settings_kept(image_of(driver))


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (0, layout.STATE_SILENT),
        (max31856.FAULT_OVUV, layout.STATE_SHORT),
        (max31856.FAULT_OPEN, layout.STATE_OPEN),
        (max31856.FAULT_TC_HIGH, layout.STATE_SILENT),
    ],
)
def test_without_a_conversion_the_reason_is_told_when_the_chip_knows_it(
    fault: int, state: int
) -> None:
    """Page 25: OVUV suspends conversions, so the silence it causes is a short, not silence."""
    chip, driver = connect()
    driver.start()
    chip.put_result(0, 0, fault)

    assert driver.state(image_of(driver), fresh=False) == state


@pytest.mark.parametrize(
    ("mains_hz", "averaging", "longest_ms"),
    [(60, 1, 155 + 15), (50, 1, 185 + 15), (60, 16, 155 + 500 + 15 + 1), (50, 16, 185 + 600 + 15)],
)
def test_longest_conversion_follows_the_datasheet(
    mains_hz: int, averaging: int, longest_ms: int
) -> None:
    """Page 4, page 20 and Table 4."""
    chip = Max31856Chip()
    driver = MAX31856(SpiBus(chip), chip.cs, averaging=averaging, mains_hz=mains_hz)

    assert driver.conversion_max_ms == longest_ms


# --- self-test -----------------------------------------------------------------------------------

CJHF = 0x03


def test_a_provoked_fault_is_no_state_of_the_probe() -> None:
    """The limit is the chip's, the sample is as ever, and the test sees the fault."""
    chip, driver = connect()
    driver.provoke(-7)
    driver.restore()
    chip.convert(-1000, 64, max31856.FAULT_CJ_HIGH)
    image = image_of(driver)

    assert chip.registers[CJHF] == 0xF9
    assert driver.state(image, fresh=True) == layout.STATE_OK
    assert driver.provoked(image) == max31856.FAULT_CJ_HIGH
    assert driver.settings_kept(image)


def test_an_image_from_before_the_provocation_still_counts_as_kept() -> None:
    """A sample may be on its way while the test begins, and while it ends."""
    chip, driver = connect()
    chip.convert(-1000, 64)
    before = image_of(driver)
    driver.provoke(20)

    assert driver.settings_kept(before)
    assert driver.provoked(before) == 0


def test_a_fault_that_nobody_provoked_stays_one() -> None:
    """CJHIGH at the limit that is always there is a cold junction out of bounds."""
    chip, driver = connect()
    driver.provoke(20)
    chip.convert(-1000, 64, max31856.FAULT_CJ_HIGH)

    assert driver.state(image_of(driver), fresh=True) == layout.STATE_COLD_JUNCTION


def test_after_the_test_the_low_limit_is_a_lost_setting() -> None:
    """And the next restore brings all of them back."""
    chip, driver = connect()
    driver.provoke(20)
    driver.restore()
    low = image_of(driver)
    driver.calm()
    driver.restore()
    kept = image_of(driver)
    assert driver.settings_kept(low)
    driver.calmed()

    assert driver.registers_lost(low) == 1
    assert driver.registers_lost(kept) == 0
    assert chip.registers[:10].hex() == "114cfc7fc07fff800000"


@pytest.mark.parametrize(("byte", "lost"), [(0xFF, 9), (0x00, 8)])
def test_a_dead_line_has_lost_nearly_every_setting(byte: int, lost: int) -> None:
    """All but those whose value is what the line reads."""
    chip, driver = connect()
    chip.dead = byte

    assert driver.registers_lost(image_of(driver)) == lost
