"""What `make bench` says of tracing: the interval tells noise from cost; what is surely dear is missed."""

import random

from tests.bench.tracing_figures import OFF, SAMPLED, WHOLE, Costs, Round, interval, section, verdict


def costs(over: float, noise: float, rounds: int = 20, seed: int = 3) -> Costs:
    """Rounds in which the machine is now slow and now fast, and each figure is off by some noise."""
    draw = random.Random(seed)

    def once() -> Round:
        slow = draw.uniform(0.008, 0.020)
        shares = {OFF: 1.0, SAMPLED: 1 + over, WHOLE: 1.3}
        return Round({mode: slow * share * (1 + draw.gauss(0, noise)) for mode, share in shares.items()})

    return Costs(tuple(once() for _ in range(rounds)), 48, {SAMPLED: 11, WHOLE: 22_000})


def met(seen: Costs) -> bool:
    [(_, found)] = verdict(seen)
    return found


def test_a_cost_within_the_target_is_met_and_one_surely_beyond_it_is_missed() -> None:
    assert met(costs(0.02, 0.01))
    assert not met(costs(0.06, 0.01))


def test_what_may_be_noise_is_no_miss_and_is_one_when_it_is_measured_better() -> None:
    seen = costs(0.045, 0.05, rounds=6)
    assert seen.over(SAMPLED).high > 0.03
    assert met(seen)
    assert not met(costs(0.045, 0.05, rounds=600))


def test_pairs_keep_a_machine_that_is_now_slow_and_now_fast_out_of_it() -> None:
    over = costs(0.02, 0.0).over(SAMPLED)
    assert max(abs(one - 0.02) for one in (over.low, over.likely, over.high)) < 1e-9


def test_the_interval_holds_what_is_so_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(60):
        over = costs(0.02, 0.03, seed=seed).over(SAMPLED)
        held += over.low <= 0.02 <= over.high
    assert 0.8 < held / 60 <= 1.0


def test_an_interval_is_the_same_each_time() -> None:
    pairs = [(1.1, 1.0), (1.0, 1.05), (2.1, 2.0)]
    assert interval(pairs) == interval(pairs)


def test_the_page_has_a_row_for_each_mode() -> None:
    lines = section(costs(0.02, 0.0))
    rows = [line for line in lines if line.startswith(("| off", "| 1 %", "| 100 %"))]
    assert rows[0].endswith("|  | 0 |")
    assert rows[1].endswith("| +2.0% (+2.0% to +2.0%) | 11 |")
    assert rows[2].endswith("| +30.0% (+30.0% to +30.0%) | 22,000 |")
