"""The single source of every fixed record: name, wire type, value of one count, unit.

Place in the line: below everything; imports nothing of ours but the names that readers alone need
(reader_names.py). The host derives its construct parsers and the tables of protocol/SPEC.md from
these records; the board packs with `struct` and `.format`.
All numbers are little-endian. Section numbers refer to protocol/SPEC.md.
"""

import struct
import sys

# Frozen code stays in flash; what importing it makes is in the heap. So a board keeps of a record
# its name and its format, and none of what readers alone need: it is 25 KB of a Pico W's 190.
_IS_BOARD = sys.implementation.name == "micropython"

U8 = "B"
I8 = "b"
U16 = "H"
I16 = "h"
U32 = "I"
I32 = "i"
# A byte string of fixed length n is written BYTES(n); struct code "ns".


def BYTES(count: int) -> str:  # noqa: N802 - reads as a type beside U8 and U16 below
    """Name the wire type of a byte string `count` bytes long."""
    return "%ds" % count


# Of each record, and each format once: a third of them is another's. Both are of use while this
# module is imported; a board then empties them.
_FIELDS: "dict[Record, tuple[tuple[str, str, float, str], ...]]" = {}
_FORMATS: "dict[str, str]" = {}


class Record:
    """One fixed layout: `fields` of (name, wire type, value of one count, unit).

    `format` feeds `struct`, `size` is in bytes. Frozen by convention: nothing writes to it.
    A board has no `fields`; the places it asks for by name are the AT_* at the end.
    """

    def __init__(self, name: str, *fields: "tuple[str, str, float, str]") -> None:
        self.name = name
        form = "<" + "".join([code for _, code, _, _ in fields])
        self.format = _FORMATS.setdefault(form, form)
        _FIELDS[self] = fields

    @property
    def fields(self) -> "tuple[tuple[str, str, float, str], ...]":
        """Return the fields in order; none on a board."""
        return _FIELDS.get(self, ())

    @property
    def size(self) -> int:
        """Return how many bytes it takes."""
        return struct.calcsize(self.format)

    def offset_of(self, field_name: str) -> int:
        """Return the byte offset of one field; KeyError when there is no such field."""
        before = "<"
        for name, code, _, _ in self.fields:
            if name == field_name:
                return struct.calcsize(before)
            before += code
        raise KeyError(field_name)


# --- 2. Conventions ---------------------------------------------------------------------------
# UTC on the wire is whole seconds since 2020-01-01T00:00:00Z: below 2**30 until 2054, so that
# 32-bit boards hold it without touching the heap.
UTC_EPOCH_UNIX_S = 1577836800
UTC_UNKNOWN = 0xFFFFFFFF

TEMPERATURE_PER_DEGC = 128  # readings: one count is 1/128 degC
COLD_JUNCTION_PER_DEGC = 64  # cold junction: one count is 1/64 degC, the converter's own step

# --- 3. Reading codes: an i16 is a temperature, or says why there is none -----------------------
READING_MIN = -32000
STATE_OK = 0
STATE_OPEN = 1  # probe wire broken
STATE_SHORT = 2  # input held outside the supply rails: shorted to a supply, over- or undervoltage
STATE_BELOW_TABLE = 3  # colder than the reference function reaches
STATE_ABOVE_TABLE = 4
STATE_COLD_JUNCTION = 5  # cold junction outside the converter's range
STATE_SILENT = 6  # converter gave no answer or no fresh conversion
STATE_BROWN_OUT = 7  # converter lost its settings: its supply dropped
STATE_ABSENT = 8  # no reading was due (channel not fitted)


def state_code(state: int) -> int:
    """Return the i16 that stands for a probe state other than ok."""
    return -32768 + state


def state_of(code: int) -> int:
    """Return the probe state an i16 reading code stands for; STATE_OK for a temperature."""
    return STATE_OK if code >= READING_MIN else code + 32768


# --- 4. Blocks --------------------------------------------------------------------------------
BLOCK_MAGIC = b"DWLB"
BLOCK_HEADER = Record(
    "block_header",
    ("magic", BYTES(4), 1, ""),
    ("version", U8, 1, ""),  # of the format
    ("kind", U8, 1, ""),
    ("flags", U16, 1, ""),  # 0 in this version
    ("length", U32, 1, "bytes"),  # the whole block: header, body and seal
    ("run", U32, 1, ""),  # number of the run on this board
    ("block_seq", U32, 1, ""),  # 0, 1, 2 ... within the run
    ("boot", U16, 1, ""),  # 0, 1, 2 ... within the run: counts up at each start of the board
    ("uptime_ms", U16, 1, "ms"),  # 0 to 999
    ("uptime_s", U32, 1, "s"),  # when the block's content begins
)
BLOCK_SEAL = Record(
    "block_seal",
    ("chain", BYTES(32), 1, ""),  # SHA-256(previous chain || header || body)
    ("key_index", U32, 1, ""),  # of the sealing key (4.9); 0: none was in use
    ("tag", BYTES(16), 1, ""),  # the seal by that key; zero when key_index is 0
    ("crc32", U32, 1, ""),  # CRC-32 of everything before it
)
CHAIN_START = bytes(32)
BLOCK_MAX_BYTES = 32768
BLOCK_MAX_SAMPLES = 4096
BLOCK_MAX_COLUMNS = 64  # a board of four probes writes 14: what is more unfolds to no purpose
SEGMENT_MAX_BYTES = 65536

BLOCK_RUN = 1
BLOCK_SAMPLES = 2
BLOCK_SHOCK = 3
BLOCK_EVENTS = 4  # events alone, when no sample stands with them

# A body is a list of sections.
SECTION_HEAD = Record(
    "section_head",
    ("kind", U8, 1, ""),
    ("length", U16, 1, "bytes"),  # of what follows this head
)
SECTION_SPAN = 1
SECTION_COLUMN = 2
SECTION_STATES = 3
SECTION_RAW = 4
SECTION_EVENTS = 5
SECTION_IDENTITY = 16
SECTION_TEXT = 17
SECTION_SAMPLING = 18
SECTION_CHANNEL = 19
SECTION_RULE = 20
SECTION_SHOCK_SETTINGS = 21
SECTION_TILT_SETTINGS = 22
SECTION_CALIBRATION = 23
SECTION_ARMING = 24
SECTION_HANDLING = 25
SECTION_SHOCK_HEAD = 32

SPAN = Record(
    "span",
    ("first_sample", U32, 1, ""),  # number within the run of the first sample
    ("count", U16, 1, ""),  # samples, and values in each column of the block: 1 to 4096
    ("interval_ms", U32, 1, "ms"),  # between nominal times; not 0
)
# Followed by one parameter byte per page, the remainder plane and the unary plane (4.6).
COLUMN_HEAD = Record(
    "column_head",
    ("channel", U8, 1, ""),  # or CHANNEL_COMMON, 255
    ("quantity", U8, 1, ""),
    ("first", I16, 1, ""),  # the first value, where the predictor starts
)
COLUMN_PAGE = 256  # samples that share one parameter byte
COLUMN_FLAT = 15  # Rice parameter that says: every residual of this page is 0
CHANNEL_COMMON = 255  # a column that belongs to the whole sample, not to one probe
QUANTITY_READING = 0  # the reading, or the mean when several conversions make one sample
QUANTITY_MIN = 1
QUANTITY_MAX = 2
QUANTITY_COLD_JUNCTION = 3
QUANTITY_LATENESS = 4  # ms after the nominal time
QUANTITY_ACCELERATION = 5  # channel 0, 1, 2 = x, y, z

STATE_RUN = Record(
    "state_run",
    ("channel", U8, 1, ""),
    ("state", U8, 1, ""),
    ("first", U16, 1, ""),  # index within the block
    ("count", U16, 1, ""),
)
# What the converter said for one sample of this block, so that the host can prove the board's
# linearisation with its own.
RAW_SET = Record(
    "raw_set",
    ("channel", U8, 1, ""),
    ("fault", U8, 1, ""),  # MAX31856 fault status register
    ("index", U16, 1, ""),  # sample index within the block
    ("voltage_raw", I32, 1, ""),  # 19-bit code; volts = code / (gain * 1.6 * 2**17)
    ("cold_junction_raw", I16, 1 / 64, "degC"),
)

IDENTITY = Record(
    "identity",
    ("device_id", BYTES(8), 1, ""),
    ("log_id", BYTES(8), 1, ""),  # random, made when the run began; never repeats
    ("firmware_major", U8, 1, ""),
    ("firmware_minor", U8, 1, ""),
    ("firmware_patch", U8, 1, ""),
    ("micropython_major", U8, 1, ""),
    ("micropython_minor", U8, 1, ""),
    ("micropython_patch", U8, 1, ""),
    ("began_utc_s", U32, 1, "s"),  # the board's clock when the run began, or UTC_UNKNOWN
)
# A text section: one byte that says which text, then UTF-8.
TEXT_BOARD = 1
TEXT_DEWAR = 2
TEXT_SHIPMENT = 3
TEXT_PROFILE = 4
TEXT_CONTACT = 5
TEXT_INSTRUCTION = 6  # may stand several times, in order
TEXT_CHAIN_OF_IDENTITY = 7
TEXT_HARDWARE = 8  # the board's hardware revision
TEXT_ACCOUNT = 9  # references of who pays, as the sender's books have them
TEXT_PURCHASE_ORDER = 10
TEXT_COST_CENTRE = 11
TEXT_CONSIGNEE = 12
TEXT_NAMES = {
    1: "board",
    2: "dewar",
    3: "shipment",
    4: "profile",
    5: "contact",
    6: "instruction",
    7: "chain_of_identity",
    8: "hardware",
    9: "account",
    10: "purchase_order",
    11: "cost_centre",
    12: "consignee",
}

SAMPLING = Record(
    "sampling",
    ("interval_ms", U32, 1, "ms"),
    ("fast_interval_ms", U32, 1, "ms"),  # while a rule is pending or active; 0: never faster
    ("conversions", U16, 1, ""),  # per sample; above 1 the min and max columns exist
    ("gain", U8, 1, ""),  # voltage gain of the converter: 8 or 32
    ("full_policy", U8, 1, ""),  # memory full: 0 stop, 1 give up the oldest segments (4.1)
)
FULL_STOP = 0  # memory full: stop and say so
FULL_OVERWRITE = 1  # memory full: give up the oldest pulled run, then the oldest of this one

CHANNEL = Record(
    "channel",
    ("channel", U8, 1, ""),
    ("probe_type", U8, 1, ""),  # ASCII letter: T, K or E
    ("placement", U8, 1, ""),
    ("offset_count", I16, 1 / 128, "degC"),  # calibration, added by the board after linearising
    ("calibration_u_count", U16, 1 / 128, "degC"),  # standard uncertainty of that calibration
    ("calibrated_utc_s", U32, 1, "s"),  # UTC_UNKNOWN: never
    ("calibration_due_utc_s", U32, 1, "s"),
    ("serial", BYTES(12), 1, ""),  # probe serial, ASCII, zero-padded
)
PLACEMENT_NAMES = ("payload top", "payload bottom", "neck", "other")

RULE = Record(
    "rule",
    ("rule", U8, 1, ""),  # 0 to 7
    ("kind", U8, 1, ""),
    ("mode", U8, 1, ""),
    ("severity", U8, 1, ""),
    ("channel_mask", U8, 1, ""),  # bit n: channel n
    ("threshold", I16, 1, ""),  # 1/128 degC; for a rate, K/h
    ("hysteresis", U16, 1, ""),  # in the unit of the threshold
    ("dwell_s", U32, 1, "s"),
    ("rate_window_s", U16, 1, "s"),  # of a rate, at least 1; 0 for the other kinds
)
RULE_MAX = 8
RULE_ABOVE = 1
RULE_BELOW = 2
RULE_RISING = 3  # rate of change above threshold, K/h
RULE_FALLING = 4  # rate of change below minus threshold, K/h
MODE_SINGLE = 0
MODE_CUMULATIVE = 1
SEVERITY_WARN = 0
SEVERITY_HOLD = 1

SHOCK_BANDS = 3
SHOCK_SETTINGS = Record(
    "shock_settings",
    ("rate_hz", U16, 1, "Hz"),
    ("count_mg", U16, 1, "mg"),  # acceleration of one count
    ("range_g", U16, 1, "g"),
    ("trigger_count", U16, 1, ""),  # counts on any axis that wake the capture
    ("quiet_ms", U16, 1, "ms"),  # below the trigger this long: the shock has ended
    ("pre_trigger", U16, 1, ""),  # samples kept before the trigger
    ("window", U16, 1, ""),  # samples kept at most
    ("band_1_g", U16, 1, "g"),  # lower edges of the severity bands, on the resultant peak
    ("band_2_g", U16, 1, "g"),
    ("band_3_g", U16, 1, "g"),
    ("hold_band", U8, 1, ""),  # a shock in this band or above means HOLD; 0: never
    ("hold_velocity_change_mm_s", U16, 1, "mm/s"),  # and it must reach this
)
TILT_BANDS = 4
TILT_SETTINGS = Record(
    "tilt_settings",
    ("edge_1_deg", U8, 1, "deg"),  # 0-30, 30-60, 60-120, above 120 from upright
    ("edge_2_deg", U8, 1, "deg"),
    ("edge_3_deg", U8, 1, "deg"),
    ("hold_band", U8, 1, ""),  # minutes in this band or above count; 0: never HOLD
    ("hold_minutes", U16, 1, "min"),
    ("period_s", U16, 1, "s"),
)

# What a probe was compared with, one for each point. Followed by: reference.
CALIBRATION = Record(
    "calibration",
    ("channel", U8, 1, ""),
    ("point", U8, 1, ""),
    ("reference_count", I16, 1 / 128, "degC"),  # what the probe should have read
    ("indicated_count", I16, 1 / 128, "degC"),  # what it read, without any offset
    ("u_count", U16, 1 / 128, "degC"),  # standard uncertainty of the comparison
    ("pressure_pa", U32, 1, "Pa"),  # of the air over liquid nitrogen; 0: not needed
    ("utc_s", U32, 1, "s"),
    ("serial", BYTES(12), 1, ""),  # of the probe then: another one now makes this void
)
CALIBRATION_POINT_NAMES = ("ice point", "LN2 point", "other bath")
# Why and how this run was begun. Followed by: actor and reason.
ARMING = Record(
    "arming",
    ("utc_s", U32, 1, "s"),  # the host's clock
    ("planned_s", U32, 1, "s"),  # how long the trip is to take
    ("static_hold_s", U32, 1, "s"),  # what the charge gives at rest; 0: not known
    ("charge_g", U32, 1, "g"),  # liquid nitrogen by weight; 0: not weighed
    ("overridden", U16, 1, ""),  # bit n: ARM_REFUSAL_NAMES[n] stood against it
)
ARM_REFUSAL_NAMES = (
    "probe not cold",
    "probe not stable",
    "probe fault",
    "charge",
    "calibration",
    "clock",
    "memory",
    "supply",
    "log not pulled",
    "sensors",
)
HANDLING = Record(
    "handling",
    ("thaw_to_infusion_min", U16, 1, "min"),  # from thaw start to infuse at most; 0: not told
    ("calibration_policy", U8, 1, ""),  # past its due date
)
CALIBRATION_POLICY_NAMES = ("warn", "refuse")
# Sections whose record is followed by texts, each one length byte and that many bytes of UTF-8.
SECTION_TEXTS = {
    SECTION_CALIBRATION: ("reference",),
    SECTION_ARMING: ("actor", "reason"),
}
SECTION_TEXT_MAX_BYTES = 76

SHOCK_HEAD = Record(
    "shock_head",
    ("shock", U16, 1, ""),  # number of the shock within the run
    ("count", U16, 1, ""),  # samples in each of the three columns that follow
    ("trigger", U16, 1, ""),  # index of the sample that woke the capture
    ("rate_hz", U16, 1, "Hz"),
    ("count_mg", U16, 1, "mg"),
    ("flags", U8, 1, ""),
)
SHOCK_CLIPPED = 1  # at least one sample stood at the end of the range
SHOCK_CUT = 2  # the shock went on after the window was full, or half of it was given up
SHOCK_GAP = 4  # samples are missing inside the window, or at its end

# --- 5. Events --------------------------------------------------------------------------------
EVENTS_HEAD = Record(
    "events_head",
    ("first_event", U32, 1, ""),  # number within the run of the first event
    ("count", U16, 1, ""),
)
EVENT_HEAD = Record(
    "event_head",
    ("kind", U8, 1, ""),
    ("length", U8, 1, "bytes"),  # of the body that follows this head
    ("uptime_ms", U16, 1, "ms"),
    ("uptime_s", U32, 1, "s"),
)
EVENT_BOOT = Record(
    "boot",
    ("cause", U8, 1, ""),
    ("boot", U16, 1, ""),  # that of the block header
    ("recovered_samples", U16, 1, ""),  # found in the journal after the last stop
    ("dropped_bytes", U16, 1, "bytes"),  # torn tail of the journal, not readable
    ("utc_s", U32, 1, "s"),
    ("clock_state", U8, 1, ""),
)
BOOT_CAUSE_NAMES = (
    "unknown",
    "power on",
    "reset pin",
    "watchdog",
    "soft reset",
    "brown-out",
    "deep sleep",
)
CLOCK_OK = 0
CLOCK_UNSET = 1  # the clock chip's oscillator stopped since it was last set
CLOCK_ABSENT = 2  # no clock chip answered
EVENT_STOP = Record("stop", ("cause", U8, 1, ""))
EVENT_CLOCK_READ = Record(
    "clock_read",
    ("utc_s", U32, 1, "s"),  # what the clock chip said: true time is in [utc_s, utc_s + 1)
    ("clock_state", U8, 1, ""),
)
EVENT_CLOCK_SYNC = Record(
    "clock_sync",
    ("utc_s", U32, 1, "s"),  # what the host said
    ("utc_ms", U16, 1, "ms"),
    ("error_ms", U16, 1, "ms"),  # what the host says it may be wrong by
    ("before_utc_s", U32, 1, "s"),  # what the clock chip said before it was set
    ("before_state", U8, 1, ""),
)
EVENT_GAP = Record(
    "gap",
    ("stream", U8, 1, ""),
    ("cause", U8, 1, ""),
    ("length_ms", U16, 1, "ms"),  # 0 to 999
    ("length_s", U32, 1, "s"),  # GAP_LENGTH_UNKNOWN: no clock to tell
    ("missed", U32, 1, ""),  # samples that should have been there
)
GAP_LENGTH_UNKNOWN = 0xFFFFFFFF
STREAM_SAMPLES = 0
STREAM_SHOCK = 1
STREAM_EVENTS = 2
GAP_POWER = 0
GAP_RING_FULL = 1
GAP_FLASH_STALL = 2
GAP_LATE = 3
GAP_MEMORY_FULL = 4
GAP_STOPPED = 5
GAP_OVERWRITTEN = 6
GAP_SELFTEST = 7  # of the shock stream: the sensor was away for its self-test
EVENT_PROBE_STATE = Record(
    "probe_state",
    ("channel", U8, 1, ""),
    ("state", U8, 1, ""),
    ("before", U8, 1, ""),
    ("fault", U8, 1, ""),
    ("sample", U32, 1, ""),  # the first sample in the new state
)
EVENT_EXCURSION_BEGIN = Record(
    "excursion_begin",
    ("rule", U8, 1, ""),
    ("channel", U8, 1, ""),
    ("value", I16, 1, ""),  # at the declaring sample, in the unit of the rule's threshold
    ("onset", U32, 1, ""),  # first sample of this stay beyond the threshold
    ("sample", U32, 1, ""),  # the sample at which the dwell was reached
)
EVENT_EXCURSION_EXTREME = Record(
    "excursion_extreme",
    ("rule", U8, 1, ""),
    ("channel", U8, 1, ""),
    ("value", I16, 1, ""),
    ("onset", U32, 1, ""),
    ("sample", U32, 1, ""),  # where the extreme stands
)
EVENT_EXCURSION_END = Record(
    "excursion_end",
    ("rule", U8, 1, ""),
    ("channel", U8, 1, ""),
    ("duration_ms", U16, 1, "ms"),  # 0 to 999
    ("duration_s", U32, 1, "s"),  # beyond the threshold in this stay, gaps and faults not counted
    ("onset", U32, 1, ""),
    ("sample", U32, 1, ""),  # the first sample back inside
)
EVENT_SHOCK = Record(
    "shock",
    ("shock", U16, 1, ""),
    ("band", U8, 1, ""),
    ("flags", U8, 1, ""),
    ("peak_x", I16, 1, ""),  # counts, gravity removed
    ("peak_y", I16, 1, ""),
    ("peak_z", I16, 1, ""),
    ("peak", U16, 1, ""),  # resultant, counts
    ("duration_us", U32, 1, "us"),
    ("velocity_change_mm_s", U16, 1, "mm/s"),  # resultant
)
EVENT_TILT = Record(
    "tilt",
    ("band", U8, 1, ""),  # the band entered, or still in
    ("angle_deg", U8, 1, "deg"),  # from upright
    ("band_0_s", U32, 1, "s"),  # totals since the run began
    ("band_1_s", U32, 1, "s"),
    ("band_2_s", U32, 1, "s"),
    ("band_3_s", U32, 1, "s"),
)
EVENT_SUPPLY = Record(
    "supply",
    ("supply_mv", U16, 1, "mV"),
    ("low", U8, 1, ""),  # 1: too low to go on for long
)
# Followed by: actor, place and note, each one length byte and that many bytes of UTF-8.
EVENT_CUSTODY = Record(
    "custody",
    ("step", U8, 1, ""),
    ("utc_s", U32, 1, "s"),  # the host's clock
)
EVENT_PULL = Record(
    "pull",
    ("block_seq", U32, 1, ""),  # the last block the host confirmed it holds
    ("utc_s", U32, 1, "s"),
)
EVENT_SENSOR = Record(
    "sensor",
    ("part", U8, 1, ""),
    ("state", U8, 1, ""),
)
PART_NAMES = ("accelerometer", "tilt sensor", "clock", "supply monitor", "device key")

EVENT_RADIO = Record(
    "radio",
    ("state", U8, 1, ""),  # 0 off (flight mode), 1 on
    ("cause", U8, 1, ""),
    ("minutes", U16, 1, "min"),  # how long it stays so; 0: until something else says so
)
RADIO_CAUSE_NAMES = ("profile", "host", "time over", "fault")
# Followed by: giver, receiver and place, each one length byte and that many bytes of UTF-8.
EVENT_HANDOFF = Record(
    "handoff",
    ("utc_s", U32, 1, "s"),  # the host's clock
    ("verdict", U8, 1, ""),  # what the host's check said
    ("role", U8, 1, ""),  # of the receiver
    ("blocks", U32, 1, ""),  # blocks the host holds and has checked
    ("chain", BYTES(32), 1, ""),  # the chain value after that many blocks
)

# Somebody has seen an alarm. Followed by: actor and note.
EVENT_ACKNOWLEDGE = Record(
    "acknowledge",
    ("state", U8, 1, ""),  # bits: STATUS_* of what was seen
    ("utc_s", U32, 1, "s"),  # the host's clock
)
# Who speaks, or tried to. Followed by: holder of a token.
EVENT_ACCESS = Record(
    "access",
    ("result", U8, 1, ""),
    ("link", U8, 1, ""),
    ("key", U8, 1, ""),  # KEY_*; 0: none
    ("failures", U16, 1, ""),  # proofs refused since the last that held; 65535: or more
    ("token", BYTES(8), 1, ""),  # id of the token; zero: the key itself, or none
)
ACCESS_OPEN = 0
ACCESS_PROVEN = 1
EVENT_LOCK = Record(
    "lock",
    ("state", U8, 1, ""),
    ("cause", U8, 1, ""),
)
EVENT_FIRMWARE = Record(
    "firmware",
    ("before_major", U8, 1, ""),
    ("before_minor", U8, 1, ""),
    ("before_patch", U8, 1, ""),
    ("before_micropython_major", U8, 1, ""),
    ("before_micropython_minor", U8, 1, ""),
    ("before_micropython_patch", U8, 1, ""),
    ("major", U8, 1, ""),
    ("minor", U8, 1, ""),
    ("patch", U8, 1, ""),
    ("micropython_major", U8, 1, ""),
    ("micropython_minor", U8, 1, ""),
    ("micropython_patch", U8, 1, ""),
)
# Followed by: the old payload, `before_bytes` long, then the new one to the end of the body.
EVENT_SETTING = Record(
    "setting",
    ("section", U8, 1, ""),  # SECTION_* of block 0
    ("index", U8, 1, ""),  # which of its kind in block 0, from 0
    ("flags", U8, 1, ""),  # SETTING_*
    ("before_run", U32, 1, ""),  # the run that had the old one
    ("before_bytes", U8, 1, "bytes"),
)
SETTING_BEFORE_CUT = 1  # the old payload is longer: only its beginning stands here
SETTING_AFTER_CUT = 2
SETTING_PART_MAX_BYTES = 120
EVENT_PIN = Record(
    "pin",
    ("blocks", U32, 1, ""),
    ("chain", BYTES(32), 1, ""),  # the chain value after that many blocks
)
# The fields of SIGN_REPLY, less what the log itself says.
EVENT_SIGNATURE = Record(
    "signature",
    ("blocks", U32, 1, ""),
    ("uptime_s", U32, 1, "s"),
    ("uptime_ms", U16, 1, "ms"),
    ("utc_s", U32, 1, "s"),
    ("clock_state", U8, 1, ""),
    ("nonce", BYTES(16), 1, ""),  # of the host that asked
    ("signature", BYTES(64), 1, ""),
)
EVENT_SEAL_KEY = Record(
    "seal_key",
    ("state", U8, 1, ""),
    ("key_index", U32, 1, ""),  # of the next block's seal; 0: none
)
SEAL_KEY_STATE_NAMES = ("in use", "new", "lost")
# Another profile was written. Followed by: actor and note. The run ends with it.
EVENT_PROFILE = Record(
    "profile",
    ("purpose", U8, 1, ""),
    ("utc_s", U32, 1, "s"),  # the host's clock
    ("before_crc32", U32, 1, ""),  # of /profile.json; 0: there was none
    ("crc32", U32, 1, ""),
)
PURPOSE_NAMES = ("provision", "calibrate", "arm", "other")
# One test of a self-test; all of one stand together.
EVENT_SELFTEST = Record(
    "selftest",
    ("test", U8, 1, ""),
    ("index", U8, 1, ""),  # which of several: channel or axis, else 0
    ("verdict", U8, 1, ""),
    ("value", I32, 1, ""),  # in the unit of the test
    ("least", I32, 1, ""),  # passes from here
    ("most", I32, 1, ""),  # to here
)
# A run was erased from the board, by a host.
EVENT_ERASE = Record(
    "erase",
    ("run", U32, 1, ""),
    ("log_id", BYTES(8), 1, ""),
    ("blocks", U32, 1, ""),  # it had
    ("confirmed", U8, 1, ""),  # 1: a host had confirmed to hold all of it
)

EVENTS = {
    1: EVENT_BOOT,
    2: EVENT_STOP,
    3: EVENT_CLOCK_READ,
    4: EVENT_CLOCK_SYNC,
    5: EVENT_GAP,
    6: EVENT_PROBE_STATE,
    7: EVENT_EXCURSION_BEGIN,
    8: EVENT_EXCURSION_EXTREME,
    9: EVENT_EXCURSION_END,
    10: EVENT_SHOCK,
    11: EVENT_TILT,
    12: EVENT_SUPPLY,
    13: EVENT_CUSTODY,
    14: EVENT_PULL,
    15: EVENT_SENSOR,
    16: EVENT_RADIO,
    17: EVENT_HANDOFF,
    18: EVENT_ACKNOWLEDGE,
    19: EVENT_ACCESS,
    20: EVENT_LOCK,
    21: EVENT_FIRMWARE,
    22: EVENT_SETTING,
    23: EVENT_PIN,
    24: EVENT_SIGNATURE,
    25: EVENT_SEAL_KEY,
    26: EVENT_PROFILE,
    27: EVENT_SELFTEST,
    28: EVENT_ERASE,
}
KIND_BOOT = 1
KIND_STOP = 2
KIND_CLOCK_READ = 3
KIND_CLOCK_SYNC = 4
KIND_GAP = 5
KIND_PROBE_STATE = 6
KIND_EXCURSION_BEGIN = 7
KIND_EXCURSION_EXTREME = 8
KIND_EXCURSION_END = 9
KIND_SHOCK = 10
KIND_TILT = 11
KIND_SUPPLY = 12
KIND_CUSTODY = 13
KIND_PULL = 14
KIND_SENSOR = 15
KIND_RADIO = 16
KIND_HANDOFF = 17
KIND_ACKNOWLEDGE = 18
KIND_ACCESS = 19
KIND_LOCK = 20
KIND_FIRMWARE = 21
KIND_SETTING = 22
KIND_PIN = 23
KIND_SIGNATURE = 24
KIND_SEAL_KEY = 25
KIND_PROFILE = 26
KIND_SELFTEST = 27
KIND_ERASE = 28
# Kinds whose record is followed by texts: their names, and how many bytes each may have, so that
# an event's length fits its one byte.
EVENT_TEXTS = {
    KIND_CUSTODY: ("actor", "place", "note"),
    KIND_HANDOFF: ("giver", "receiver", "place"),
    KIND_ACKNOWLEDGE: ("actor", "note"),
    KIND_ACCESS: ("holder",),
    KIND_PROFILE: ("actor", "note"),
}
EVENT_TEXT_MAX_BYTES = {
    KIND_CUSTODY: 76,
    KIND_HANDOFF: 63,
    KIND_ACKNOWLEDGE: 76,
    KIND_ACCESS: 32,
    KIND_PROFILE: 76,
}
# How long a host may make them: the body and its SESSION_TAG then fit a request of 236 bytes.
EVENT_TEXT_ASKED_MAX_BYTES = {
    KIND_CUSTODY: 72,
    KIND_HANDOFF: 59,
    KIND_ACKNOWLEDGE: 76,
    KIND_PROFILE: 76,
}

# --- 6. Journal -------------------------------------------------------------------------------
JOURNAL_MAGIC = b"DWLJ"
JOURNAL_HEAD = Record(
    "journal_head",
    ("magic", BYTES(4), 1, ""),
    ("version", U8, 1, ""),
    ("columns", U8, 1, ""),  # i16 values in each sample record, lateness not counted
    ("boot", U16, 1, ""),
    ("run", U32, 1, ""),
    ("block_seq", U32, 1, ""),  # blocks sealed when this journal was opened
    ("first_sample", U32, 1, ""),
    ("first_event", U32, 1, ""),
    ("uptime_ms", U16, 1, "ms"),  # when the journal was opened
    ("uptime_s", U32, 1, "s"),
    ("crc32", U32, 1, ""),
)
# Every record: this head, its body, then CRC-32 continued from the record before it.
JOURNAL_RECORD = Record(
    "journal_record",
    ("kind", U8, 1, ""),
    ("length", U16, 1, "bytes"),
)
JOURNAL_SAMPLE = 1  # i16 lateness_ms, then one i16 a column
JOURNAL_RAW = 2  # one RAW_SET
JOURNAL_EVENT = 3  # EVENT_HEAD and body
JOURNAL_STATE = 4  # the excursion engine's state when the journal was opened; board-private
JOURNAL_SPAN = 5  # stands before the first sample record
JOURNAL_SPAN_BODY = Record(
    "journal_span",
    ("interval_ms", U32, 1, "ms"),
    ("uptime_ms", U16, 1, "ms"),  # nominal time of the first sample
    ("uptime_s", U32, 1, "s"),
)

# --- 7. Frames and messages -------------------------------------------------------------------
FRAME_HEAD = Record(
    "frame_head",
    ("kind", U8, 1, ""),
    ("seq", U8, 1, ""),
    ("length", U16, 1, "bytes"),  # of the body
)
FRAME_CRC_BYTES = 4
FRAME_OVERHEAD_BYTES = 8
SERIAL_BODY_MAX_BYTES = 4096
BLE_FRAME_MAX_BYTES = 244  # one notification: ATT MTU 247 less its 3-byte head
BLE_BODY_MAX_BYTES = 236
REQUEST_BODY_MAX_BYTES = 236  # on every link, so that a board needs one small buffer
SERIAL_IN_MARK = b"\x06\x09"  # a host line: this mark, base64 of a frame, LF

MSG_HELLO = 0x01
MSG_STATUS = 0x02
MSG_TIME = 0x03
MSG_LIST = 0x04
MSG_READ = 0x05
MSG_ACK = 0x06
MSG_ABORT = 0x07
MSG_HASH = 0x08
MSG_SEAL = 0x09
MSG_MARK = 0x0A
MSG_CONFIRM = 0x0B
MSG_STOP = 0x0C
MSG_AUTH = 0x0D
MSG_ERASE = 0x0E
MSG_HANDOFF = 0x0F
MSG_RADIO = 0x10
MSG_KEY = 0x11
MSG_SEAL_KEY = 0x12
MSG_LOCK = 0x13
MSG_SIGN = 0x14
MSG_PUBLIC = 0x15
MSG_ACKNOWLEDGE = 0x16
MSG_LIVE = 0x17
MSG_GET = 0x18
MSG_PUT = 0x19
MSG_PUT_END = 0x1A
MSG_SELFTEST = 0x1B
MSG_SEED = 0x1C
MSG_DATA = 0x40
MSG_END = 0x41
MSG_DATA_SHORT = 0x42  # DATA where a frame is one packet of the link; no FRAME_HEAD, see 7.3
MSG_ERROR = 0x7F
REPLY = 0x80  # a reply has its request's kind with this bit set, and its seq

HELLO = Record(
    "hello",
    ("protocol", U8, 1, ""),
    ("reserved", U8, 1, ""),
    ("body_max", U16, 1, "bytes"),  # largest body the host can take, at least 160
    ("nonce", BYTES(8), 1, ""),  # random, new for each HELLO
)
HELLO_REPLY = Record(
    "hello_reply",
    ("protocol", U8, 1, ""),
    ("format", U8, 1, ""),
    ("body_max", U16, 1, "bytes"),  # largest body the board can take or send
    ("features", U32, 1, ""),  # bits: FEATURE_*
    ("device_id", BYTES(8), 1, ""),
    ("nonce", BYTES(8), 1, ""),  # the board's own, random
)
# What a board can do beyond the first version, in HELLO_REPLY and INFO.
FEATURE_RADIO = 1
FEATURE_HANDOFF = 2
FEATURE_AUTH = 4  # keys for each role, tokens, tagged frames (7.7)
FEATURE_SIGN = 8
FEATURE_SEAL = 16  # blocks are sealed by a key (4.9)
FEATURE_SECRET = 32  # AUTH_SECRET
FEATURE_BENCH = 64  # LIVE, GET, PUT, PUT_END, SELFTEST, ERASE, SEED
STATUS_REPLY = Record(
    "status_reply",
    ("state", U8, 1, ""),  # bits: STATUS_*
    ("run", U32, 1, ""),
    ("boot", U16, 1, ""),
    ("uptime_ms", U16, 1, "ms"),
    ("uptime_s", U32, 1, "s"),
    ("utc_s", U32, 1, "s"),
    ("clock_state", U8, 1, ""),
    ("interval_ms", U32, 1, "ms"),
    ("samples", U32, 1, ""),
    ("events", U32, 1, ""),
    ("blocks", U32, 1, ""),
    ("backlog_bytes", U32, 1, "bytes"),  # stored and not yet confirmed
    ("free_bytes", U32, 1, "bytes"),
    ("supply_mv", U16, 1, "mV"),
    ("reading_0", I16, 1 / 128, "degC"),  # latest reading codes; STATE_ABSENT where not fitted
    ("reading_1", I16, 1 / 128, "degC"),
    ("reading_2", I16, 1 / 128, "degC"),
    ("reading_3", I16, 1 / 128, "degC"),
    ("cold_junction", I16, 1 / 64, "degC"),
    ("ring_high_water", U8, 1, ""),  # most samples that ever waited in RAM
    ("ring_dropped", U16, 1, ""),  # samples that found no room there; 65535: or more
    ("rules_active", U8, 1, ""),  # bit n: an excursion of rule n is open
    ("access", U8, 1, ""),  # bits: ACCESS_IS_*
    ("failures", U16, 1, ""),  # proofs refused since the last that held; 65535: or more
    ("key_index", U32, 1, ""),  # of the next block's seal; 0: no sealing key
)
STATUS_RECORDING = 1
STATUS_EXCURSION = 2  # of a rule that means HOLD, open now
STATUS_FAULT = 4  # a probe gives no temperature, or a part no answer
STATUS_CLOCK_UNSET = 8
STATUS_LOW_SUPPLY = 16
STATUS_MEMORY_FULL = 32  # recording has stopped for want of room
STATUS_HELD = 64  # a rule, shock or tilt that means HOLD has been met in this run
STATUS_WARNING = 128  # an excursion of a rule that warns is open now
ACCESS_IS_CLAIMED = 1  # an admin has proven itself at least once
ACCESS_IS_LOCKED = 2  # roles are asked for on every link, and there is no REPL
ACCESS_IS_ACKNOWLEDGED = 4  # nothing that was held or warned of is newer than an acknowledgement
TIME = Record(
    "time",
    ("utc_s", U32, 1, "s"),
    ("utc_ms", U16, 1, "ms"),
    ("error_ms", U16, 1, "ms"),
)
TIME_REPLY = Record(
    "time_reply",
    ("before_utc_s", U32, 1, "s"),
    ("before_state", U8, 1, ""),
)
LIST = Record(
    "list",
    ("from_index", U16, 1, ""),  # the first entry wanted, from 0
    ("most", U8, 1, ""),  # entries wanted at most
)
LIST_REPLY = Record(
    "list_reply",
    ("total", U16, 1, ""),  # entries there are
    ("from_index", U16, 1, ""),
    ("count", U8, 1, ""),  # entries that follow; may be fewer than wanted
)
# One entry of a list: a segment or the journal of one run.
LIST_ENTRY = Record(
    "list_entry",
    ("run", U32, 1, ""),
    ("file", U16, 1, ""),  # segment number, from 0, or FILE_JOURNAL, 0xFFFF
    ("flags", U8, 1, ""),
    ("etag", U32, 1, ""),  # changes whenever earlier bytes of the file may have changed
    ("size", U32, 1, "bytes"),
    ("log_id", BYTES(8), 1, ""),
)
FILE_JOURNAL = 0xFFFF
ENTRY_SEALED = 1  # will never grow
ENTRY_CONFIRMED = 2  # a host has confirmed it holds all of it
READ = Record(
    "read",
    ("run", U32, 1, ""),
    ("file", U16, 1, ""),
    ("etag", U32, 1, ""),
    ("offset", U32, 1, "bytes"),
    ("length", U32, 1, "bytes"),
    ("prefix_crc32", U32, 1, ""),  # CRC-32 of bytes 0 to offset that the host already holds
    ("credit", U32, 1, "bytes"),  # the board may send up to offset + credit
)
READ_REPLY = Record(
    "read_reply",
    ("xfer", U8, 1, ""),
    ("length", U32, 1, "bytes"),  # that will come
)
DATA_HEAD = Record(
    "data_head",
    ("xfer", U8, 1, ""),
    ("flags", U8, 1, ""),  # 0 in this version
    ("offset", U32, 1, "bytes"),  # of the first byte, in the file
)
# The frame of MSG_DATA_SHORT: this head, the bytes, then the low 16 bits of the CRC-32 of the DATA
# frame it stands for (7.3).
DATA_SHORT_HEAD = Record(
    "data_short_head",
    ("kind", U8, 1, ""),
    ("offset_low", U16, 1, "bytes"),  # low 16 bits of the offset
)
DATA_SHORT_CRC_BYTES = 2
DATA_SHORT_OVERHEAD_BYTES = 5
END = Record(
    "end",
    ("xfer", U8, 1, ""),
    ("status", U8, 1, ""),  # 0, or an ERROR_*
    ("offset", U32, 1, "bytes"),  # behind the last byte sent, in the file
    ("crc32", U32, 1, ""),  # of the bytes of this transfer, from its first offset
)
ACK = Record(
    "ack",
    ("xfer", U8, 1, ""),
    ("next_offset", U32, 1, "bytes"),  # the host holds every byte before it
    ("credit", U32, 1, "bytes"),  # the board may send up to next_offset + credit
)
HASH = Record(
    "hash",
    ("run", U32, 1, ""),
    ("file", U16, 1, ""),
    ("etag", U32, 1, ""),
    ("offset", U32, 1, "bytes"),
    ("length", U32, 1, "bytes"),
)
HASH_REPLY = Record("hash_reply", ("sha256", BYTES(32), 1, ""))
SEAL_REPLY = Record(
    "seal_reply",
    ("blocks", U32, 1, ""),  # of the run so far
    ("chain", BYTES(32), 1, ""),  # of the last of them
)
# MSG_MARK carries a custody body: EVENT_CUSTODY and its three texts.
CONFIRM = Record(
    "confirm",
    ("run", U32, 1, ""),
    ("blocks", U32, 1, ""),
    ("chain", BYTES(32), 1, ""),  # the chain value after that many blocks
    ("utc_s", U32, 1, "s"),
)
# MSG_HANDOFF carries a handoff body: EVENT_HANDOFF and its three texts.
HANDOFF_REPLY = Record(
    "handoff_reply",
    ("run", U32, 1, ""),
    ("number", U32, 1, ""),  # of the event
    ("uptime_s", U32, 1, "s"),
    ("uptime_ms", U16, 1, "ms"),
    ("tag", BYTES(32), 1, ""),  # the board's proof over the receipt, 7.7
)
RADIO = Record(
    "radio",
    ("state", U8, 1, ""),  # 0 off, 1 on
    ("minutes", U16, 1, "min"),  # 0: until something else says so
)
# Who proves to be who: a key for each, all made from the board's own (7.7).
KEY_COURIER = 1
KEY_RECEIPT = 2  # proves receipts, and nobody
KEY_READER = 3
KEY_ADMIN = 4
KEY_NAMES = {1: "courier", 2: "receipt", 3: "reader", 4: "admin"}
# Followed by the caveats of a token; without them the key itself proves.
AUTH = Record(
    "auth",
    ("key", U8, 1, ""),  # 1 courier, 3 reader or 4 admin
    ("flags", U8, 1, ""),  # AUTH_SECRET (1), or 0
    ("proof", BYTES(16), 1, ""),
)
AUTH_SECRET = 1  # what follows is enciphered (7.9)
AUTH_REPLY = Record("auth_reply", ("proof", BYTES(16), 1, ""))
# Behind the body of every request and reply once AUTH has succeeded (7.9).
SESSION_TAG = Record(
    "session_tag",
    ("counter", U32, 1, ""),
    ("mac", BYTES(8), 1, ""),
)
# One caveat of a token: this head, then its value (7.8).
CAVEAT = Record(
    "caveat",
    ("kind", U8, 1, ""),
    ("length", U8, 1, "bytes"),  # of the value that follows
)
CAVEAT_ID = 1  # 8 random bytes; stands first, and once
CAVEAT_DEVICE = 2  # 8 bytes: only the board with this device id
CAVEAT_NOT_BEFORE = 3  # u32, UTC: only from then on
CAVEAT_NOT_AFTER = 4  # u32, UTC: only until then, and not then
CAVEAT_LOG = 5  # 8 bytes: only while the run with this log id is open
CAVEAT_MAY = 6  # u8: of MAY_* only these
CAVEAT_HOLDER = 7  # UTF-8, 1 to 32 bytes: who it was given to; limits nothing
CAVEATS_MAX_BYTES = 192
# What a host may do (7.7).
MAY_READ = 1  # LIST, READ, HASH, SEAL, SIGN, LIVE, GET
MAY_RECORD = 2  # MARK, HANDOFF, CONFIRM, ACKNOWLEDGE
MAY_SET = 4  # TIME, RADIO
MAY_STOP = 8  # STOP
MAY_KEYS = 16  # KEY, SEAL_KEY, LOCK, SEED
MAY_BENCH = 32  # PUT, PUT_END, SELFTEST, ERASE
KEY = Record("key", ("key", U8, 1, ""))  # KEY_*
KEY_REPLY = Record("key_reply", ("secret", BYTES(32), 1, ""))
SEAL_KEY_REPLY = Record(
    "seal_key_reply",
    ("key_index", U32, 1, ""),  # of the next block's seal
    ("state", BYTES(32), 1, ""),  # what that key, and every later one, follows from
)
LOCK = Record("lock", ("state", U8, 1, ""))  # 0 open, 1 locked
SEED = Record("seed", ("secret", BYTES(32), 1, ""))  # random, made by the host
SIGN = Record(
    "sign",
    ("run", U32, 1, ""),
    ("nonce", BYTES(16), 1, ""),  # random, new for each
)
SIGN_REPLY = Record(
    "sign_reply",
    ("run", U32, 1, ""),
    ("log_id", BYTES(8), 1, ""),
    ("blocks", U32, 1, ""),  # of the run so far
    ("chain", BYTES(32), 1, ""),  # of the last of them
    ("uptime_s", U32, 1, "s"),
    ("uptime_ms", U16, 1, "ms"),
    ("utc_s", U32, 1, "s"),  # the board's clock
    ("clock_state", U8, 1, ""),
    ("signature", BYTES(64), 1, ""),  # Ed25519, 7.10
)
PUBLIC_REPLY = Record("public_reply", ("public_key", BYTES(32), 1, ""))
# MSG_ACKNOWLEDGE carries an acknowledge body: EVENT_ACKNOWLEDGE and its two texts.
# What an engineer watches beside STATUS.
LIVE_REPLY = Record(
    "live_reply",
    ("firmware_major", U8, 1, ""),
    ("firmware_minor", U8, 1, ""),
    ("firmware_patch", U8, 1, ""),
    ("micropython_major", U8, 1, ""),
    ("micropython_minor", U8, 1, ""),
    ("micropython_patch", U8, 1, ""),
    ("profile_crc32", U32, 1, ""),  # of /profile.json; 0: there is none
    ("heap_free_bytes", U32, 1, "bytes"),  # at the last look; a board looks once a minute
    ("heap_low_bytes", U32, 1, "bytes"),  # the least that was free at any look since the boot
    ("pass_max_us", U32, 1, "us"),  # longest pass of the main loop since the last LIVE
    ("wake_ups", U32, 1, ""),  # times the main loop's sleep ended, since the boot
    ("awake_s", U32, 1, "s"),  # it did not sleep, since the boot
    ("late_ms", U16, 1, "ms"),  # the last sample's lateness
    ("rules_pending", U8, 1, ""),  # bit n: rule n is past its threshold and within its dwell
    ("parts", U32, 1, ""),  # 4 bits each: SENSOR_STATE_NAMES of PART_NAMES, the first lowest
    ("tilt_angle_deg", U8, 1, "deg"),  # from upright; 255: not known
    ("tilt_band", U8, 1, ""),
    ("band_0_s", U32, 1, "s"),  # totals since the run began
    ("band_1_s", U32, 1, "s"),
    ("band_2_s", U32, 1, "s"),
    ("band_3_s", U32, 1, "s"),
    ("shocks", U16, 1, ""),  # of this run
    ("shock_band", U8, 1, ""),  # of the last one
    ("shock_peak", U16, 1, ""),  # counts
    ("shock_velocity_change_mm_s", U16, 1, "mm/s"),
    ("voltage_raw_0", I32, 1, ""),  # of the last sample, as in a RAW_SET
    ("voltage_raw_1", I32, 1, ""),
    ("voltage_raw_2", I32, 1, ""),
    ("voltage_raw_3", I32, 1, ""),
    ("cold_junction_raw_0", I16, 1 / 64, "degC"),
    ("cold_junction_raw_1", I16, 1 / 64, "degC"),
    ("cold_junction_raw_2", I16, 1 / 64, "degC"),
    ("cold_junction_raw_3", I16, 1 / 64, "degC"),
    ("fault_0", U8, 1, ""),
    ("fault_1", U8, 1, ""),
    ("fault_2", U8, 1, ""),
    ("fault_3", U8, 1, ""),
)
GET = Record("get", ("offset", U16, 1, "bytes"))  # of /profile.json
GET_REPLY = Record(
    "get_reply",
    ("total", U16, 1, "bytes"),  # of the file; 0: there is none
    ("crc32", U32, 1, ""),  # of the whole file
)  # then bytes of it from `offset` on, as many as the reply has room for
PROFILE_MAX_BYTES = 8192
PUT = Record(
    "put",
    ("total", U16, 1, "bytes"),  # of the profile that is on its way, at most PROFILE_MAX_BYTES
    ("offset", U16, 1, "bytes"),  # of what follows; 0 begins anew
)  # then at least one byte of it
# Followed by a profile body: EVENT_PROFILE and its two texts.
PUT_END = Record("put_end", ("total", U16, 1, "bytes"))
SELFTEST = Record("selftest_request", ("from_index", U8, 1, ""))  # 0 begins a new one
SELFTEST_LAST = 255  # from the first on, of the last one
SELFTEST_REPLY = Record(
    "selftest_reply",
    ("total", U8, 1, ""),  # results there are
    ("from_index", U8, 1, ""),
    ("count", U8, 1, ""),  # bodies of selftest events that follow
)
ERASE = Record(
    "erase_request",
    ("to_run", U32, 1, ""),  # this run and those before it; never the one that is open
    ("flags", U8, 1, ""),  # ERASE_*
)
ERASE_UNPULLED = 1  # also runs that no host has confirmed to hold
ERASE_REPLY = Record(
    "erase_reply",
    ("erased", U16, 1, ""),  # runs
    ("kept", U16, 1, ""),  # runs up to `to_run` that were left, because nobody holds them
)
ERROR = Record("error", ("code", U8, 1, ""))  # then UTF-8 text for a person
ERROR_UNKNOWN = 1  # the board knows no request of this kind
ERROR_MALFORMED = 2  # the body is not what this request has, or no run is open to take it
ERROR_NOT_FOUND = 3  # no such file
ERROR_CHANGED = 4  # the file is another, or the bytes the host holds are not its; list again
ERROR_BUSY = 5  # not now: ask again as a new request
ERROR_RANGE = 6  # a number beyond what there is
ERROR_MEMORY_FULL = 7
ERROR_NOT_ALLOWED = 8  # the chain is not the board's, or a key is needed (7.7)
ERROR_VERSION = 9  # the board speaks another protocol version
ERROR_LOCKED_OUT = 10  # proofs were refused; the text begins with the seconds left

# --- 7.3 BLE ----------------------------------------------------------------------------------
BLE_SERVICE_UUID = "602e7c8a-a783-40c4-9ab4-ee1a151d1bb3"
BLE_CONTROL_UUID = "602e7c8b-a783-40c4-9ab4-ee1a151d1bb3"  # write, write without response, notify
BLE_DATA_UUID = "602e7c8c-a783-40c4-9ab4-ee1a151d1bb3"  # notify: short DATA and nothing else
BLE_INFO_UUID = "602e7c8d-a783-40c4-9ab4-ee1a151d1bb3"  # read: INFO
BLE_MTU_MIN = 23  # until the two sides have exchanged another (Bluetooth Core, Vol 3 Part F 3.2.8)
BLE_MTU_MAX = 247
BLE_ATT_HEAD_BYTES = 3
BLE_WINDOW_PACKETS = 21  # DATA a board sends beyond what is acknowledged, whatever the credit
BLE_ACK_PACKETS = 11  # DATA a host takes at most before it acknowledges
BLE_PIECE_PAUSE_MS = 500  # a frame whose next piece does not come in this time is dropped
BLE_COMPANY = 0xFFFF  # of the manufacturer data: "for tests", until an identifier is owned
INFO = Record(
    "info",
    ("protocol", U8, 1, ""),
    ("format", U8, 1, ""),
    ("frame_max", U16, 1, "bytes"),  # largest frame in one notification, whatever the MTU
    ("features", U32, 1, ""),
    ("device_id", BYTES(8), 1, ""),
)
# Behind the company in the manufacturer data of an advertisement.
ADVERT = Record(
    "advert",
    ("version", U8, 1, ""),
    ("state", U8, 1, ""),  # bits: STATUS_*
    ("backlog_kib", U16, 1, "KiB"),  # stored and not yet confirmed, rounded up
    ("reading", I16, 1 / 128, "degC"),  # reading code of the warmest payload probe
)
ADVERT_VERSION = 1

# --- Places of fields that a board asks for by name ---------------------------------------------
AT_BLOCK_LENGTH = BLOCK_HEADER.offset_of("length")
AT_BLOCK_CRC = BLOCK_SEAL.offset_of("crc32")
AT_JOURNAL_CRC = JOURNAL_HEAD.offset_of("crc32")
AT_GAP_CAUSE = EVENT_GAP.offset_of("cause")
AT_PROBE_STATE = EVENT_PROBE_STATE.offset_of("state")
AT_SENSOR_STATE = EVENT_SENSOR.offset_of("state")
AT_SUPPLY_LOW = EVENT_SUPPLY.offset_of("low")
AT_AUTH_FLAGS = AUTH.offset_of("flags")

if _IS_BOARD:
    _FIELDS.clear()
    _FORMATS.clear()
else:
    from dewarlog_wire.reader_names import *  # noqa: F403
