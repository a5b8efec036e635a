"""Everything that can go wrong on the host, by the decision the caller can take.

A file each for the way to a board, the conversation with it, this computer's storage, and so on;
everybody imports from here.

The tree, with the exit code a command ends with:

    DewarlogError
    |- LinkError                  5   nothing useful came through the port
    |  |- BadDeviceName           2   the name is not usb:PORT, ble:NAME or sim:
    |  |- PortMissing             5   no such port: plug in, or look again
    |  |- PortBusy                5   another program holds the port: close it
    |  |- PortDenied              5   the operating system refuses: get the right
    |  |- NotOurs                 5   something answers, but it is not a dewarlog board
    |  |- NoAnswer                5   nothing answers at all
    |  |- Unreachable             5   the other end is not there, or no more: get it back
    |  |  |- Unplugged            5   the port went away while in use
    |  |  |- NotHeard             5   no such dewar is on the air here
    |  |  `- OutOfRange           5   the radio link was lost, or could not be made
    |  |- NoDewar                 5   no logger is on the air
    |  |- SeveralDewars           2   more than one is: name it
    |  |- TwoOfOneName            2   more than one dewar on the air answers to the name
    |  |- ProfileNotPut           5   the link was lost, and the profile is the one before
    |  |- ProfileUnknown          5   or just as it was put in force: nobody knows
    |  |- NotByRadio              2   this is done through the USB cable only
    |  |- Stranger                5   a radio that only looks like the dewar asked for
    |  `- NoBluetooth             5   this computer's Bluetooth is off, refused or absent
    |- PullError                  5   the board answered, and the pull could not be finished
    |  |- Incomplete              5   cut short; what came is kept, run it again to go on
    |  |- Changed                 5   the board's file is not the one held a moment ago
    |  |- DeviceRefused           5   the board answered with an error
    |  |  `- KeyNeeded            5   what was asked takes a key or a token that is not here
    |  |- PeerViolation           5   the board broke the protocol
    |  |- Impostor                5   the board cannot prove that it is the one it says it is
    |  |- Tampered                5   answers were changed on their way; none of them was taken
    |  |- KeyRefused              5   the board does not take this computer's key
    |  |- TokenRefused            5   nor its token: it has expired, or is for another board
    |  |- LockedOut               5   wrong keys were tried on the board; it takes none for a while
    |  |- NotSecret               5   enciphering was asked for, and cannot be had
    |  |- NoKey                   5   this computer does not hold the key that this takes
    |  |- NoHandoff               5   the board cannot record a handoff, or not now
    |  |- NoBench                 5   the board's firmware is too old to be prepared by wire
    |  |- ProfileRefused          5   the board cannot use the profile it was given
    |  |- ProfileChanged          5   the board's profile is not the one that was read
    |  |- NotRestarted            5   the board did not come back with a new run
    |  |- NotProvisioned           5   the board has no profile, so nobody knows its probes
    |  |- NotRecording             5   its run has ended: what goes into one cannot be recorded
    |  |- StartedAgain             5   the board started again while watched: it is not armed
    |  |- NotArmed                 5   the board was not armed: the link was lost before
    |  |- ArmingUnknown            5   or just as it was armed: nobody knows
    |  |- ArmedNotSeen             5   it was armed, and not seen to record since
    |  |- NoLog                   4   the board has no log of its open run
    |  |- NotRecorded             5   the handoff is not, or perhaps not, in the board's log
    |  `- HashMismatch            3   received bytes are not the bytes the board stores
    |- CalibrationError           5   no calibration came of it; the board is as it was
    |  |- BadPressure             2   no air has this pressure where people work
    |  |- NoSuchProbe             2   the board's profile has no such probe
    |  |- NotSettled              5   a probe did not come to rest in its bath
    |  |- WrongBath               5   a probe is not in the bath that was asked for
    |  |- ProbeFault              5   a probe is open, shorted or gone
    |  |- ProbeSuspect            5   a probe errs by more than its class of wire may
    |  |- NothingNew              5   the board brings no new readings
    |  `- NotVerified             5   written, but the corrected readings do not show it
    |- ArchiveError               6   the host's own storage
    |  |- DiskFull                6   nothing lost; make room and run it again
    |  |- ArchiveLocked           6   another pull of the same board is writing there
    |  |- KeyExposed              6   others on this computer can read a key
    |  |- KeyDamaged              6   a key file is none
    |  |- KeyringUnusable         6   the operating system's keyring is locked, or not there
    |  |- ReceiptNotWritten       6   the handoff is recorded, its receipt is not on the disk
    |  |- NothingToMerge          6   the other folder is no archive
    |  |- CalibrationDamaged      3   a calibration file is not one, or not all of it
    |  |- NoCalibration           4   the archive holds no calibration of this board
    |  `- ArchiveDamaged          3   an archived file is not what it was when it was filed
    |- LogError                   3   a log file
    |  |- LogDamaged              3   bytes changed, missing or torn
    |  |- UnknownVersion          3   written by a newer board than this program knows
    |  `- NotALog                 4   empty, or not a dewarlog log at all
    |- LogInTheWay                2   the file to write is, or is named like, a log
    |- ReceiptDamaged             3   a receipt cannot be read, or not all of it
    |- TokenDamaged               3   a token cannot be read
    |- TokenUseless               4   a token has expired
    |- CertificateDamaged         3   a device certificate is none
    |- LabelTooSmall              2   the label has no room for what its code is to say
    |- MapDamaged                 2   a channel map cannot be used
    |- FlashError                 5   the firmware could not be put on a board
    |  |- NoPrompt                5   nothing there opens its prompt
    |  |- BoardLocked             5   the board is locked: its admin opens it
    |  |- UnknownBoard            5   the firmware is not made for this board
    |  |- UnknownMicroPython      5   nor for what runs on it
    |  |- NeedsImage              5   the board's memory takes the firmware in an image only
    |  |- OtherCode               5   the board starts a program that is not ours
    |  |- NoRoom                  5   the flash of the board is too full
    |  |- CalibrationOverdue      5   the profile refuses a probe past its due date
    |  |- NothingToErase          5   --erase-log needs a logger that runs
    |  |- NotClaimed              5   or one that somebody has claimed
    |  |- FlashCut                5   the board went away while it was flashed
    |  |- FlashFailed             5   the board could not do what it was told
    |  `- NotStarted              5   the firmware is on the board, and does not answer
    |- ProfileInvalid             2   a profile has keys or values no board takes
    |- ProfileTooLarge            2   a profile has more bytes than a board takes
    |- ProbesDiffer               2   a profile is for other probes than the board's
    |- ManifestUnreadable         2   a shipment's manifest is no TOML, no table, or not UTF-8
    |- ManifestInvalid            2   values in a manifest cannot be used
    |- NoShipment                 2   a manifest does not have the shipment, or has several
    `- SetUpError                 2   this installation lacks something
       |- ExtraMissing            2   an optional library: the message names the extra
       |- FirmwareMissing         2   the firmware's source comes with the source tree only
       |- CompilerMissing         2   mpy-cross is not here, or does not run here
       |- CompilerMismatch        2   it makes other files than the board loads
       |- NotMicroPython          2   it refuses a file of the firmware
       |- SimulatorMissing        2   the simulated board comes with the source tree only
       `- AirMissing              2   so does the virtual radio

Every class carries its data as attributes, so that a caller never reads the sentence; the
sentence says what happened, where, and what to do next.
"""

from __future__ import annotations

from dewarlog.errors.calibration import (
    BadPressure,
    CalibrationDamaged,
    CalibrationError,
    NoCalibration,
    NoSuchProbe,
    NothingNew,
    NotSettled,
    NotVerified,
    ProbeFault,
    ProbeSuspect,
    WrongBath,
)
from dewarlog.errors.conversation import (
    ArmedNotSeen,
    ArmingUnknown,
    Changed,
    DeviceRefused,
    HashMismatch,
    Impostor,
    Incomplete,
    KeyNeeded,
    KeyRefused,
    LockedOut,
    NoBench,
    NoHandoff,
    NoKey,
    NoLog,
    NotArmed,
    NotByRadio,
    NotProvisioned,
    NotRecorded,
    NotRecording,
    NotRestarted,
    NotSecret,
    PeerViolation,
    ProfileChanged,
    ProfileNotPut,
    ProfileRefused,
    ProfileUnknown,
    PullError,
    StartedAgain,
    Tampered,
    TokenRefused,
)
from dewarlog.errors.flash import (
    BoardLocked,
    CalibrationOverdue,
    FlashCut,
    FlashError,
    FlashFailed,
    NeedsImage,
    NoPrompt,
    NoRoom,
    NotClaimed,
    NothingToErase,
    NotStarted,
    OtherCode,
    UnknownBoard,
    UnknownMicroPython,
)
from dewarlog.errors.installation import (
    AirMissing,
    CompilerMismatch,
    CompilerMissing,
    ExtraMissing,
    FirmwareMissing,
    LabelTooSmall,
    MapDamaged,
    NotMicroPython,
    SetUpError,
    SimulatorMissing,
)
from dewarlog.errors.link import (
    BadDeviceName,
    LinkError,
    NoAnswer,
    NoBluetooth,
    NoDewar,
    NotHeard,
    NotOurs,
    OutOfRange,
    PortBusy,
    PortDenied,
    PortMissing,
    SeveralDewars,
    Stranger,
    TwoOfOneName,
    Unplugged,
    Unreachable,
)
from dewarlog.errors.log import (
    LogDamaged,
    LogError,
    LogInTheWay,
    NotALog,
    UnknownVersion,
)
from dewarlog.errors.manifest import (
    ManifestInvalid,
    ManifestUnreadable,
    NoShipment,
)
from dewarlog.errors.mistake import Mistake
from dewarlog.errors.papers import (
    CertificateDamaged,
    ReceiptDamaged,
    TokenDamaged,
    TokenUseless,
)
from dewarlog.errors.profile import (
    ProbesDiffer,
    ProfileInvalid,
    ProfileTooLarge,
)
from dewarlog.errors.root import (
    DewarlogError,
    ExitCode,
)
from dewarlog.errors.storage import (
    ArchiveDamaged,
    ArchiveError,
    ArchiveLocked,
    DiskFull,
    KeyDamaged,
    KeyExposed,
    KeyringUnusable,
    NothingToMerge,
    ReceiptNotWritten,
)

__all__ = (
    "AirMissing",
    "ArchiveDamaged",
    "ArchiveError",
    "ArchiveLocked",
    "ArmedNotSeen",
    "ArmingUnknown",
    "BadDeviceName",
    "BadPressure",
    "BoardLocked",
    "CalibrationDamaged",
    "CalibrationError",
    "CalibrationOverdue",
    "CertificateDamaged",
    "Changed",
    "CompilerMismatch",
    "CompilerMissing",
    "DeviceRefused",
    "DewarlogError",
    "DiskFull",
    "ExitCode",
    "ExtraMissing",
    "FirmwareMissing",
    "FlashCut",
    "FlashError",
    "FlashFailed",
    "HashMismatch",
    "Impostor",
    "Incomplete",
    "KeyDamaged",
    "KeyExposed",
    "KeyNeeded",
    "KeyRefused",
    "KeyringUnusable",
    "LabelTooSmall",
    "LinkError",
    "LockedOut",
    "LogDamaged",
    "LogError",
    "LogInTheWay",
    "ManifestInvalid",
    "ManifestUnreadable",
    "MapDamaged",
    "Mistake",
    "NeedsImage",
    "NoAnswer",
    "NoBench",
    "NoBluetooth",
    "NoCalibration",
    "NoDewar",
    "NoHandoff",
    "NoKey",
    "NoLog",
    "NoPrompt",
    "NoRoom",
    "NoShipment",
    "NoSuchProbe",
    "NotALog",
    "NotArmed",
    "NotByRadio",
    "NotClaimed",
    "NotHeard",
    "NotMicroPython",
    "NotOurs",
    "NotProvisioned",
    "NotRecorded",
    "NotRecording",
    "NotRestarted",
    "NotSecret",
    "NotSettled",
    "NotStarted",
    "NotVerified",
    "NothingNew",
    "NothingToErase",
    "NothingToMerge",
    "OtherCode",
    "OutOfRange",
    "PeerViolation",
    "PortBusy",
    "PortDenied",
    "PortMissing",
    "ProbeFault",
    "ProbeSuspect",
    "ProbesDiffer",
    "ProfileChanged",
    "ProfileInvalid",
    "ProfileNotPut",
    "ProfileRefused",
    "ProfileTooLarge",
    "ProfileUnknown",
    "PullError",
    "ReceiptDamaged",
    "ReceiptNotWritten",
    "SetUpError",
    "SeveralDewars",
    "SimulatorMissing",
    "StartedAgain",
    "Stranger",
    "Tampered",
    "TokenDamaged",
    "TokenRefused",
    "TokenUseless",
    "TwoOfOneName",
    "UnknownBoard",
    "UnknownMicroPython",
    "UnknownVersion",
    "Unplugged",
    "Unreachable",
    "WrongBath",
)
