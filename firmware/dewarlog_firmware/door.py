"""Requests at the door: handoffs, acknowledgements, the radio, keys, the lock, signatures.

Place in the line: beside server, which takes `HANDLERS` and proves who asks. Each takes the server
of the conversation and the body, and returns the length of the reply it put there. Acts through
the server's device (desk.py). Messages: protocol/SPEC.md 7.4.
"""

from dewarlog_firmware.access import Refused
from dewarlog_firmware.request import expect_empty, fields_of
from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.server import Server

    Body = bytes | memoryview


def _handoff(server: "Server", body: "Body") -> int:
    _secret(server, layout.KEY_RECEIPT)
    server.expect_allowance()
    try:
        values = server.device.handoff(bytes(body))
    except ValueError as error:
        raise Refused(layout.ERROR_MALFORMED, str(error))
    if values is None:
        raise Refused(layout.ERROR_NOT_ALLOWED, "that is not the chain of this run")
    return server.reply.put(layout.HANDOFF_REPLY, *values)


def _acknowledge(server: "Server", body: "Body") -> int:
    server.expect_allowance()
    try:
        server.device.acknowledge(bytes(body))
    except ValueError as error:
        raise Refused(layout.ERROR_MALFORMED, str(error))
    return 0


def _radio(server: "Server", body: "Body") -> int:
    state, minutes = fields_of(layout.RADIO, body)
    if state > 1:
        raise Refused(layout.ERROR_RANGE, "a radio is off (0) or on (1)")
    if not server.device.features & layout.FEATURE_RADIO:
        raise Refused(layout.ERROR_NOT_ALLOWED, "this board has no radio")
    server.expect_allowance()
    server.device.radio(state, minutes)
    return 0


# --- keys and the lock ---------------------------------------------------------------------------


def _key(server: "Server", body: "Body") -> int:
    (key,) = fields_of(layout.KEY, body)
    if key not in layout.KEY_NAMES:
        raise Refused(layout.ERROR_RANGE, "there is no key %d" % key)
    return server.reply.put(layout.KEY_REPLY, _secret(server, key))


def _secret(server: "Server", key: int) -> bytes:
    secret = server.device.secret(key)
    if not secret:
        raise Refused(layout.ERROR_NOT_ALLOWED, "this board could not store a device key")
    return secret


def _seal_key(server: "Server", body: "Body") -> int:
    expect_empty(body)
    found = server.device.seal_key()
    if found is None:
        raise Refused(layout.ERROR_NOT_ALLOWED, "this board has no sealing key")
    return server.reply.put(layout.SEAL_KEY_REPLY, *found)


def _lock(server: "Server", body: "Body") -> int:
    (state,) = fields_of(layout.LOCK, body)
    if state > 1:
        raise Refused(layout.ERROR_RANGE, "a board is open (0) or locked (1)")
    server.visitor.expect_admin()
    server.device.set_lock(locked=state == 1)
    return 0


# --- signatures: worked on in slices by app, asked for again here --------------------------------


def _sign(server: "Server", body: "Body") -> int:
    run, nonce = fields_of(layout.SIGN, body)
    _expect_to_sign(server)
    server.expect_allowance()
    try:
        server.device.sign(server.visitor, run, nonce)
    except KeyError:
        raise Refused(layout.ERROR_NOT_FOUND, "no such run on this board")
    except ValueError as error:
        raise Refused(layout.ERROR_BUSY, str(error))
    return server.work_on(lambda: _signed(server, layout.SIGN_REPLY))


def _public(server: "Server", body: "Body") -> int:
    expect_empty(body)
    _expect_to_sign(server)
    try:
        server.device.public(server.visitor)
    except ValueError as error:
        raise Refused(layout.ERROR_BUSY, str(error))
    return server.work_on(lambda: _signed(server, layout.PUBLIC_REPLY))


def _signed(server: "Server", record: layout.Record) -> "int | None":
    """Put the reply to SIGN or PUBLIC, once it is worked out."""
    values = server.device.signed(server.visitor)
    return None if values is None else server.reply.put(record, *values)


def _expect_to_sign(server: "Server") -> None:
    if not server.device.features & layout.FEATURE_SIGN:
        raise Refused(layout.ERROR_NOT_ALLOWED, "this board does not sign")
    server.expect_idle()


HANDLERS = {
    layout.MSG_HANDOFF: _handoff,
    layout.MSG_ACKNOWLEDGE: _acknowledge,
    layout.MSG_RADIO: _radio,
    layout.MSG_KEY: _key,
    layout.MSG_SEAL_KEY: _seal_key,
    layout.MSG_LOCK: _lock,
    layout.MSG_SIGN: _sign,
    layout.MSG_PUBLIC: _public,
}
