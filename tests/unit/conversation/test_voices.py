"""What several models say into one text: whole, one after the other."""

from hypothesis import given
from hypothesis import strategies as st

from services.conversation.graph.voices import APART, Voices


def test_one_is_heard_as_it_speaks() -> None:
    voices = Voices()
    assert [voices.say("a", text) for text in ("one", "", " two")] == ["one", "", " two"]
    assert voices.end("a") == ""


def test_the_next_stands_apart() -> None:
    voices = Voices()
    told = [voices.say("a", "one"), voices.end("a"), voices.say("b", "two"), voices.say("b", ".")]
    assert told == ["one", "", f"{APART}two", "."]


def test_who_speaks_beside_another_waits_for_its_end() -> None:
    voices = Voices()
    assert [voices.say("a", "A1"), voices.say("b", "B1"), voices.say("a", "A2")] == ["A1", "", "A2"]
    assert voices.end("a") == f"{APART}B1"
    assert voices.say("b", "B2") == "B2"


def test_nothing_is_lost_at_the_close() -> None:
    voices = Voices()
    for voice in "abc":
        voices.say(voice, voice)
    voices.end("b")
    assert voices.close() == f"{APART}b{APART}c"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", ""]))))
def test_each_is_whole_in_whatever_order_they_speak(steps: list[tuple[str, str]]) -> None:
    voices, said = Voices(), dict[str, str]()
    text = ""
    for voice, piece in steps:
        text += voices.say(voice, piece)
        if piece:
            said[voice] = said.get(voice, "") + piece
    text += voices.close()
    assert text == APART.join(said.values())
