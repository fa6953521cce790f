"""However often something is denied, the audit log gets few entries, and they count every denial."""

from services.connection.core.denials import MOST, WINDOW_S, Denials
from services.shared.model.audit import AuditEntry


def denial(actor: str = "eve", conversation: str = "c", target: str = "conversation.send") -> AuditEntry:
    return AuditEntry("denied", actor, conversation, target, connection="x", code=103)


def test_the_first_is_told_at_once_and_those_like_it_once_a_window() -> None:
    denials = Denials()
    assert denials.denied(denial(), 0.0) == denial()
    assert [denials.denied(denial(), 1.0) for _ in range(1000)] == [None] * 1000
    assert denials.due(WINDOW_S - 1) == []
    [counted] = denials.due(WINDOW_S)
    assert (counted.times, counted.actor, counted.connection) == (1000, "eve", "x")
    assert denials.denied(denial(), WINDOW_S + 1) is None
    [once] = denials.due(2 * WINDOW_S)
    assert once.times == 1


def test_a_kind_that_has_ceased_is_forgotten() -> None:
    denials = Denials()
    denials.denied(denial(), 0.0)
    assert denials.due(WINDOW_S) == []
    assert denials.denied(denial(), WINDOW_S + 1) == denial()


def test_denials_of_another_conversation_command_or_user_are_another_kind() -> None:
    denials = Denials()
    others = [denial(), denial("ann"), denial(conversation="d"), denial(target="subscribe")]
    assert [denials.denied(each, 0.0) for each in others] == others


def test_a_flood_of_kinds_is_bounded_and_each_denial_counted() -> None:
    denials, told, flood = Denials(), list[AuditEntry](), 50 * MOST
    for number in range(flood):
        entry = denials.denied(denial(conversation=f"c{number}"), number * WINDOW_S / flood)
        told += [entry] if entry else []
    assert len(told) == MOST + 1
    assert (told[-1].actor, told[-1].conversation, told[-1].connection) == ("", "", "")
    told += denials.all(WINDOW_S)
    assert len(told) <= 2 * (MOST + 1)
    assert sum(each.times for each in told) == flood


def test_the_end_tells_what_was_counted() -> None:
    denials = Denials()
    denials.denied(denial(), 0.0)
    denials.denied(denial(), 0.0)
    assert [each.times for each in denials.all(1.0)] == [1]
