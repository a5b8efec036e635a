"""A board's rules on the air, on the virtual radio: what takes a key, and how long it waits."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

import pytest

from dewarlog.errors import DeviceRefused, Unreachable
from dewarlog.link import open_link, radio
from dewarlog.proven import Credential
from dewarlog.session import Session
from dewarlog_wire import layout
from line import scenario_file
from simboard import air
from simboard.launch import start

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from dewarlog.link import Link

pytestmark = pytest.mark.usefixtures("micropython")

SPEED: Final = 10  # simulated seconds a second
IDLE_S: Final = 60 / SPEED  # SPEC 7.3


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[tuple[Link, Link]]:
    """Open one board's cable and its radio."""
    with air.start() as hub:
        monkeypatch.setenv(radio.AIR, str(hub))
        file = scenario_file(tmp_path, "4 h")
        with (
            start(file, real_time=True, speed=SPEED, air=hub) as board,
            contextlib.ExitStack() as stack,
        ):
            cable = stack.enter_context(contextlib.closing(open_link(f"usb:{board.pty}")))
            name = Session(cable).hello().name
            stack.callback(radio.end)
            yield (
                cable,
                stack.enter_context(contextlib.closing(open_link(f"ble:dewarlog-{name[-4:]}"))),
            )


def test_a_board_on_the_air_obeys_who_has_its_key_and_parts_from_who_is_silent(
    links: tuple[Link, Link],
) -> None:
    """The key comes through the cable; a lost link is joined and proven anew."""
    cable, by_air = links
    courier = Session(cable)
    courier.hello()
    key = courier.key(layout.KEY_COURIER)
    stranger = Session(by_air)
    stranger.hello()
    with pytest.raises(DeviceRefused) as refused:
        stranger.set_time(1, 0, 40)
    courier_key = Credential(layout.KEY_COURIER, key, b"", "courier key")
    session = Session(by_air, credentials=lambda _: courier_key)
    session.hello()
    began_s = time.monotonic()

    with pytest.raises(Unreachable):
        by_air.receive(4 * IDLE_S)
    silent_s = time.monotonic() - began_s
    session.set_time(1, 0, 40)  # not in vain: the link comes back, and is proven again

    assert refused.value.text == "over the air this takes a proof by the courier or admin key"
    assert 0.9 * IDLE_S < silent_s < 2 * IDLE_S
    assert session.proven
