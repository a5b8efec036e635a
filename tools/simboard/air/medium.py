"""What lies between the controllers: who hears whom, who is connected, and every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bumble.link import LocalLink

from simboard.air.conditions import RSSI_DBM
from simboard.air.connection import AirConnection
from simboard.air.controller import AirController

if TYPE_CHECKING:
    from bumble import hci, ll

    from simboard.air.conditions import Conditions
    from simboard.air.controller import AirAdvertiser


class Medium(LocalLink):
    """All controllers of one hub, under the same conditions."""

    def __init__(self, conditions: Conditions) -> None:
        super().__init__()
        self.conditions = conditions
        self._connections: list[AirConnection] = []

    def advertise(self, sender: AirController) -> None:
        """Let everybody else hear an advertisement, unless its board is out of range."""
        advertiser = sender.advertiser
        board = advertiser.board
        if self.conditions.in_range(board):
            strengths = self.conditions.rssi_dbm
            rssi_dbm = strengths.get(board, strengths.get("", RSSI_DBM))
            for controller in list(self.controllers):
                if controller is not sender and isinstance(controller, AirController):
                    controller.hear(advertiser, rssi_dbm)

    def connect(
        self,
        central: AirController,
        advertiser: AirAdvertiser,
        request: hci.HCI_LE_Create_Connection_Command,
    ) -> None:
        """Connect two controllers; the advertiser falls silent (Vol 6 Part B 4.4.2)."""
        peripheral = advertiser.controller
        if advertiser.enabled and isinstance(peripheral, AirController):
            advertiser.stop()
            self._connections.append(AirConnection(self, central, peripheral, request))
        else:  # somebody else was quicker
            central.pending_le_connection = request

    def hang_up(self, board: str | None) -> None:
        """Lose a board's connection, or all there are."""
        for connection in list(self._connections):
            if board in (None, connection.board):
                connection.lose()

    def change_pace(self) -> None:
        """Give every connection the rhythm of the conditions."""
        for connection in self._connections:
            connection.change_pace()

    def forget(self, connection: AirConnection) -> bool:
        """Drop a connection that is over; return False when it was dropped before."""
        if connection not in self._connections:
            return False
        self._connections.remove(connection)
        return True

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Carry a link layer procedure, unless the other end has just gone."""
        if self.find_le_controller(receiver_address) is not None:
            super().send_ll_control_pdu(sender_address, receiver_address, packet)
