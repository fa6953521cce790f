"""A trace as lines for people: what stands below what, when, and what is marked."""

from dataclasses import replace

from services.local.collected import Told
from services.local.way import MESSAGE, drawn, latest, length, listed, tree

MS = 1_000_000
SECOND = 1000 * MS
TRACE, OTHER = "a" * 32, "b" * 32
ID = "019ac8f0-5b1e-7c3a-9d41-2f6a8b0c7e55"


def span(id_: str, parent: str, name: str, start_ms: float, took_ms: float, **more: object) -> Told:
    start = 1_700_000_000 * SECOND + int(start_ms * MS)
    made = Told(
        TRACE, id_, parent, name, "connection", "c1", start, start + int(took_ms * MS), {}, (), failed=False
    )
    return replace(made, **more)  # type: ignore[arg-type]


STORY = [
    span("1", "", "message.send", 0, 9, facts={MESSAGE: ID, "continuo.code": 0}),
    span("2", "1", "message.accept", 1, 7, facts={MESSAGE: ID, "continuo.turns": 1, "messaging.system": "x"}),
    span(
        "3",
        "2",
        "turn.attempt",
        20,
        300,
        service="conversation",
        node="w1",
        failed=True,
        facts={"error.type": "worker lost"},
    ),
    span("4", "2", "turn.attempt", 350.4, 1500, service="conversation", node="w2", links=((TRACE, "3"),)),
    span("5", "4", "thread.read", 351, 1, service="conversation", node="w2"),
]


def test_each_span_stands_once_below_its_parent_in_the_order_of_starts() -> None:
    [root] = tree(reversed(STORY))
    assert root.span.id == "1"
    assert [node.span.id for node in root.below] == ["2"]
    assert [node.span.id for node in root.below[0].below] == ["3", "4"]


def test_a_line_has_offset_length_name_process_and_what_the_span_says_of_itself() -> None:
    lines = drawn(STORY)
    assert lines[0] == f"message {ID}"
    assert lines[1] == (f"trace {TRACE}, from 2023-11-14 22:13:20.000 UTC for 1.85 s: 5 spans of 3 processes")
    assert [line.split("  by, ")[0].split() for line in lines[3:4]] == [["offset", "took", "span"]]
    assert lines[4:] == [
        "   0.0 ms    9.0 ms  message.send       connection  code=0",
        "   1.0 ms    7.0 ms  └ message.accept   connection  turns=1",
        "  20.0 ms    300 ms    ├ turn.attempt   conversation w1  FAILED: worker lost",
        "   350 ms    1.50 s    └ turn.attempt   conversation w2  LINK to turn.attempt at 20.0 ms",
        "   351 ms    1.0 ms      └ thread.read  conversation w2",
    ]


def test_what_stands_above_the_tree_is_on_a_line_only_where_it_differs() -> None:
    other = span("6", "2", "message.publish", 30, 1, facts={MESSAGE: "another"})
    lines = drawn([*STORY, other])
    assert [line for line in lines[1:] if ID in line] == []
    assert [line for line in lines if "message=another" in line]


def test_names_made_of_the_conversation_are_short_and_figures_rounded() -> None:
    facts = {
        "messaging.message.conversation_id": ID,
        "messaging.destination.name": f"conversation:{ID}",
        "continuo.replication_ms": 17.92987,
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "continuo.repeat": False,
    }
    *_, line = drawn([span("1", "", "message.send", 0, 1, facts=facts)])
    assert "  channel=conversation:..." in line
    assert {"replication_ms=17.9", "finish=stop,length", "repeat=false"} <= set(line.split())


def test_a_span_whose_parent_is_not_there_stands_beside_the_root_and_says_so() -> None:
    lines = drawn([*STORY, span("7", "gone", "thread.write", 400, 1)])
    assert "PARENT not here" in lines[-1]
    assert "  thread.write " in lines[-1]
    assert sum("PARENT" in line for line in lines) == 1


def test_links_to_and_from_other_traces_name_them_and_late_ones_are_marked() -> None:
    late = span("8", "1", "message.deliver", 2, 1, facts={"continuo.sampled": "late"}, links=((OTHER, "9"),))
    answer = span("1", "", "message.send", 9000, 1, trace=OTHER, links=((TRACE, "1"),))
    alone = span("2", "", "message.send", 9000, 1, trace=OTHER)
    lines = drawn([*STORY, late], [*STORY, answer, alone])
    assert [line for line in lines if line.endswith(f"connection  kept late  LINK to trace {OTHER}")]
    assert lines[-1] == f"linked from message.send of trace {OTHER}, 2023-11-14 22:13:29.000 UTC"
    assert sum("linked from" in line for line in lines) == 1


def test_a_span_told_twice_is_drawn_once_and_one_that_names_itself_ends() -> None:
    assert len(drawn([*STORY, STORY[0]])) == len(drawn(STORY))
    assert len(tree([span("1", "1", "message.send", 0, 1)])) == 1


def test_two_processes_of_a_service_are_told_apart_shortly() -> None:
    ids = ("conversation-here-17", "019ac8f0-5b1e-7c3a-9d41-2f6a8b0c7e55")
    whose = [
        span(str(n), "", "turn.claim", n, 1, service="conversation", node=node) for n, node in enumerate(ids)
    ]
    assert [line.split("turn.claim")[1].strip() for line in drawn(whose)[4:]] == [
        "conversation here-17",
        "conversation 7e55",
    ]


def test_lengths_have_three_digits_or_four() -> None:
    assert [length(int(ms * MS)) for ms in (0, 0.04, 12.34, 123.4, 1234, 12345)] == [
        "0.0 ms",
        "0.0 ms",
        "12.3 ms",
        "123 ms",
        "1.23 s",
        "12.3 s",
    ]


def test_the_latest_messages_are_listed_with_the_last_one_last() -> None:
    sent = [span(str(n), "", "message.send", n, 5, facts={MESSAGE: f"m{n}"}) for n in range(5)]
    refused = replace(sent[4], failed=True, facts={MESSAGE: "m4", "error.type": "queue_full"})
    lines = listed(latest([*sent[:4], refused], 2), [])
    assert [line.split()[3] for line in lines] == ["m3", "m4"]
    assert lines[-1].endswith("5.0 ms  FAILED: queue_full")


def test_a_message_that_was_refused_is_listed_so_unless_it_was_acknowledged_before() -> None:
    kept = span("1", "", "message.send", 0, 5, facts={MESSAGE: "m1", "continuo.code": 0})
    again = span("2", "", "api.request", 9, 1, facts={MESSAGE: "m1", "continuo.code": 409})
    never = span("3", "", "api.request", 10, 2, facts={MESSAGE: "m2", "continuo.code": 403})
    first, second = listed(latest([kept, again, never], 9), [])
    assert "m1  acknowledged in   5.0 ms" in first
    assert "m2  refused (403) in   2.0 ms" in second


def test_a_message_is_listed_with_the_end_of_all_that_came_of_it() -> None:
    """What is slow is found among those that were acknowledged at once."""
    quick = span("5", "", "message.send", 50, 5, facts={MESSAGE: "m2"}, trace=OTHER)
    sent = latest([STORY[0], quick], 10)
    first, second = listed(sent, [STORY, [quick]])
    whole = max(one.end_ns for one in STORY) - STORY[0].start_ns
    assert first.split("acknowledged in")[1].split() == ["9.0", "ms", "over", "in", *length(whole).split()]
    assert second.split("over in")[1].split() == ["5.0", "ms"]
