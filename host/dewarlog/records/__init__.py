"""What a log says, as frozen data: one class a noun, units in every name.

Made by readings.py from the bytes, read by checks and report. Nothing here opens a file.
A file each for the run, its samples, its events by what they tell, and the log file itself;
everybody imports from here.
"""

from __future__ import annotations

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
from dewarlog.records.codes import (
    COUNTS_PER_DEGC,
    named,
    refusal_names,
    unix_s_of,
)
from dewarlog.records.custody_events import (
    AcknowledgeEvent,
    CustodyEvent,
    CustodyRecord,
    HandoffEvent,
    PinEvent,
    PullEvent,
)
from dewarlog.records.event import (
    Event,
    UnknownEvent,
)
from dewarlog.records.events import (
    EVENT_CLASSES,
)
from dewarlog.records.file import (
    Block,
    JournalTail,
    Lost,
    Problem,
)
from dewarlog.records.measured_events import (
    ExcursionBegin,
    ExcursionEnd,
    ExcursionExtreme,
    ProbeStateEvent,
    ShockEvent,
    TiltEvent,
)
from dewarlog.records.run import (
    Arming,
    Calibration,
    Channel,
    Handling,
    Rule,
    Run,
    Sampling,
    ShockSettings,
    TiltSettings,
)
from dewarlog.records.samples import (
    ChannelSamples,
    RawSet,
    SampleSpan,
    ShockWindow,
)

__all__ = (
    "COUNTS_PER_DEGC",
    "EVENT_CLASSES",
    "AccessEvent",
    "AcknowledgeEvent",
    "Arming",
    "Block",
    "BootEvent",
    "Calibration",
    "Channel",
    "ChannelSamples",
    "ClockRead",
    "ClockSync",
    "CustodyEvent",
    "CustodyRecord",
    "Event",
    "ExcursionBegin",
    "ExcursionEnd",
    "ExcursionExtreme",
    "FirmwareEvent",
    "GapEvent",
    "Handling",
    "HandoffEvent",
    "JournalTail",
    "LockEvent",
    "Lost",
    "PinEvent",
    "ProbeStateEvent",
    "Problem",
    "ProfileWritten",
    "PullEvent",
    "RadioEvent",
    "RawSet",
    "Rule",
    "Run",
    "RunErased",
    "SampleSpan",
    "Sampling",
    "SealKeyEvent",
    "SelfTestResult",
    "SensorEvent",
    "SettingEvent",
    "ShockEvent",
    "ShockSettings",
    "ShockWindow",
    "SignatureEvent",
    "StopEvent",
    "SupplyEvent",
    "TiltEvent",
    "TiltSettings",
    "UnknownEvent",
    "named",
    "refusal_names",
    "unix_s_of",
)
