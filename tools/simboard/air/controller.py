"""A Bluetooth controller on the air: Bumble's, with what boards and faults need besides.

Different from bumble.controller.Controller: legacy advertising with a scan response of its own,
ACL packets that keep their fragments and their buffers (see lane), a reset that resets, an answer
to every command, and connections that the medium may take away.
"""

# Bumble types the parameters of its commands by decorators that pyright does not see through.
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeArgument=false

from __future__ import annotations

import asyncio
import logging
import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bumble import hci
from bumble.controller import Controller, LegacyAdvertiser
from bumble.crypto.builtin import e

from simboard.air.connection import handle_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bumble.controller import Connection
    from bumble.transport.common import TransportSink

    from simboard.air.connection import AirConnection
    from simboard.air.medium import Medium

_log = logging.getLogger(__name__)
_UNIT_S: Final = 0.000625  # of an advertising interval: Vol 4 Part E 7.8.5
_JITTER_S: Final = 0.010  # advDelay: Vol 6 Part B 4.4.2.2.1
_Report = hci.HCI_LE_Advertising_Report_Event.Report
_Event = hci.HCI_LE_Advertising_Report_Event.EventType
_CONNECTABLE: Final = 0x00  # ADV_IND
_SCANNABLE: Final = 0x02  # ADV_SCAN_IND
_UNDIRECTED: Final = 0x03  # ADV_NONCONN_IND
_ACTIVE: Final = 0x01
_MISSING: Final = hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR


@dataclass
class AirAdvertiser(LegacyAdvertiser):
    """Legacy advertising: every interval, and up to 10 ms later so that boards do not collide."""

    def _on_timer_fired(self) -> None:
        self.send_advertising_data()
        wait_s = self.advertising_interval_min * _UNIT_S + random.uniform(0, _JITTER_S)
        self.timer_handle = asyncio.get_running_loop().call_later(wait_s, self._on_timer_fired)

    def send_advertising_data(self) -> None:
        """Put one advertisement on the air."""
        controller = self.controller
        if self.enabled and isinstance(controller, AirController):
            controller.medium.advertise(controller)

    @property
    def board(self) -> str:
        """The address it advertises, as orders name it."""
        return str(self.address).split("/")[0]

    @property
    def connectable(self) -> bool:
        """Whether a central may connect."""
        return self.advertising_type == _CONNECTABLE


class AirController(Controller):
    """One controller; `sink` is its host."""

    # Extended advertising off: a board has none, and a host then scans the legacy way.
    le_features = Controller.le_features & ~(
        hci.LeFeatureMask.LE_EXTENDED_ADVERTISING | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
    )

    def __init__(self, name: str, sink: TransportSink, medium: Medium) -> None:
        super().__init__(name, host_sink=sink, link=medium)
        self.medium = medium
        self.le_acl_data_packet_length = medium.conditions.acl_bytes
        self.total_num_le_acl_data_packets = medium.conditions.acl_buffers
        self.advertiser = AirAdvertiser(self)
        self.le_legacy_advertiser = self.advertiser
        self._on_air: dict[int, AirConnection] = {}

    # --- between host and air -------------------------------------------------------------------

    def on_packet(self, packet: bytes) -> None:
        """Take a packet from the host."""
        if packet[0] != hci.HCI_ACL_DATA_PACKET:
            super().on_packet(packet)
            return
        connection = self._on_air.get(handle_of(packet))
        if connection is not None:  # else it was lost, and the host is about to learn of it
            connection.send(self, packet)

    def send_bytes(self, packet: bytes) -> None:
        """Send the host a packet, in order with the events of `send_hci_packet`."""
        if self.host is not None:
            asyncio.get_running_loop().call_soon(self.host.on_packet, packet)

    def detach(self) -> None:
        """Leave the air because the host has gone; whoever was connected loses the connection."""
        self.host = None
        self._fall_silent()

    def take_connection(self, connection: Connection, on_air: AirConnection) -> None:
        """Enter a connection of which this controller is one end."""
        self.le_connections[connection.peer_address] = connection
        self._on_air[connection.handle] = on_air

    def drop_connection(self, connection: Connection, on_air: AirConnection, reason: int) -> None:
        """Remove a connection and tell the host, unless it asked for a reset meanwhile."""
        if self._on_air.get(connection.handle) is on_air:
            del self._on_air[connection.handle]
            self.on_le_disconnected(connection, reason)

    def _fall_silent(self) -> None:
        self.advertiser.stop()
        self.le_scan_enable = False
        self.pending_le_connection = None
        for on_air in self._on_air.values():
            on_air.lose()
        self._on_air.clear()
        self.le_connections.clear()

    # --- what is heard on the air ---------------------------------------------------------------

    def hear(self, advertiser: AirAdvertiser, rssi_dbm: int) -> None:
        """Take an advertisement: report it, and connect if the host waits for it."""
        if self.le_scan_enable:
            kind = advertiser.advertising_type
            self._report(advertiser, kind, advertiser.advertising_data, rssi_dbm)
            if self.le_scan_type == _ACTIVE and kind in (_CONNECTABLE, _SCANNABLE):
                response = advertiser.scan_response_data
                self._report(advertiser, _Event.SCAN_RSP, response, rssi_dbm)
        wanted = self.pending_le_connection
        if (
            isinstance(wanted, hci.HCI_LE_Create_Connection_Command)
            and advertiser.connectable
            and wanted.peer_address == advertiser.address
        ):
            self.pending_le_connection = None
            self.medium.connect(self, advertiser, wanted)

    def _report(self, advertiser: AirAdvertiser, kind: int, data: bytes, rssi_dbm: int) -> None:
        report = _Report(
            event_type=kind,
            address_type=advertiser.address.address_type,
            address=advertiser.address,
            data=data,
            rssi=rssi_dbm,
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))

    # --- commands, by the names Bumble looks for ------------------------------------------------

    def on_hci_command_packet(self, command: hci.HCI_Command) -> None:
        """Answer a command, also one that nobody knows: a host waits for every answer."""
        name = f"on_{command.name.lower()}"
        if hasattr(self, name):
            super().on_hci_command_packet(command)
            return
        other = _OTHERS.get(command.op_code)
        if other is None:
            _log.info("%s: unknown command 0x%04X", self.name, command.op_code)
            answer = bytes((hci.HCI_ErrorCode.UNKNOWN_HCI_COMMAND_ERROR,))
        else:
            answer = bytes((hci.HCI_ErrorCode.SUCCESS,)) + other(command.parameters)
        # Vol 4 Part E 7.7.14: Command Complete, one more command allowed.
        body = struct.pack("<BH", 1, command.op_code) + answer
        head = (hci.HCI_EVENT_PACKET, hci.HCI_COMMAND_COMPLETE_EVENT, len(body))
        self.send_bytes(bytes(head) + body)

    def on_hci_reset_command(
        self, command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Forget everything (Vol 4 Part E 7.3.2); peers find the connection silent."""
        self._fall_silent()
        return super().on_hci_reset_command(command)

    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        """End a connection (7.1.6)."""
        on_air = self._on_air.get(command.connection_handle)
        status = hci.HCI_COMMAND_STATUS_PENDING if on_air is not None else _MISSING
        self._send_hci_command_status(status, command.op_code)
        if on_air is not None:
            on_air.close(self, command.reason)

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Give up connecting (7.8.13): the host gets a Connection Complete that failed."""
        wanted = self.pending_le_connection
        if not isinstance(wanted, hci.HCI_LE_Create_Connection_Command):
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        asyncio.get_running_loop().call_soon(
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=_MISSING,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=wanted.peer_address_type,
                peer_address=wanted.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return super().on_hci_le_create_connection_cancel_command(command)


def _encrypted(parameters: bytes) -> bytes:
    """Encrypt one AES-128 block (7.8.22); BTstack asks for it as it starts."""
    return e(parameters[:16], parameters[16:32])


def _handle(parameters: bytes) -> bytes:
    """Allow longer packets (7.8.33); how long they are is a matter of the conditions."""
    return parameters[:2]


# Commands that Bumble has no class for, and what their answer holds after the status.
_OTHERS: Final[dict[int, Callable[[bytes], bytes]]] = {
    hci.HCI_LE_ENCRYPT_COMMAND: _encrypted,
    hci.HCI_LE_SET_DATA_LENGTH_COMMAND: _handle,
}
