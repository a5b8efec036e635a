"""What the numbers of layout.py mean, for readers: names that no board says or asks for.

Place in the line: beside layout, which has them under its own name on every host; a board never
imports this, for tables that it does not read are heap. Each stands at the place of its number:
of a state, a cause, a kind. Section numbers refer to protocol/SPEC.md.
"""

# --- 3. Readings --------------------------------------------------------------------------------
STATE_NAMES = (
    "ok",
    "open",
    "short",
    "below table",
    "above table",
    "cold junction out of range",
    "converter silent",
    "brown-out",
    "absent",
)

# --- 4. Blocks ----------------------------------------------------------------------------------
BLOCK_NAMES = {1: "run", 2: "samples", 3: "shock", 4: "events"}
QUANTITY_NAMES = ("reading", "min", "max", "cold junction", "lateness", "acceleration")
RULE_KIND_NAMES = {1: "above", 2: "below", 3: "rising", 4: "falling"}

# --- 5. Events ----------------------------------------------------------------------------------
CLOCK_STATE_NAMES = ("ok", "unset", "absent")
STOP_CAUSE_NAMES = ("command", "keyboard interrupt", "memory full", "low supply", "error")
STREAM_NAMES = ("samples", "shock", "events")
GAP_CAUSE_NAMES = (
    "power lost",
    "ring full",
    "flash stall",
    "late tick",
    "memory full",
    "logger stopped",
    "overwritten",
    "self-test",
)
CUSTODY_STEP_NAMES = (
    "pack-out",
    "depart",
    "handoff",
    "receive",
    "store",
    "remove",
    "thaw start",
    "infuse",
    "note",
)
SENSOR_STATE_NAMES = ("ok", "silent", "wrong identity", "fault")
VERDICT_NAMES = ("USE", "HOLD", "NO DATA", "NOT INTACT")
ROLE_NAMES = ("courier", "depot", "receiving site", "sender", "other")
ACCESS_RESULT_NAMES = ("unproven", "proven", "proof refused", "token refused", "locked out")
LINK_NAMES = ("USB", "radio")
LOCK_STATE_NAMES = ("open", "locked", "new keys")
LOCK_CAUSE_NAMES = ("profile", "host")
# Name and unit of a test's `value`, `least` and `most`.
SELFTESTS = (
    ("converter settings", ""),  # registers that did not hold what was written
    ("converter fault logic", ""),  # 1: a limit set on purpose raised its fault, and only that
    ("probe", "1/128 degC"),  # reading code: open, short and the like are states
    ("cold junction", "1/64 degC"),
    ("shock sensor identity", ""),  # 1: its own
    ("shock sensor self-test", "counts"),
    ("tilt sensor identity", ""),
    ("tilt sensor self-test", "counts"),  # index: axis
    ("clock oscillator", ""),  # 1: has not stopped since it was set
    ("clock rate", "ms"),  # of the board's in one second of the chip
    ("flash", "bytes"),  # read back otherwise than written
    ("flash write time", "ms"),
    ("supply under load", "mV"),
    ("supply drop under load", "mV"),
    ("loop latency", "us"),  # longest pass of the main loop
    ("free heap", "bytes"),
    ("free flash", "bytes"),
    ("radio", ""),  # 1: advertises
    ("device key", ""),  # 1: has one
    ("sealing key", ""),
)
SELFTEST_VERDICT_NAMES = ("pass", "fail", "not there")

# --- 7. Frames and messages ---------------------------------------------------------------------
ERROR_NAMES = {
    1: "unknown request",
    2: "malformed request",
    3: "not found",
    4: "changed",
    5: "busy",
    6: "out of range",
    7: "memory full",
    8: "not allowed",
    9: "version",
    10: "locked out",
}
