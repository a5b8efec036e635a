"""Who may do what: one table for the board, which decides, and the host, which explains.

Place in the line: beside proof. What each bit stands for: protocol/SPEC.md section 7.7.
"""

from dewarlog_wire import layout

MAY_ALL = (
    layout.MAY_READ
    | layout.MAY_RECORD
    | layout.MAY_SET
    | layout.MAY_STOP
    | layout.MAY_KEYS
    | layout.MAY_BENCH
)
# What each role may do, on every link.
MAY = {
    layout.KEY_READER: layout.MAY_READ,
    layout.KEY_COURIER: layout.MAY_READ | layout.MAY_RECORD | layout.MAY_SET,
    layout.KEY_ADMIN: MAY_ALL,
}
# Of a role, what its tokens may give away: a key that was handed out would outlast them.
MAY_BY_TOKEN = MAY_ALL & ~(layout.MAY_KEYS | layout.MAY_BENCH)
# What everybody may do without a proof, by (in hand, locked): over USB one holds the board.
MAY_UNPROVEN = {
    (True, False): MAY_ALL,
    (True, True): layout.MAY_READ | layout.MAY_RECORD,
    (False, False): layout.MAY_READ | layout.MAY_RECORD,
    (False, True): 0,
}
# What each request takes; the others (HELLO, STATUS, AUTH, ACK, ABORT, PUBLIC) take nothing.
NEEDS = {
    layout.MSG_LIST: layout.MAY_READ,
    layout.MSG_READ: layout.MAY_READ,
    layout.MSG_HASH: layout.MAY_READ,
    layout.MSG_SEAL: layout.MAY_READ,
    layout.MSG_SIGN: layout.MAY_READ,
    layout.MSG_MARK: layout.MAY_RECORD,
    layout.MSG_HANDOFF: layout.MAY_RECORD,
    layout.MSG_CONFIRM: layout.MAY_RECORD,
    layout.MSG_ACKNOWLEDGE: layout.MAY_RECORD,
    layout.MSG_TIME: layout.MAY_SET,
    layout.MSG_RADIO: layout.MAY_SET,
    layout.MSG_STOP: layout.MAY_STOP,
    layout.MSG_KEY: layout.MAY_KEYS,
    layout.MSG_SEAL_KEY: layout.MAY_KEYS,
    layout.MSG_LOCK: layout.MAY_KEYS,
    layout.MSG_SEED: layout.MAY_KEYS,
    layout.MSG_LIVE: layout.MAY_READ,
    layout.MSG_GET: layout.MAY_READ,
    layout.MSG_PUT: layout.MAY_BENCH,
    layout.MSG_PUT_END: layout.MAY_BENCH,
    layout.MSG_SELFTEST: layout.MAY_BENCH,
    layout.MSG_ERASE: layout.MAY_BENCH,
}
