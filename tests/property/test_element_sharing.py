"""Whatever is done to a list over versions and branches, its runs read back as exactly what it was."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from services.conversation.core.sharing import Known, count, expand, known_of, leaping, nothing_known, share

ELEMENTS = st.sampled_from([bytes([letter]) * 3 for letter in b"abcdefgh"])
EDITS = ["append", "replace", "remove", "insert", "reverse", "rotate", "double", "empty", "keep"]
Edit = tuple[str, int, bytes, int, str]
EDIT = st.tuples(
    st.sampled_from(EDITS), st.integers(0, 40), ELEMENTS, st.integers(0, 7), st.sampled_from(["kept", "read"])
)


def _edited(elements: list[bytes], how: str, at: int, new: bytes) -> list[bytes]:
    at = at % len(elements) if elements else 0
    before, after = elements[:at], elements[at:]
    return {
        "append": [*elements, new],
        "replace": [*before, new, *after[1:]],
        "remove": [*before, *after[1:]],
        "insert": [*before, new, *after],
        "reverse": elements[::-1],
        "rotate": after + before,
        "double": (elements + elements)[:60],
        "empty": [],
        "keep": elements,
    }[how]


@dataclass(slots=True)
class Store:
    """Elements by number, as Redis has them: a number that is taken for something else is a clash."""

    elements: dict[int, bytes] = field(default_factory=dict)

    def clashes(self, fresh: dict[int, bytes]) -> bool:
        return any(self.elements.get(number, element) != element for number, element in fresh.items())

    def read(self, runs: tuple[tuple[int, int], ...]) -> list[bytes]:
        return [self.elements[number] for number in expand(runs)]


@given(st.lists(EDIT, max_size=40), st.integers(0, 1000))
def test_every_version_of_every_branch_reads_back(edits: list[Edit], start: int) -> None:
    store = Store()
    versions: list[tuple[list[bytes], tuple[tuple[int, int], ...], Known]] = [([], (), nothing_known(start))]
    for how, at, new, back, learned in edits:
        elements, runs, known = versions[-1 - back % len(versions)]
        if learned == "read" and runs:
            known = known_of(runs, store.read(runs))
        elements = _edited(elements, how, at, new)
        sharing = share(elements, known)
        if store.clashes(dict(sharing.fresh)):
            sharing = share(elements, leaping(known, max(store.elements) + 1))
        assert not store.clashes(dict(sharing.fresh))
        store.elements.update(sharing.fresh)
        versions.append((elements, sharing.runs, sharing.known))
    for elements, runs, known in versions:
        assert store.read(runs) == elements
        assert count(runs) == len(elements)
        assert set(known.numbers) == set(elements)


@given(st.lists(EDIT, max_size=40), st.integers(0, 1000))
def test_new_numbers_were_never_used_on_the_lineage(edits: list[Edit], start: int) -> None:
    used: set[int] = set()
    elements: list[bytes] = []
    known = nothing_known(start)
    for how, at, new, *_ in edits:
        elements = _edited(elements, how, at, new)
        sharing = share(elements, known)
        assert used.isdisjoint(sharing.fresh)
        assert len(set(expand(sharing.runs))) == len(elements)
        used |= sharing.fresh.keys()
        known = sharing.known
        assert known.next > max(used, default=-1)


@given(st.lists(st.lists(ELEMENTS, min_size=1, max_size=5), min_size=1, max_size=30), st.booleans())
def test_a_list_that_is_only_appended_to_stays_one_run_and_writes_only_what_is_new(
    turns: list[list[bytes]], read: bool
) -> None:
    elements: list[bytes] = []
    known = nothing_known(0)
    for turn in turns:
        elements = elements + turn
        sharing = share(elements, known)
        assert sharing.runs == ((0, len(elements)),)
        assert list(sharing.fresh.values()) == turn
        known = known_of(sharing.runs, elements) if read else sharing.known


@given(st.lists(ELEMENTS, max_size=40), st.integers(0, 40), ELEMENTS)
def test_one_edit_adds_at_most_a_few_runs(elements: list[bytes], at: int, new: bytes) -> None:
    distinct = [bytes([number]) + element for number, element in enumerate(elements)]
    known = share(distinct, nothing_known(0)).known
    for how in ("replace", "insert", "remove"):
        assert len(share(_edited(distinct, how, at, b"new" + new), known).runs) <= 3
