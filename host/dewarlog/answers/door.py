"""What the commands of the door answer: a handoff, a receipt, in words and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dewarlog import answers, console, words
from dewarlog.handoff import NOT_INTACT
from dewarlog.verdict import Word, steps_for
from dewarlog_wire import layout

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.handoff import Handoff
    from dewarlog.receipt import Judgement, Receipt


def say_handoff(done: Handoff) -> None:
    """Print one word, one sentence, what to do, and who has the dewar now."""
    console.say()
    console.say(f"  {console.styled(f' {done.word} ', done.word)}")
    console.say()
    console.say(console.wrapped(_sentence(done), "  "))
    console.say()
    for number, step in enumerate(_steps(done), start=1):
        console.say(console.wrapped(step, "     ", f"  {number}. "))
    verdict = done.verdict
    if verdict.contact:
        label = verdict.call_label if done.word == verdict.word else "Call now: they decide"
        console.say(console.wrapped(f"{label}: {verdict.contact}", "     "))
    console.say()
    console.say(console.wrapped(holder(done), "  "))
    console.say(console.wrapped(_proof(done), "  "))
    if done.proof is None:
        console.say(console.wrapped(_stood(done), "  "))
    else:
        console.say(f"  Receipt: {words.plain(str(done.proof.path))}")
    more = max(0, len(verdict.reasons) - 1)
    evidence = words.plural(more, "more reason") if more else "Evidence"
    console.say(f"  {evidence}: dewarlog check {words.plain(str(done.decides.log.path))}")
    not_signed = None if done.not_signed is None else f"not signed: {done.not_signed}"
    for note in (done.not_held, done.contradicted, done.clock_not_set, not_signed):
        if note is not None:
            console.warn(f"  note: {note}")


def holder(done: Handoff) -> str:
    """Say who has the dewar now."""
    parties = done.parties
    role = layout.ROLE_NAMES[parties.role]
    return (
        f"{parties.receiver} ({role}) has the dewar now, from {parties.giver}, at {parties.place}."
    )


def _sentence(done: Handoff) -> str:
    log = done.decides.log
    if log.disagrees is not None:
        return answers.tampering(log, log.disagrees)
    sentence = done.verdict.sentence
    if done.verdict.word is Word.HOLD and done.verdict.intact:
        sentence = done.verdict.reasons[0].finding.message
    if done.earlier_run is None:
        return sentence
    return f"Earlier on this journey, in run {done.earlier_run}: {sentence}"


def _steps(done: Handoff) -> tuple[str, ...]:
    return steps_for(Word.HOLD) if done.word == NOT_INTACT else done.verdict.steps


def _proof(done: Handoff) -> str:
    if not done.proven:
        why = done.not_proven or "this computer has no key for this logger"
        return f"Not proven: {why}, so it may be another one."
    checked = done.proof is not None and done.proof.checked
    more = ", and so is the receipt" if checked else ""
    signed = "" if done.signed is None else " It has signed its log up to this handoff."
    return f"The logger is proven to be the right one, by the {done.proven_by}{more}.{signed}"


def _stood(done: Handoff) -> str:
    """Say that nothing was recorded now, and how to come by a receipt."""
    ago = words.duration(done.stood_s or 0)
    return (
        f"This handoff stands in the log already, as event {done.event}, recorded {ago} ago: "
        "it was not recorded again. Its receipt is not on this computer; --again makes one."
    )


def handoff_data(done: Handoff, steps: list[str]) -> dict[str, Any]:
    """Give a handoff as data."""
    return {
        "verdict": done.word,
        "exit_code": int(done.exit_code),
        "sentence": _sentence(done),
        "steps": list(_steps(done)),
        "holder": holder(done),
        "proven": done.proven,
        "proven_by": done.proven_by,
        "not_proven": done.not_proven,
        "signed": done.signed is not None,
        "not_signed": done.not_signed,
        "event": done.event,
        "recorded_before_s": done.stood_s,
        "receipt_checked": done.proof is not None and done.proof.checked,
        "receipt_file": None if done.proof is None else str(done.proof.path),
        "receipt": None if done.proof is None else done.proof.receipt.fields(),
        "archive_holds_record": done.not_held is None and done.contradicted is None,
        "note": done.not_held or done.contradicted,
        "clock_not_set": done.clock_not_set,
        "log": answers.log_data(done.log),
        "decides_run": done.decides.log.run,
        "course": steps,
        **answers.journey_data(done.journey),
    }


def say_receipt(receipt: Receipt, found: Judgement) -> None:
    """Print what a receipt says, then what of it is proved and what is not."""
    for line in receipt.lines():
        console.say(console.wrapped(line, "  "))
    for title, texts in (
        ("Wrong", [f"{name}: {reason}" for name, reason in found.wrong.items()]),
        ("Proved", found.proved),
        ("Not proved", found.open),
    ):
        if texts:
            console.say()
            console.say(f"  {console.styled(title, 'strong')}")
        for text in texts:
            console.say(console.wrapped(text, "    ", "  - "))


def receipt_data(receipt: Receipt, found: Judgement, log: Path | None) -> dict[str, Any]:
    """Give the same as data."""
    return {
        "receipt": receipt.fields(),
        "log": None if log is None else str(log),
        "wrong": found.wrong,
        "proved": found.proved,
        "not_proved": found.open,
    }
