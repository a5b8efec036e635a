"""MicroPython's `bluetooth` module over a Radio: documented names and errors, peripherals only."""

import binascii

from micropython import const

from simboard.device.processor import Module
from simboard.device.radio import gatt
from simboard.device.radio.radio import EINVAL, is_mtu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from simboard.device.radio.radio import Radio

_CALL_US = const(20)
_RANDOM = const(1)  # addr_mode and address type
_FLAGS = {
    "FLAG_READ": gatt.FLAG_READ,
    "FLAG_WRITE_NO_RESPONSE": gatt.FLAG_WRITE_NO_RESPONSE,
    "FLAG_WRITE": gatt.FLAG_WRITE,
    "FLAG_NOTIFY": gatt.FLAG_NOTIFY,
    "FLAG_INDICATE": gatt.FLAG_INDICATE,
}


class UUID:
    """A 16-bit or 128-bit UUID; iterating gives its bytes as they go over the air."""

    def __init__(self, value: "Any") -> None:
        if isinstance(value, int):
            if not 0 <= value <= 0xFFFF:
                raise ValueError("invalid UUID")
            self.wire = value.to_bytes(2, "little")
            return
        if isinstance(value, str):
            wire = bytes(reversed(binascii.unhexlify(value.replace("-", ""))))
            if len(wire) != 16:
                raise ValueError("invalid UUID")
        else:
            wire = bytes(value)
            if len(wire) not in (2, 4, 16):
                raise ValueError("invalid UUID")
        self.wire = wire

    def __iter__(self) -> "Iterator[int]":
        return iter(self.wire)

    def __len__(self) -> int:
        return len(self.wire)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UUID) and self.wire == other.wire

    def __hash__(self) -> int:
        return hash(self.wire)

    def __repr__(self) -> str:
        text = binascii.hexlify(bytes(reversed(self.wire))).decode()
        if len(text) == 4:
            return "UUID(0x%s)" % text
        cuts = (0, 8, 12, 16, 20, 32)
        return "UUID('%s')" % "-".join(text[a:b] for a, b in zip(cuts, cuts[1:]))


class _BLE:
    """What bluetooth.BLE() gives: one object, however often it is asked for."""

    def __init__(self, radio: "Radio") -> None:
        self._radio = radio

    def _enter(self, needs_active: bool = True) -> "Radio":
        """Let the time of a call pass; return the radio."""
        radio = self._radio
        radio.clock.spend(_CALL_US)
        if needs_active:
            radio.need_active()
        return radio

    def active(self, active: "Any" = None) -> bool:
        """Switch the radio, or tell whether it is on."""
        radio = self._enter(False)
        if active is not None:
            radio.activate(bool(active))
        return radio.active

    def config(self, *names: str, **settings: "Any") -> "Any":
        """Return one setting, or change some."""
        radio = self._enter(False)
        if names and settings:
            raise TypeError("can't specify pos and kw args")
        if names:
            return self._setting(radio, names[0])
        for name, value in settings.items():
            self._set(radio, name, value)
        return None

    def _setting(self, radio: "Radio", name: str) -> "Any":
        if name == "mac":
            radio.need_active()
            return (_RANDOM, radio.address)
        if name == "gap_name":
            return radio.database.name.data
        if name == "mtu":
            radio.need_active()
            return radio.mtu_max
        raise ValueError("unknown config param")

    def _set(self, radio: "Radio", name: str, value: "Any") -> None:
        if name == "gap_name":
            radio.database.name.set(value.encode() if isinstance(value, str) else bytes(value))
        elif name == "mtu":
            radio.need_active()
            if not is_mtu(radio.stack, value):
                raise OSError(EINVAL)
            radio.mtu_max = value
        elif name == "addr_mode":
            radio.need_active()
            if value != _RANDOM:  # the simulated controller has no public address
                raise OSError(EINVAL)
        else:  # rxbuf too: ports with synchronous events have no such buffer
            raise ValueError("unknown config param")

    def irq(self, handler: "Callable[[int, tuple[Any, ...]], Any] | None") -> None:
        """Set the handler of events."""
        self._enter(False).handler = handler

    def gap_advertise(
        self,
        interval_us: "int | None",
        adv_data: "Any" = None,
        *,
        resp_data: "Any" = None,
        connectable: bool = True,
    ) -> None:
        """Advertise, or stop when the interval is None. Data left out is that of the last time."""
        radio = self._enter()
        if interval_us is None:
            radio.stop_advertising()
            return
        radio.advertise(
            interval_us,
            radio.advert if adv_data is None else bytes(adv_data),
            radio.response if resp_data is None else bytes(resp_data),
            bool(connectable),
        )

    def gap_disconnect(self, conn_handle: int) -> bool:
        """End a connection; False when there is none."""
        return self._enter().disconnect(conn_handle)

    def gatts_register_services(self, services_definition: "Any") -> "Any":
        """Replace all services; return a tuple of value handles for each."""
        return self._enter().register(services_definition)

    def gatts_read(self, value_handle: int) -> bytes:
        """Return a value."""
        return self._enter().value(value_handle).read()

    def gatts_write(self, value_handle: int, data: "Any", send_update: bool = False) -> None:
        """Set a value, and perhaps tell a host that has subscribed."""
        radio = self._enter()
        radio.value(value_handle).set(bytes(data))
        if send_update:
            subscription = radio.database.subscription(value_handle)
            if subscription < 0:
                raise OSError(EINVAL)
            if radio.connection >= 0 and subscription & 3:
                radio.send_value(radio.connection, value_handle, None, not subscription & 1)

    def gatts_notify(self, conn_handle: int, value_handle: int, data: "Any" = None) -> None:
        """Send a value, whether the host has subscribed or not."""
        copy = None if data is None else bytes(data)
        self._enter().send_value(conn_handle, value_handle, copy, False)

    def gatts_indicate(self, conn_handle: int, value_handle: int, data: "Any" = None) -> None:
        """Send a value and have it confirmed."""
        copy = None if data is None else bytes(data)
        self._enter().send_value(conn_handle, value_handle, copy, True)

    def gatts_set_buffer(self, value_handle: int, len: int, append: bool = False) -> None:
        """Set how much of a host's write is kept, and whether writes add up."""
        value = self._enter().value(value_handle)
        value.room = len
        value.append = bool(append)
        value.data = value.data[:len]


def make_bluetooth(radio: "Radio") -> "Module":
    """Return the `bluetooth` module of a board with that radio."""
    ble = _BLE(radio)
    attributes = {"BLE": lambda: ble, "UUID": UUID}
    attributes.update(_FLAGS)
    return Module("bluetooth", attributes)
