"""What `make bench` says of agents: what is met, what is missed, and the page."""

from tests.bench.agents_figures import Cell, Run, Way, section, verdict


def _cell(graph: str, at_once: int, first: float, bytes_a_delta: int = 200) -> Cell:
    served = Way(first, first * 2, 600, 50 * bytes_a_delta, 50 * bytes_a_delta + 2000)
    return Cell(graph, at_once, (Way(first / 2, first, 100, 0, 0),), (served,) * 3)


def test_each_target_is_judged_at_its_number_of_turns() -> None:
    cells = [_cell("fast", at_once, first) for at_once, first in ((1, 0.009), (20, 0.070), (100, 0.300))]
    assert [met for _, met in verdict(Run(tuple(cells)))] == [True, False, True]


def test_bytes_are_judged_where_tokens_come_one_by_one() -> None:
    light, heavy = _cell("slow", 1, 0.1, bytes_a_delta=250), _cell("slow", 1, 0.1, bytes_a_delta=260)
    assert (light.overhead(), heavy.overhead()) == (119.0, 124.0)
    assert [met for _, met in verdict(Run((light, heavy)))] == [True, False]


def test_the_page_has_a_row_for_each_cell() -> None:
    rows = section(Run((_cell("fast", 1, 0.01), _cell("slow", 20, 0.05))))
    assert "| fast | 1 | 10.0 | 2.0 | 20.0 | 2.00 | 94 | 114 |" in rows
    assert "| slow | 20 | 50.0 | 2.0 | 100.0 | 2.00 | 94 | 114 |" in rows
