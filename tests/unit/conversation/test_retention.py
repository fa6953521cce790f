"""What of a thread stays and what goes, case by case."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from services.conversation.core.retention import behind, pruned, without
from services.shared.model.thread import Garbage, Header, Place, Run, Survey

Value = tuple[str, str, str]


def _at(id_: str, space: str = "") -> Place:
    return Place("c1.agent", space, id_)


def _survey(
    headers: Mapping[Place, Header],
    written: tuple[Place, ...] = (),
    values: Mapping[Value, tuple[Run, ...]] | None = None,
) -> Survey:
    return Survey(headers, frozenset(written), values or {})


def _chain(*ids: str, space: str = "", above: Mapping[str, str] | None = None) -> dict[Place, Header]:
    """Checkpoints that went on one from the other."""
    parents = ("", *ids)
    return {
        _at(id_, space): Header(parent, {}, above=above or {})
        for id_, parent in zip(ids, parents, strict=False)
    }


def _stay(survey: Survey, garbage: Garbage) -> list[str]:
    """What stays, as `id` or `space:id`."""
    staying = survey.headers.keys() - set(garbage.checkpoints)
    return sorted(f"{place.space} {place.id}".strip() for place in staying)


def _stay_pruned(headers: Mapping[Place, Header], keep: int) -> list[str]:
    survey = _survey(headers)
    return _stay(survey, pruned(survey, keep=keep))


def test_an_empty_thread_has_nothing_to_prune() -> None:
    assert pruned(_survey({}), keep=1) == Garbage()


def test_to_keep_nothing_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        pruned(_survey({}), keep=0)


def test_the_latest_stay_and_of_a_linear_thread_nothing_else() -> None:
    assert _stay_pruned(_chain("1", "2", "3", "4", "5"), keep=2) == ["4", "5"]


def test_a_thread_that_is_short_enough_stays() -> None:
    assert _stay_pruned(_chain("1", "2"), keep=2) == ["1", "2"]


def _made(**turns: str | None) -> dict[Place, Header]:
    """A chain, each checkpoint (`_` and its id) made by a turn."""
    ids = [name.removeprefix("_") for name in turns]
    return {
        place: replace(header, turn=turn)
        for (place, header), turn in zip(_chain(*ids).items(), turns.values(), strict=True)
    }


THREE = _made(_1="a", _2="a", _3="b", _4="b", _5="", _6="c", _7="c")


@pytest.mark.parametrize(
    ("turns", "stay"), [(0, ["7"]), (1, ["5", "7"]), (2, ["2", "4", "5", "7"]), (9, ["2", "4", "5", "7"])]
)
def test_where_it_stood_before_the_latest_turns_stays(turns: int, stay: list[str]) -> None:
    survey = _survey(THREE)
    assert _stay(survey, pruned(survey, keep=1, turns=turns)) == stay
    left = {place: header for place, header in THREE.items() if place.id in stay}
    assert pruned(_survey(left), keep=1, turns=turns) == Garbage()


def test_what_no_turn_is_known_to_have_made_is_before_the_first_that_is() -> None:
    survey = _survey(_made(_1=None, _2=None, _3="b", _4="b"))
    assert _stay(survey, pruned(survey, keep=1, turns=5)) == ["2", "4"]


def test_a_subgraphs_memory_of_before_a_turn_stays_with_it() -> None:
    survey = _survey(THREE | _chain("11", "21", "41", "61", space="inner"))
    stay = _stay(survey, pruned(survey, keep=1, turns=2))
    assert stay == ["2", "4", "5", "7", "inner 11", "inner 21", "inner 41", "inner 61"]


def test_behind_a_turns_first_checkpoint_all_of_the_root_goes_and_of_others_what_it_made() -> None:
    survey = _survey(THREE | _chain("21", "61", space="inner"))
    found = behind(survey, [_at("4"), _at("3"), _at("21", "inner")])
    assert sorted((place.space, place.id) for place in found) == [
        *(("", id_) for id_ in "34567"),
        ("inner", "21"),
    ]
    assert behind(survey, [_at("61", "inner")]) == [_at("61", "inner")]
    assert behind(survey, []) == []


@pytest.mark.parametrize("source", ["fork", "update"])
def test_the_parent_of_a_fork_or_an_update_stays(source: str) -> None:
    headers = _chain("1", "2", "3", "4") | {_at("5"): Header("2", {}, source=source)}
    assert _stay_pruned(headers, keep=1) == ["2", "5"]


def test_a_row_of_updates_does_not_drag_its_whole_past_along() -> None:
    headers = {_at(str(n)): Header(str(n - 1), {}, source="update") for n in range(1, 9)}
    assert _stay_pruned(headers, keep=2) == ["6", "7", "8"]


def test_where_a_branch_begins_stays_as_long_as_one_of_the_latest_lies_between() -> None:
    headers = _chain("1", "2", "3", "4") | {_at("5"): Header("2", {}, source="input")}
    assert _stay_pruned(headers, keep=2) == ["2", "4", "5"]
    assert _stay_pruned(headers, keep=1) == ["5"]


def test_a_parent_that_is_not_there_is_not_missed() -> None:
    headers = {_at("5"): Header("2", {}, source="fork"), _at("6"): Header("5", {})}
    assert _stay_pruned(headers, keep=3) == ["5", "6"]


def test_a_subgraph_that_keeps_its_memory_keeps_its_own_latest() -> None:
    headers = _chain("1", "9") | _chain("2", "3", "4", space="memory", above={"": "1"})
    assert _stay_pruned(headers, keep=1) == ["9", "memory 4"]


def test_what_a_lasting_subgraph_begins_with_when_a_staying_step_is_run_again_stays() -> None:
    headers = _chain("1", "4", "6") | _chain("2", "3", "5", "7", "8", space="memory", above={"": "1"})
    assert _stay_pruned(headers, keep=2) == ["4", "6", "memory 3", "memory 5", "memory 7", "memory 8"]


def test_a_fork_is_run_again_with_what_was_before_its_parent() -> None:
    headers = _chain("1", "3") | {_at("6"): Header("3", {}, source="fork")}
    headers |= _chain("2", "4", "5", "7", space="memory", above={"": "1"})
    assert _stay_pruned(headers, keep=1) == ["3", "6", "memory 2", "memory 5", "memory 7"]


def test_all_of_a_task_stays_while_its_step_does() -> None:
    headers = _chain("1", "4") | _chain("2", "3", space="work:a", above={"": "1"})
    headers |= _chain("5", "6", "7", space="work:b", above={"": "4"})
    assert _stay_pruned(headers, keep=1) == ["4", "work:b 5", "work:b 6", "work:b 7"]


def test_a_pending_interrupt_inside_a_subgraph_of_the_latest_step_stays() -> None:
    headers = _chain("1") | _chain("2", space="work:a", above={"": "1"})
    deep = _chain("3", space="work:a|deep:b", above={"": "1", "work:a": "2"})
    written = (_at("1"), _at("2", "work:a"), _at("3", "work:a|deep:b"))
    assert pruned(_survey(headers | deep, written), keep=1) == Garbage()


def test_a_further_graph_of_a_task_goes_with_its_step() -> None:
    headers = _chain("1", "3") | _chain("2", space="work:a|1", above={"": "1"})
    assert _stay_pruned(headers, keep=1) == ["3"]


def test_a_task_inside_a_lasting_subgraph_goes_with_that_ones_checkpoint() -> None:
    headers = _chain("1", "9") | _chain("2", "4", space="memory", above={"": "1"})
    headers |= _chain("3", space="memory|deep:a", above={"": "9", "memory": "2"})
    headers |= _chain("5", space="memory|deep:b", above={"": "1", "memory": "4"})
    assert _stay_pruned(headers, keep=1) == ["9", "memory 4", "memory|deep:b 5"]


def test_a_lasting_subgraph_of_a_task_is_the_nearest_around_its_own_tasks() -> None:
    headers = _chain("1") | _chain("2", space="a-long-name:of-a-task", above={"": "1"})
    headers |= _chain("3", "4", space="a|b", above={"": "1", "a-long-name:of-a-task": "2"})
    around = {"": "1", "a-long-name:of-a-task": "2", "a|b": "3"}
    headers |= _chain("5", space="a|b|c:x", above=around)
    assert "a|b|c:x 5" not in _stay_pruned(headers, keep=1)


def test_a_task_whose_step_is_still_on_its_way_stays() -> None:
    headers = _chain("1", "2") | _chain("4", space="work:a", above={"": "3"})
    assert _stay_pruned(headers, keep=1) == ["2", "work:a 4"]


def test_a_task_whose_step_never_came_goes() -> None:
    headers = _chain("1", "5") | _chain("4", space="work:a", above={"": "3"})
    assert _stay_pruned(headers, keep=1) == ["5"]


def test_a_task_whose_nearest_step_was_not_kept_goes_by_the_next_one_around() -> None:
    headers = _chain("1") | _chain("4", space="work:a|deep:b", above={"": "1", "work:a": "0"})
    assert _stay_pruned(headers, keep=1) == ["1", "work:a|deep:b 4"]


def test_of_a_task_that_does_not_say_where_it_ran_the_latest_stay() -> None:
    headers = _chain("1", "9") | _chain("2", "3", "4", space="work:a")
    assert _stay_pruned(headers, keep=1) == ["9", "work:a 4"]


def test_a_task_that_names_itself_is_not_its_own_step() -> None:
    headers = _chain("1", "9") | _chain("2", space="work:a", above={"": "1", "work:a": "2"})
    assert _stay_pruned(headers, keep=1) == ["9"]


def test_what_a_delta_channel_is_made_from_stays_back_to_the_nearest_value() -> None:
    headers = {
        _at(str(n)): Header(str(n - 1), {"log": str(n), "other": str(n)}, () if n in (1, 3) else ("log",))
        for n in range(1, 7)
    }
    values: dict[Value, tuple[Run, ...]] = {("", "other", str(n)): () for n in range(1, 7)}
    values |= {("", "log", "1"): (), ("", "log", "3"): ((0, 2),)}
    survey = _survey(headers, tuple(headers), values)
    garbage = pruned(survey, keep=1)
    assert _stay(survey, garbage) == ["3", "4", "5", "6"]
    assert garbage.writes == (_at("1"), _at("2"))
    assert garbage.values == (("", "log", "1"), ("", "other", "1"), ("", "other", "2"))


def test_a_delta_channel_without_a_value_keeps_what_there_is() -> None:
    headers = {_at(str(n)): Header(str(n - 1), {"log": str(n)}, ("log",)) for n in (1, 2, 4, 5, 6)}
    assert _stay_pruned(headers, keep=1) == ["4", "5", "6"]


def test_each_delta_channel_is_followed_to_a_value_of_its_own() -> None:
    headers = {
        _at("1"): Header("", {"log": "1", "notes": "1"}),
        _at("2"): Header("1", {"log": "2", "notes": "2"}, ("notes",)),
        _at("3"): Header("2", {"log": "3", "notes": "3"}, ("log", "notes")),
    }
    values: dict[Value, tuple[Run, ...]] = {
        ("", "log", "2"): (),
        ("", "notes", "1"): (),
        ("", "log", "1"): (),
    }
    survey = _survey(headers, values=values)
    assert _stay(survey, pruned(survey, keep=1)) == ["1", "2", "3"]


def test_an_ancestor_that_stays_for_a_delta_channel_has_what_its_own_is_made_from() -> None:
    headers = {
        _at("1"): Header("", {"notes": "1"}),
        _at("2"): Header("1", {"log": "2", "notes": "2"}, ("notes",)),
        _at("3"): Header("2", {"log": "3", "notes": "3"}, ("log",)),
    }
    values: dict[Value, tuple[Run, ...]] = {
        ("", "log", "2"): (),
        ("", "notes", "1"): (),
        ("", "notes", "3"): (),
    }
    survey = _survey(headers, values=values)
    assert _stay(survey, pruned(survey, keep=1)) == ["1", "2", "3"]


def test_a_channels_past_is_followed_through_a_staying_checkpoint_that_has_no_need_of_it() -> None:
    headers = {
        _at("1"): Header("", {"log": "1"}),
        _at("2"): Header("1", {"log": "2"}),
        _at("3"): Header("2", {"log": "3"}, ("log",)),
    }
    survey = _survey(headers, values={("", "log", "1"): ()})
    assert _stay(survey, pruned(survey, keep=2)) == ["1", "2", "3"]


def test_a_value_of_an_earlier_checkpoint_serves_while_the_version_is_the_same() -> None:
    """Two channels written in turns, each with a snapshot at each of its writes."""
    headers = {
        _at(str(n)): Header(
            str(n - 1),
            {"log": str(n - n % 2), "notes": str(n - (n + 1) % 2)},
            ("notes" if n % 2 == 0 else "log",),
        )
        for n in range(1, 9)
    }
    values: dict[Value, tuple[Run, ...]] = {
        ("", channel, version): ()
        for header in headers.values()
        for channel, version in header.versions.items()
    }
    survey = _survey(headers, values=values)
    assert _stay(survey, pruned(survey, keep=2)) == ["7", "8"]


def test_writes_of_what_goes_go_and_of_what_stays_stay() -> None:
    survey = _survey(_chain("1", "2", "3"), (_at("1"), _at("3")))
    assert pruned(survey, keep=1).writes == (_at("1"),)


def test_writes_whose_checkpoint_never_came_go() -> None:
    survey = _survey(_chain("1", "3"), (_at("2"),))
    assert pruned(survey, keep=2).writes == (_at("2"),)


def test_writes_that_are_ahead_of_their_checkpoint_stay() -> None:
    ahead = (_at("4"), _at("5", "work:a"), _at("3", "memory"))
    survey = _survey(_chain("1", "3") | _chain("2", space="memory", above={"": "1"}), ahead)
    assert pruned(survey, keep=2).writes == ()


def test_writes_of_a_subgraph_that_left_nothing_go_once_the_graph_has_gone_on() -> None:
    survey = _survey(_chain("1", "3"), (_at("2", "work:a"),))
    assert pruned(survey, keep=2).writes == (_at("2", "work:a"),)


def test_a_value_that_a_staying_checkpoint_shares_stays() -> None:
    headers = {
        _at("1"): Header("", {"a": "1", "b": "1"}),
        _at("2"): Header("1", {"a": "2", "b": "1"}),
    }
    values: dict[Value, tuple[Run, ...]] = {("", "a", "1"): (), ("", "a", "2"): (), ("", "b", "1"): ()}
    assert pruned(_survey(headers, values=values), keep=1).values == (("", "a", "1"),)


def test_a_value_of_the_same_version_in_another_space_is_another_value() -> None:
    headers = {_at("1"): Header("", {"a": "7"}), _at("2", "work:a"): Header("", {}, above={"": "1"})}
    values: dict[Value, tuple[Run, ...]] = {("", "a", "7"): (), ("work:a", "a", "7"): ((0, 1),)}
    garbage = pruned(_survey(headers, values=values), keep=1)
    assert garbage.values == (("work:a", "a", "7"),)
    assert garbage.elements == (("work:a", "a", 0, 1),)


@pytest.mark.parametrize(
    ("left", "used", "gone"),
    [
        (((0, 10),), ((0, 12),), ()),
        (((0, 10),), ((2, 3), (7, 1)), ((0, 2), (5, 2), (8, 2))),
        (((0, 10),), (), ((0, 10),)),
        (((5, 5), (0, 5), (3, 4)), (), ((0, 10),)),
        (((0, 3), (20, 3)), ((1, 21),), ((0, 1), (22, 1))),
        (((5, 5), (0, 5)), (), ((0, 10),)),
        (((0, 10), (2, 3)), (), ((0, 10),)),
        (((4, 0),), (), ()),
        (((0, 10),), ((4, 0),), ((0, 10),)),
        (((0, 10**12),), ((10**12, 1),), ((0, 10**12),)),
        (((0, 2), (4, 2)), ((2, 2),), ((0, 2), (4, 2))),
    ],
)
def test_elements_go_that_no_other_value_of_the_channel_has(
    left: tuple[Run, ...], used: tuple[Run, ...], gone: tuple[Run, ...]
) -> None:
    headers = {_at("1"): Header("", {"m": "1"}), _at("2"): Header("1", {"m": "2"})}
    survey = _survey(headers, values={("", "m", "1"): left, ("", "m", "2"): used})
    assert pruned(survey, keep=1).elements == tuple(("", "m", first, many) for first, many in gone)


def test_of_a_long_thread_the_work_grows_with_its_runs_and_not_with_its_elements() -> None:
    headers = {_at(f"{n:03}"): Header(f"{n - 1:03}", {"m": f"{n:03}"}) for n in range(1, 200)}
    values = {("", "m", f"{n:03}"): ((n * 10**12, 10**15),) for n in range(1, 200)}
    garbage = pruned(_survey(headers, values=values), keep=1)
    assert garbage.elements == (("", "m", 10**12, 198 * 10**12),)


def test_without_a_checkpoint_it_goes_with_its_writes_and_what_only_it_had() -> None:
    headers = {
        _at("1"): Header("", {"m": "1"}),
        _at("2"): Header("1", {"m": "2"}),
        _at("3"): Header("2", {"m": "3"}),
    }
    values: dict[Value, tuple[Run, ...]] = {
        ("", "m", "1"): ((0, 1),),
        ("", "m", "2"): ((0, 1), (1, 2)),
        ("", "m", "3"): ((0, 1), (2, 2)),
    }
    survey = _survey(headers, (_at("1"), _at("2")), values)
    assert without(survey, [_at("2")]) == Garbage(
        (_at("2"),), (_at("2"),), (("", "m", "2"),), (("", "m", 1, 1),)
    )


def test_without_a_step_its_tasks_go_and_a_lasting_subgraph_stays() -> None:
    headers = _chain("1", "4") | _chain("2", space="work:a", above={"": "1"})
    headers |= _chain("3", space="memory", above={"": "1"})
    survey = _survey(headers)
    assert _stay(survey, without(survey, [_at("1")])) == ["4", "memory 3"]


def test_without_a_checkpoint_that_a_delta_channel_is_made_from_it_stays_with_its_writes() -> None:
    headers = {
        _at("1"): Header("", {"log": "1"}),
        _at("2"): Header("1", {"log": "2"}, ("log",)),
        _at("3"): Header("2", {"log": "3"}, ("log",)),
    }
    survey = _survey(headers, tuple(headers), {("", "log", "1"): ()})
    assert without(survey, [_at("2")]) == Garbage()
    assert _stay(survey, without(survey, [_at("2"), _at("3")])) == ["1"]


def test_without_checkpoints_that_are_not_there_writes_of_theirs_go() -> None:
    survey = _survey(_chain("1"), (_at("5"), _at("6")))
    assert without(survey, [_at("5")]).writes == (_at("5"),)


def test_without_any_checkpoint_nothing_is_left() -> None:
    headers = {_at("1"): Header("", {"m": "1"}), _at("2", "work:a"): Header("", {"m": "2"}, above={"": "1"})}
    values: dict[Value, tuple[Run, ...]] = {("", "m", "1"): ((0, 4),), ("work:a", "m", "2"): ()}
    survey = _survey(headers, tuple(headers), values)
    assert without(survey, list(headers)) == Garbage(
        tuple(headers), tuple(headers), tuple(values), (("", "m", 0, 4),)
    )
