"""Every event of the stream by its kind, as protocol/dewarlog_wire/layout.py numbers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.records.access_events import (
    AccessEvent,
    LockEvent,
    ProfileWritten,
    RunErased,
    SealKeyEvent,
    SettingEvent,
    SignatureEvent,
)
from dewarlog.records.board_events import (
    BootEvent,
    ClockRead,
    ClockSync,
    FirmwareEvent,
    GapEvent,
    RadioEvent,
    SelfTestResult,
    SensorEvent,
    StopEvent,
    SupplyEvent,
)
from dewarlog.records.custody_events import (
    AcknowledgeEvent,
    CustodyEvent,
    HandoffEvent,
    PinEvent,
    PullEvent,
)
from dewarlog.records.measured_events import (
    ExcursionBegin,
    ExcursionEnd,
    ExcursionExtreme,
    ProbeStateEvent,
    ShockEvent,
    TiltEvent,
)

if TYPE_CHECKING:
    from dewarlog.records.event import Event

EVENT_CLASSES: dict[int, type[Event]] = {
    kind.KIND: kind
    for kind in (
        BootEvent,
        StopEvent,
        ClockRead,
        ClockSync,
        GapEvent,
        ProbeStateEvent,
        ExcursionBegin,
        ExcursionExtreme,
        ExcursionEnd,
        ShockEvent,
        TiltEvent,
        SupplyEvent,
        CustodyEvent,
        PullEvent,
        SensorEvent,
        RadioEvent,
        HandoffEvent,
        AcknowledgeEvent,
        AccessEvent,
        LockEvent,
        FirmwareEvent,
        SettingEvent,
        PinEvent,
        SignatureEvent,
        SealKeyEvent,
        ProfileWritten,
        SelfTestResult,
        RunErased,
    )
}
