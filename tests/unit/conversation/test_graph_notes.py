from services.conversation.graph.notes import FACTS_KEPT, Notes, empty_notes, in_words, noted
from services.conversation.graph.reply import LONGEST_COUNT, Utterance, reply_to


def notes_of(*said: tuple[str, str]) -> Notes:
    return noted(empty_notes(), [(str(number), user, text) for number, (user, text) in enumerate(said)])


def test_the_name_a_person_gives_is_written_down() -> None:
    assert notes_of(("u1", "Hello, my name is Ada Lovelace."))["people"]["u1"]["called"] == "Ada Lovelace"
    assert notes_of(("u1", "please call me bob, thanks"))["people"]["u1"]["called"] == "bob"


def test_a_newer_name_replaces_an_older_one() -> None:
    assert (
        notes_of(("u1", "my name is Ada"), ("u1", "call me Countess"))["people"]["u1"]["called"] == "Countess"
    )


def test_messages_are_counted_once_when_notes_are_brought_up_to_date() -> None:
    said = [("m1", "u1", "one"), ("m2", "u2", "two"), ("m3", "u1", "three")]
    notes = noted(noted(empty_notes(), said[:2]), said)
    assert notes["messages"] == 3
    assert notes["people"]["u1"]["messages"] == 2
    assert noted(notes, said) == notes


def test_what_was_written_down_before_is_not_changed_in_place() -> None:
    before = notes_of(("u1", "I like tea"))
    noted(before, [("9", "u1", "I like rain")])
    assert before["people"]["u1"]["facts"] == ["I like tea"]


def test_facts_are_bounded_and_the_newest_stay() -> None:
    notes = notes_of(*(("u1", f"remember that key {number} is blue") for number in range(FACTS_KEPT + 3)))
    facts = notes["people"]["u1"]["facts"]
    assert len(facts) == FACTS_KEPT
    assert facts[-1] == f"key {FACTS_KEPT + 2} is blue"


def test_the_notes_in_words_name_everybody() -> None:
    words = in_words(notes_of(("ada", "my name is Ada"), ("bob", "I like tea")))
    assert "ada, called Ada" in words
    assert "I like tea" in words


def test_the_answer_greets_the_first_person_and_quotes_them() -> None:
    reply = reply_to(notes_of(("ada", "Good morning")), [Utterance("ada", "Good morning")])
    assert "ada" in reply
    assert "“Good morning”" in reply


def test_the_answer_quotes_what_this_person_and_others_said_before() -> None:
    said = [("ada", "It rains"), ("bob", "I like tea"), ("ada", "And now?")]
    heard = [Utterance(user, text) for user, text in said]
    reply = reply_to(notes_of(*said), heard)
    assert "message 3" in reply
    assert "“It rains”" in reply
    assert "bob said “I like tea”" in reply


def test_the_answer_knows_who_said_what() -> None:
    said = [("ada", "It rains"), ("bob", "I like tea"), ("ada", "What did bob say?")]
    reply = reply_to(notes_of(*said), [Utterance(user, text) for user, text in said])
    assert "“I like tea”" in reply
    assert "rains" not in reply


def test_the_answer_knows_the_askers_own_name_and_not_anothers() -> None:
    said = [("u1", "My name is Ada"), ("u2", "What is my name?")]
    assert "Ada" not in reply_to(notes_of(*said), [Utterance(user, text) for user, text in said])
    said = [("u1", "My name is Ada"), ("u1", "What is my name?")]
    assert "Ada" in reply_to(notes_of(*said), [Utterance(user, text) for user, text in said])


def test_the_answer_to_what_is_remembered_lists_everybody() -> None:
    said = [("u1", "My name is Ada"), ("u2", "I like tea"), ("u2", "What do you remember?")]
    reply = reply_to(notes_of(*said), [Utterance(user, text) for user, text in said])
    assert "is called Ada" in reply
    assert "I like tea" in reply
    assert "3 messages" in reply


def test_counting_is_as_long_as_asked_and_bounded() -> None:
    heard = [Utterance("u", "count to 30")]
    assert reply_to(notes_of(("u", "count to 30")), heard).endswith("29, 30. Done.")
    longest = reply_to(notes_of(("u", "count to 9999")), [Utterance("u", "count to 9999")])
    assert longest.endswith(f", {LONGEST_COUNT}. Done.")
