"""Messages and the conversation: bodies come back, and each wrong step is blamed on its maker."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dewarlog import parse
from dewarlog_wire import layout, session
from dewarlog_wire.errors import FrameError, LocalMisuse, PeerViolation
from dewarlog_wire.session import ASKING_TABLE, BOARD, HOST, TRANSFER_TABLE, Conversation

REPLY = layout.REPLY
HELLO = session.pack_body(layout.MSG_HELLO, 1, 0, 4096, bytes(8))
STATUS = bytes(layout.STATUS_REPLY.size)
HELLO_REPLY = session.pack_body(layout.MSG_HELLO | REPLY, 1, 1, 4096, 0, bytes(8), bytes(8))
WITH_TEXTS = {
    layout.MSG_MARK: layout.EVENT_CUSTODY,
    layout.MSG_HANDOFF: layout.EVENT_HANDOFF,
    layout.MSG_ACKNOWLEDGE: layout.EVENT_ACKNOWLEDGE,
}
TEXTS = {
    layout.MSG_MARK: layout.EVENT_TEXTS[layout.KIND_CUSTODY],
    layout.MSG_HANDOFF: layout.EVENT_TEXTS[layout.KIND_HANDOFF],
    layout.MSG_ACKNOWLEDGE: layout.EVENT_TEXTS[layout.KIND_ACKNOWLEDGE],
}
LISTS = {
    layout.MSG_LIST | REPLY: (65535, layout.LIST_ENTRY),
    layout.MSG_SELFTEST | REPLY: (255, layout.EVENT_SELFTEST),
}
WITH_BYTES = {
    layout.MSG_AUTH: (layout.AUTH, 0),
    layout.MSG_DATA: (layout.DATA_HEAD, 1),
    layout.MSG_GET | REPLY: (layout.GET_REPLY, 0),
    layout.MSG_PUT: (layout.PUT, 1),
}
_INTEGERS = {"B": (0, 255), "H": (0, 65535), "h": (-32768, 32767), "I": (0, 2**32 - 1)}
_INTEGERS["i"] = (-(2**31), 2**31 - 1)


@st.composite
def messages(draw: st.DrawFn) -> tuple[int, tuple[object, ...]]:
    """Draw any message: kind, values."""
    extra = [layout.MSG_ERROR, layout.MSG_PUT_END]
    kind = draw(st.sampled_from([*session.BODIES, *WITH_TEXTS, *LISTS, *WITH_BYTES, *extra]))
    if kind in LISTS:
        most, record = LISTS[kind]
        entries = draw(st.lists(_record(record), max_size=4))
        return kind, (draw(st.integers(0, most)), draw(st.integers(0, most)), *entries)
    if kind == layout.MSG_PUT_END:
        texts = draw(st.tuples(st.text(max_size=14), st.text(max_size=14)))
        total = draw(st.integers(0, 65535))
        return kind, (total, *draw(_record(layout.EVENT_PROFILE)), *texts)
    if kind in WITH_TEXTS:
        texts = draw(st.tuples(*[st.text(max_size=14)] * len(TEXTS[kind])))
        return kind, (*draw(_record(WITH_TEXTS[kind])), *texts)
    if kind == layout.MSG_ERROR:
        return kind, (draw(st.integers(0, 255)), draw(st.text(max_size=40)))
    if kind in WITH_BYTES:
        record, fewest = WITH_BYTES[kind]
        return kind, (*draw(_record(record)), draw(st.binary(min_size=fewest, max_size=192)))
    return kind, draw(_record(session.BODIES[kind]))


def _record(record: layout.Record) -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(
        *(
            st.binary(min_size=int(code[:-1]), max_size=int(code[:-1]))
            if code.endswith("s")
            else st.integers(*_INTEGERS[code])
            for _, code, _, _ in record.fields
        )
    )


@given(messages())
@example((layout.MSG_MARK, (2, 210_000_000, "courier 7", "gate 4", "")))
@settings(max_examples=200, deadline=None)
def test_every_message_comes_back(message: tuple[int, tuple[object, ...]]) -> None:
    """Pack and unpack are inverse."""
    kind, values = message

    assert session.unpack_body(kind, session.pack_body(kind, *values)) == values


@given(st.integers(0, 255), st.binary(max_size=140))
@settings(max_examples=400, deadline=None)
def test_any_body_is_read_or_refused_alike_by_both_readers(kind: int, body: bytes) -> None:
    """Nothing but FrameError, and struct and construct agree which bodies are none."""
    outcomes: list[str] = []
    for read in (session.unpack_body, parse.parse_message):
        try:
            read(kind, body)
        except FrameError as error:
            outcomes.append(error.fault)
        else:
            outcomes.append("ok")

    assert outcomes[0] == outcomes[1]
    assert set(outcomes) <= {"ok", "message"}


# --- who may say what when --------------------------------------------------------------------
def greeted(role: str) -> Conversation:
    """Return a conversation that has HELLO behind it."""
    talk = Conversation(role)
    say(talk, HOST, layout.MSG_HELLO, 1, HELLO)
    say(talk, BOARD, layout.MSG_HELLO | REPLY, 1, HELLO_REPLY)
    return talk


def say(talk: Conversation, who: str, kind: int, seq: int, body: bytes) -> None:
    """Let one end say something, as the other or the same end sees it."""
    (talk.sent if who == talk.role else talk.received)(kind, seq, body)


def read_of(length: int, credit: int) -> bytes:
    """Return the body of a READ from byte 0."""
    return session.pack_body(layout.MSG_READ, 1, 0, 5, 0, length, 0, credit)


def streaming(role: str, length: int = 100, credit: int = 60) -> Conversation:
    """Return a conversation in the middle of a transfer, nothing sent yet."""
    talk = greeted(role)
    say(talk, HOST, layout.MSG_READ, 2, read_of(length, credit))
    begin = session.pack_body(layout.MSG_READ | REPLY, 7, length)
    say(talk, BOARD, layout.MSG_READ | REPLY, 2, begin)
    return talk


def data(offset: int, count: int, xfer: int = 7) -> bytes:
    """Return the body of a DATA frame."""
    return session.pack_body(layout.MSG_DATA, xfer, 0, offset, bytes(count))


@pytest.mark.parametrize("role", [HOST, BOARD])
@pytest.mark.parametrize(
    ("guilty", "kind", "seq", "body"),
    [
        pytest.param(BOARD, layout.MSG_DATA, 2, data(0, 61), id="more than granted"),
        pytest.param(BOARD, layout.MSG_STATUS, 2, b"", id="a request from the board"),
        pytest.param(HOST, layout.MSG_STATUS | REPLY, 2, STATUS, id="a reply from the host"),
        pytest.param(
            HOST,
            layout.MSG_ACK,
            3,
            session.pack_body(layout.MSG_ACK, 7, 1, 50),
            id="an ack of what was not sent",
        ),
    ],
)
def test_a_wrong_step_is_blamed_on_who_took_it(
    role: str, guilty: str, kind: int, seq: int, body: bytes
) -> None:
    """Our own caller's step is misuse, the other end's a violation, seen from either end."""
    talk = streaming(role)
    expected = LocalMisuse if guilty == role else PeerViolation
    with pytest.raises(expected):
        say(talk, guilty, kind, seq, body)


def test_a_board_is_silent_until_hello() -> None:
    """As the board sees it: nothing may be sent yet."""
    talk = Conversation(BOARD)
    for kind, body in ((layout.MSG_STATUS | REPLY, STATUS), (layout.MSG_DATA, data(0, 5))):
        with pytest.raises(LocalMisuse):
            talk.sent(kind, 1, body)

    assert talk.asking == session.SILENT


def test_a_board_never_speaks_of_a_transfer_that_is_over() -> None:
    """As the board sees it: DATA under an old number is its own mistake."""
    talk = streaming(BOARD)
    with pytest.raises(LocalMisuse):
        talk.sent(layout.MSG_DATA, 2, data(0, 5, xfer=6))

    assert talk.next_offset == 0


def test_a_host_ignores_what_is_left_of_an_older_transfer() -> None:
    """As the host sees it: DATA under an old number was on its way."""
    talk = streaming(HOST)
    talk.received(layout.MSG_DATA, 2, data(0, 5, xfer=6))

    assert (talk.next_offset, talk.transfer) == (0, session.STREAMING)


def test_a_board_that_refuses_hello_is_silent_again() -> None:
    """A host of another protocol version gets an error and no conversation."""
    talk = Conversation(HOST)
    talk.sent(layout.MSG_HELLO, 1, HELLO)
    talk.received(layout.MSG_ERROR, 1, session.pack_body(layout.MSG_ERROR, 9, "version 2"))

    assert talk.asking == session.SILENT


def test_credit_grows_with_acks_and_never_shrinks() -> None:
    """An ack repeated or overtaken changes nothing; the end bounds the limit."""
    talk = streaming(HOST)
    limits = [talk.limit]
    talk.received(layout.MSG_DATA, 2, data(0, 60))
    for next_offset, credit in ((30, 60), (10, 60), (60, 60)):
        talk.sent(layout.MSG_ACK, 3, session.pack_body(layout.MSG_ACK, 7, next_offset, credit))
        limits.append(talk.limit)

    assert limits == [60, 90, 90, 100]


def test_a_lost_data_frame_is_a_gap_until_the_next_read() -> None:
    """Bytes behind a gap do not count; reading again from the missing byte closes it."""
    talk = streaming(HOST, credit=100)
    seen: list[tuple[int, bool]] = []
    for offset, count in ((0, 20), (40, 20), (60, 40), (0, 20)):
        talk.received(layout.MSG_DATA, 2, data(offset, count))
        seen.append((talk.next_offset, talk.gap))
    again = session.pack_body(layout.MSG_READ, 1, 0, 5, 20, 80, 0, 100)
    talk.sent(layout.MSG_READ, 3, again)
    talk.received(layout.MSG_DATA, 2, data(90, 10))  # still of the old transfer
    talk.received(layout.MSG_READ | REPLY, 3, session.pack_body(layout.MSG_READ | REPLY, 8, 80))
    talk.received(layout.MSG_DATA, 3, data(20, 80, xfer=8))

    assert seen == [(20, False), (20, True), (20, True), (20, True)]
    assert (talk.next_offset, talk.gap) == (100, False)


def test_the_tables_name_every_state_they_lead_to() -> None:
    """No step leads into a state from which no step is known."""
    for table in (ASKING_TABLE, TRANSFER_TABLE):
        before = {state for steps in table.values() for state in steps}
        after = {state for steps in table.values() for state in steps.values()}

        assert after <= before
