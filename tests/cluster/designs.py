"""Fleets as hypothesis draws them: feasible ones, with clients that they can hold."""

from hypothesis import strategies as st

from tests.cluster.fleets import Design
from tests.cluster.stage import Kill

SEEDS = st.integers(0, 2**32 - 1)
KILL = st.builds(Kill, at_call=st.integers(1, 60), after_the_work=st.booleans())


@st.composite
def fleets(draw: st.DrawFn, least: int = 1) -> Design:
    """Rates such that everything fits its window: the chart computes the drain from the same numbers."""
    most = draw(st.integers(max(2, least), 6))
    return Design(
        pods=draw(st.integers(least, most)),
        most=most,
        capacity=draw(st.sampled_from([20, 50, 100])),
        pod_rate=draw(st.sampled_from([5, 10, 25])),
        fleet_rate=draw(st.sampled_from([10, 20, 40])),
        warm_up=draw(st.sampled_from([(0.0, 2.0), (1.0, 8.0)])),
    )


def clients_of(design: Design, share: float) -> int:
    """So many that the fleet stays as large as it is: a share of what its target holds with the headroom."""
    return max(1, int(design.pods * design.capacity / 2 / 1.2 * share))
