"""Who is on the air, before anyone connects: as rows for a person, as data, as a live table.

Between link and cli. A state is said in a word and shown in a colour, never in colour alone. Names
come from strangers: they are escaped before they are shown.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dewarlog import console, words
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dewarlog.link.advert import Advert, Heard
    from dewarlog.link.ports import SerialPort
    from dewarlog.link.radio import Ear

HEADS: Final = ("Dewar", "State", "Temperature", "Battery", "To pull", "Signal")
# Boards advertise a few times a second: who is silent for so long has gone or is being pulled.
STALE_S: Final = 10.0
_NEXT: Final = (
    "HOLD: a limit was passed on this trip. The log tells the rest: dewarlog handoff DEWAR"
)
_PORTS_EVERY_S: Final = 2.0
_REFRESH_HZ: Final = 4
_BARS: Final = (-88, -78, -67, -55)  # dBm at which each bar begins
_RECORDING: Final = "recording"
_UNKNOWN: Final = "not understood"

# Worst first: the first one that is so gives the colour. (bit, word, style)
_BAD: Final = (
    (layout.STATUS_EXCURSION, "EXCURSION", "bold white on red"),
    (layout.STATUS_HELD, "HOLD", "bold white on red"),
    (layout.STATUS_FAULT, "FAULT", "bold white on red"),
    (layout.STATUS_WARNING, "warning", "black on yellow"),
    (layout.STATUS_MEMORY_FULL, "memory full", "black on yellow"),
    (layout.STATUS_LOW_SUPPLY, "supply low", "black on yellow"),
    (layout.STATUS_CLOCK_UNSET, "clock not set", "black on yellow"),
)


# --- one dewar ----------------------------------------------------------------------------------
def state_of(advert: Advert | None) -> tuple[str, str]:
    """Return a dewar's state in words, the worst first, and the style that goes with it."""
    if advert is None:
        return _UNKNOWN, "dim"
    found = [(word, style) for bit, word, style in _BAD if advert.state & bit]
    if not advert.state & layout.STATUS_RECORDING:
        found.append(("not recording", "black on yellow"))
    if not found:
        return _RECORDING, "green"
    return ", ".join(word for word, _ in found), found[0][1]


def temperature(advert: Advert | None) -> str:
    """Return the warmest payload probe's temperature, or why it gives none."""
    if advert is None:
        return "-"
    if advert.temperature_degc is None:
        return layout.STATE_NAMES[layout.state_of(advert.reading)]
    return words.degc(advert.temperature_degc)


def signal(rssi_dbm: int) -> str:
    """Return a signal's strength as bars and as a number."""
    bars = sum(rssi_dbm >= least for least in _BARS)
    return f"{'|' * bars:.<{len(_BARS)}} {rssi_dbm} dBm"


def devices(heard: Sequence[Heard]) -> dict[str, str]:
    """Return, by address, what to call each dewar in a command: its name where only it has it."""
    shared = Counter((one.name or "").casefold() for one in heard)
    return {
        one.address: f"ble:{one.name}"
        if one.name and shared[one.name.casefold()] == 1
        else f"ble:{one.address}"
        for one in heard
    }


def rows(heard: Sequence[Heard], now_s: float) -> list[tuple[str, ...]]:
    """Return the table's rows, by name; a dewar that fell silent keeps its place."""
    called = devices(heard)
    return [_row(one, called[one.address], now_s) for one in _sorted(heard)]


def as_data(heard: Sequence[Heard], now_s: float) -> list[dict[str, Any]]:
    """Return the same for a program."""
    called = devices(heard)
    listed: list[dict[str, Any]] = []
    for one in _sorted(heard):
        advert = one.advert
        data: dict[str, Any] = {
            "device": called[one.address],
            "name": one.name,
            "address": one.address,
            "signal_dbm": one.rssi_dbm,
            "heard_s_ago": round(now_s - one.at_s, 1),
            "state": state_of(advert)[0],
        }
        if advert is not None:
            data |= {
                "recording": bool(advert.state & layout.STATUS_RECORDING),
                "excursion": bool(advert.state & layout.STATUS_EXCURSION),
                "held": bool(advert.state & layout.STATUS_HELD),
                "warning": bool(advert.state & layout.STATUS_WARNING),
                "fault": bool(advert.state & layout.STATUS_FAULT),
                "clock_set": not advert.state & layout.STATUS_CLOCK_UNSET,
                "supply_low": bool(advert.state & layout.STATUS_LOW_SUPPLY),
                "memory_full": bool(advert.state & layout.STATUS_MEMORY_FULL),
                "temperature_degc": advert.temperature_degc,
                "probe": layout.STATE_NAMES[layout.state_of(advert.reading)],
                "backlog_kib": advert.backlog_kib,
            }
        listed.append(data)
    return listed


def _sorted(heard: Sequence[Heard]) -> list[Heard]:
    return sorted(heard, key=lambda one: ((one.name or "\uffff").casefold(), one.address))


def _row(one: Heard, called: str, now_s: float) -> tuple[str, ...]:
    advert = one.advert
    if one.name and one.name not in called:  # an address alone says nothing to a person
        called += f" ({one.name})"
    silent_s = now_s - one.at_s
    if silent_s > STALE_S:
        state, strength = f"silent for {words.duration(math.floor(silent_s))}", "-"
    else:
        state, strength = state_of(advert)[0], signal(one.rssi_dbm)
    battery = backlog = "-"
    if advert is not None:
        battery = "LOW" if advert.state & layout.STATUS_LOW_SUPPLY else "ok"
        backlog = f"{advert.backlog_kib} KiB" if advert.backlog_kib else "nothing"
    return called, state, temperature(advert), battery, backlog, strength


# --- for a person -------------------------------------------------------------------------------
def say(heard: Sequence[Heard], now_s: float) -> None:
    """Print one table of who was heard."""
    if heard:
        console.say_table(HEADS, rows(heard, now_s))
        console.say(console.styled(_NEXT, "soft"))
    else:
        console.say("No dewar is on the air here.")


def say_ports(ports: Sequence[SerialPort]) -> None:
    """Print the serial ports of this computer."""
    if ports:
        console.say_table(
            ("Device", "About"), [(f"usb:{port.name}", port.about) for port in ports]
        )
    else:
        console.say("No serial port is here. Check the cable: some carry power only.")


def show_live(
    ear: Ear,
    list_ports: Callable[[], Sequence[SerialPort]] | None,
    seconds: float | None,
    screen: Console | None = None,
) -> None:
    """Show a table that follows what is heard, for some seconds or until Ctrl-C."""
    began_s = ports_at_s = time.monotonic()
    ports = None if list_ports is None else list_ports()
    with Live(console=screen, refresh_per_second=_REFRESH_HZ, auto_refresh=False) as live:
        try:
            while True:
                now_s = time.monotonic()
                if list_ports is not None and now_s - ports_at_s >= _PORTS_EVERY_S:
                    ports, ports_at_s = list_ports(), now_s
                over = seconds is not None and now_s - began_s >= seconds
                footer = _NEXT if over else f"{_NEXT}\nlistening, Ctrl-C ends"
                live.update(view(ear.heard(), ports, now_s, footer), refresh=True)
                if over:
                    return
                time.sleep(1 / _REFRESH_HZ)
        except KeyboardInterrupt:
            return  # how a live table is left


def view(
    heard: Sequence[Heard], ports: Sequence[SerialPort] | None, now_s: float, footer: str
) -> Group:
    """Return what the live table shows at one moment."""
    table = _table(HEADS)
    for one, row in zip(_sorted(heard), rows(heard, now_s), strict=True):
        silent = now_s - one.at_s > STALE_S
        style = "dim" if silent else state_of(one.advert)[1]
        low = one.advert is not None and bool(one.advert.state & layout.STATUS_LOW_SUPPLY)
        styles = ("bold", style, "", "black on yellow" if low else "", "", "dim" if silent else "")
        table.add_row(
            *(Text(words.plain(cell), how) for cell, how in zip(row, styles, strict=True))
        )
    parts: list[Table | Text] = [table if heard else Text("No dewar is on the air here yet.")]
    if ports:
        listed = _table(("Device", "About"))
        for port in ports:
            listed.add_row(
                Text(words.plain(f"usb:{port.name}"), "bold"), Text(words.plain(port.about))
            )
        parts.append(listed)
    parts.append(Text(footer, "dim"))
    return Group(*parts)


def _table(heads: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        table.add_column(head, no_wrap=True)
    return table
