"""A host's Bluetooth on the virtual radio: one Bumble device on a controller of its own."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final, Self

from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.transport.unix import open_unix_client_transport

if TYPE_CHECKING:
    from bumble.transport.common import Transport

# What befalls the air is told in bleak's errors; Bumble's log is for who asks for it.
logging.getLogger("bumble").addHandler(logging.NullHandler())
AIR_VARIABLE: Final = "DEWARLOG_AIR"  # the hub's socket
MTU_VARIABLE: Final = "DEWARLOG_AIR_MTU"  # what a host asks for
MTU_DEFAULT: Final = 247


def socket_path() -> str:
    """Return the hub's socket as the environment names it.

    Raises:
        BleakBluetoothNotAvailableError: It does not.
    """
    path = os.environ.get(AIR_VARIABLE, "")
    if not path:
        raise _missing(f"{AIR_VARIABLE} names no virtual radio")
    return path


class AirHost:
    """A controller on the air and the host above it, from `open` to `close`."""

    def __init__(self, device: Device, transport: Transport) -> None:
        self.device = device
        self._transport = transport

    @classmethod
    async def open(cls, path: str) -> Self:
        """Attach to the hub at `path`.

        Raises:
            BleakBluetoothNotAvailableError: No hub is there.
        """
        try:
            transport = await open_unix_client_transport(path)
        except OSError as error:
            raise _missing(f"no virtual radio at {path}: {error}") from error
        address = Address.generate_static_address()
        configuration = DeviceConfiguration(name="host", address=address)
        device = Device.from_config_with_hci(configuration, transport.source, transport.sink)
        await device.power_on()
        return cls(device, transport)

    async def close(self) -> None:
        """Leave the air."""
        await self._transport.close()


def _missing(text: str) -> BleakBluetoothNotAvailableError:
    return BleakBluetoothNotAvailableError(text, BleakBluetoothNotAvailableReason.NO_BLUETOOTH)
