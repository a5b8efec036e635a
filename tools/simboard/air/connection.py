"""One connection on the air: a central, a peripheral, and the packets between them."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bumble import hci
from bumble.controller import Connection
from bumble.core import PhysicalTransport

from simboard.air.conditions import BOARD, HOST
from simboard.air.lane import Lane

if TYPE_CHECKING:
    from simboard.air.controller import AirController
    from simboard.air.medium import Medium

_ACL_HEAD: Final = struct.Struct("<BHH")  # H4 type, handle and flags, length: Vol 4 Part E 5.4.2
_HANDLE: Final = 0x0FFF
_BOUNDARY: Final = 0x3000
_CONTINUES: Final = 0x1000
_FIRST_TO_HOST: Final = 0x2000  # the first fragment is 0b00 on the way down and 0b10 on the way up


@dataclass(frozen=True, slots=True)
class End:
    """A controller's part in a connection."""

    controller: AirController
    connection: Connection


class AirConnection:
    """A connection from the moment the peripheral's advertisement was answered to its loss."""

    def __init__(
        self,
        medium: Medium,
        central: AirController,
        peripheral: AirController,
        request: hci.HCI_LE_Create_Connection_Command,
    ) -> None:
        self._medium = medium
        self._request = request
        self.board = str(request.peer_address).split("/")[0]
        self.central = _end(
            central, hci.Role.CENTRAL, central.random_address, request.peer_address, medium
        )
        self.peripheral = _end(
            peripheral, hci.Role.PERIPHERAL, request.peer_address, central.random_address, medium
        )
        self._mute = False
        began_s = asyncio.get_running_loop().time()
        self._to_host = Lane(medium.conditions, began_s, self._arrive_at_central)
        self._to_board = Lane(medium.conditions, began_s, self._arrive_at_peripheral)
        for end in (self.central, self.peripheral):
            end.controller.take_connection(end.connection, self)
            end.controller.send_hci_packet(
                hci.HCI_LE_Connection_Complete_Event(
                    status=hci.HCI_ErrorCode.SUCCESS,
                    connection_handle=end.connection.handle,
                    role=end.connection.role,
                    peer_address_type=end.connection.peer_address.address_type,
                    peer_address=end.connection.peer_address,
                    connection_interval=self._interval_1250us(),
                    peripheral_latency=request.max_latency,
                    supervision_timeout=request.supervision_timeout,
                    central_clock_accuracy=0,
                )
            )

    def send(self, sender: AirController, packet: bytes) -> None:
        """Take an ACL packet (H4) from the host of either end."""
        if not self._mute:
            lane = self._to_host if sender is self.peripheral.controller else self._to_board
            lane.put(packet)

    def close(self, by: AirController, reason: int) -> None:
        """End it because the host of `by` asked for that: Vol 4 Part E 7.1.6."""
        local = hci.HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR
        self._end_for({True: local, False: reason}, by)

    def lose(self) -> None:
        """Let it fall silent; both ends learn of it after the supervision timeout."""
        if not self._mute:
            self._mute = True
            self._clear()
            wait_s = self._medium.conditions.supervision_s
            asyncio.get_running_loop().call_later(wait_s, self._time_out)

    def change_pace(self) -> None:
        """Go on in the rhythm the conditions now ask for, and tell both hosts of it."""
        began_s = asyncio.get_running_loop().time()
        self._to_host.change_pace(began_s)
        self._to_board.change_pace(began_s)
        for end in (self.central, self.peripheral):
            end.controller.send_hci_packet(
                hci.HCI_LE_Connection_Update_Complete_Event(
                    status=hci.HCI_ErrorCode.SUCCESS,
                    connection_handle=end.connection.handle,
                    connection_interval=self._interval_1250us(),
                    peripheral_latency=self._request.max_latency,
                    supervision_timeout=self._request.supervision_timeout,
                )
            )

    def _interval_1250us(self) -> int:
        interval_s = self._medium.conditions.interval_s
        return round(interval_s / 0.00125) or self._request.connection_interval_max

    def _arrive_at_central(self, packet: bytes) -> None:
        self._arrive(HOST, self.peripheral, self.central, packet)

    def _arrive_at_peripheral(self, packet: bytes) -> None:
        self._arrive(BOARD, self.central, self.peripheral, packet)

    def _arrive(self, towards: str, sender: End, receiver: End, packet: bytes) -> None:
        kind, flags, length = _ACL_HEAD.unpack_from(packet)
        boundary = flags & _BOUNDARY
        up = (boundary if boundary == _CONTINUES else _FIRST_TO_HOST) | receiver.connection.handle
        receiver.controller.send_bytes(_ACL_HEAD.pack(kind, up, length) + packet[_ACL_HEAD.size :])
        sender.controller.send_hci_packet(
            hci.HCI_Number_Of_Completed_Packets_Event(
                connection_handles=[sender.connection.handle], num_completed_packets=[1]
            )
        )
        if self._medium.conditions.count(towards, self.board):
            self.lose()

    def _time_out(self) -> None:
        reason = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
        self._end_for({True: reason, False: reason}, self.central.controller)

    def _end_for(self, reasons: dict[bool, int], by: AirController) -> None:
        """Tell both hosts, the one of `by` with the reason under True."""
        self._mute = True
        self._clear()
        if self._medium.forget(self):
            for end in (self.central, self.peripheral):
                end.controller.drop_connection(end.connection, self, reasons[end.controller is by])

    def _clear(self) -> None:
        self._to_host.clear()
        self._to_board.clear()


def handle_of(packet: bytes) -> int:
    """Return the connection handle of an ACL packet (H4)."""
    flags: int = _ACL_HEAD.unpack_from(packet)[1]
    return flags & _HANDLE


def _end(
    controller: AirController,
    role: hci.Role,
    own: hci.Address,
    peer: hci.Address,
    medium: Medium,
) -> End:
    connection = Connection(
        controller=controller,
        handle=controller.allocate_connection_handle(),
        role=role,
        self_address=own,
        peer_address=peer,
        link=medium,
        transport=PhysicalTransport.LE,
        link_type=hci.HCI_Connection_Complete_Event.LinkType.ACL,
    )
    return End(controller, connection)
