"""Speech against every pace of tokens and appends: what a device renders is what was said."""

from hypothesis import given
from hypothesis import strategies as st

from services.conversation.core.speech import Complete, Delta, Instruction, Speech, Start, whole
from services.shared.model.utf16 import units

SOURCES = st.sampled_from(["a", "b", "c"])
TOKENS = st.text(st.sampled_from("xé😀\ud83d\ude00 "), max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), SOURCES, TOKENS),
        st.tuples(st.just("complete"), SOURCES, TOKENS),
        st.tuples(st.just("take"), st.just(""), st.floats(0.0, 0.05).map(str)),
    ),
    max_size=60,
)


def spoken(steps: list[tuple[str, str, str]], speech: Speech) -> list[Instruction]:
    """All instructions of a run in which the shell asks at arbitrary times, drained at its end."""
    now_s = 0.0
    said: list[Instruction] = []
    for kind, source, text in steps:
        if kind == "say":
            speech.say(source, text)
        elif kind == "complete":
            speech.complete(source, text)
        else:
            now_s += float(text)
            said += speech.take(now_s)
    while (due := speech.due_s()) is not None:
        now_s = max(now_s, due)
        instructions = speech.take(now_s)
        assert instructions, "due, and nothing came"
        said += instructions
    return said


@given(STEPS)
def test_each_message_starts_first_and_ends_once(steps: list[tuple[str, str, str]]) -> None:
    said = spoken(steps, Speech())
    for source in {one.source for one in said}:
        own = [one for one in said if one.source == source]
        assert isinstance(own[0], Start)
        assert sum(isinstance(one, Start) for one in own) == 1
        assert not any(isinstance(one, Complete) for one in own[:-1])


@given(STEPS)
def test_deltas_join_end_to_end_without_a_split_pair(steps: list[tuple[str, str, str]]) -> None:
    at: dict[str, int] = {}
    for one in spoken(steps, Speech()):
        if isinstance(one, Delta):
            assert one.at == at.get(one.source, 0)
            assert one.text
            one.text.encode("utf-8")  # a lone half would raise
            at[one.source] = one.at + units(one.text)


@given(STEPS)
def test_a_message_that_is_not_completed_renders_all_that_was_said(steps: list[tuple[str, str, str]]) -> None:
    steps = [step for step in steps if step[0] != "complete"]
    rendered: dict[str, str] = {}
    for one in spoken(steps, Speech()):
        if isinstance(one, Delta):
            rendered[one.source] = rendered.get(one.source, "") + one.text
    for source in "abc":
        heard = "".join(text for kind, own, text in steps if kind == "say" and own == source)
        open_end = "\ud800" <= heard[-1:] <= "\udbff"
        assert rendered.get(source, "") == whole(heard[:-1] if open_end else heard)


@given(STEPS)
def test_the_final_is_the_first_whole_text_given(steps: list[tuple[str, str, str]]) -> None:
    finals = {one.source: one.text for one in spoken(steps, Speech()) if isinstance(one, Complete)}
    given_texts: dict[str, list[str]] = {}
    for kind, source, text in steps:
        if kind == "complete":
            given_texts.setdefault(source, []).append(whole(text))
    assert set(finals) == set(given_texts)
    assert all(finals[source] in given_texts[source] for source in finals)
