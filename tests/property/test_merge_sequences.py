"""Sequences that once went wrong, step by step, on the machine of the interleavings: each must stay right
whatever the search happens to try.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_merge_interleavings import Pod, PodThatShowsAtOnce  # tests are no package: see the controls


@pytest.fixture(params=[Pod, PodThatShowsAtOnce])
def pod(request: pytest.FixtureRequest) -> Pod:
    """A pod with an empty conversation and nobody in it."""
    made: Pod = request.param()
    made.begin()
    return made


def everybody_comes_in(pod: Pod) -> None:
    pod.one_quiet_round()
    assert [device.state for device in pod.devices] == ["live"] * len(pod.devices)


def test_a_live_pod_that_missed_trimmed_deltas_of_an_open_message_shows_the_exact_text(pod: Pod) -> None:
    everybody_comes_in(pod)
    pod.an_agent_begins()
    pod.an_agent_speaks(which=0, many=1)
    pod.one_quiet_round()
    pod.an_agent_speaks(which=0, many=3)
    pod.everything_published_is_lost()
    pod.an_agent_speaks(which=0, many=3)
    pod.retention_drops_old_entries(keep=3)
    pod.everything_settles()


def test_a_device_that_joins_while_the_channel_moves_past_trimmed_deltas_gets_the_exact_text(
    pod: Pod,
) -> None:
    pod.an_agent_begins()
    everybody_comes_in(pod)
    pod.a_device_leaves(i=0)
    pod.the_master_dies()
    pod.an_agent_speaks(which=0, many=1)
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    pod.an_agent_speaks(which=0, many=3)
    pod.everything_published_is_lost()
    pod.retention_drops_old_entries(keep=1)
    pod.a_repair_reads(stale=False)
    pod.a_repair_arrives()
    pod.a_tick_begins()
    pod.a_tick_is_replicated()
    pod.a_confirmation_arrives()
    pod.everything_settles()


def test_devices_come_back_recovered_after_deltas_were_trimmed(pod: Pod) -> None:
    everybody_comes_in(pod)
    pod.an_agent_begins()
    pod.one_quiet_round()
    logs = [list(device.log) for device in pod.devices]
    pod.an_agent_speaks(which=0, many=3)
    pod.everything_published_is_lost()
    pod.retention_drops_old_entries(keep=1)
    pod.everything_settles()
    assert [device.log for device in pod.devices] == logs  # a reset would have begun a log anew


def test_trimmed_deltas_of_a_finished_message_disturb_nobody(pod: Pod) -> None:
    everybody_comes_in(pod)
    pod.an_agent_begins()
    pod.one_quiet_round()
    pod.an_agent_speaks(which=0, many=3)
    pod.everything_published_is_lost()
    pod.retention_drops_old_entries(keep=1)
    pod.an_agent_ends(which=0)
    pod.tops_are_read(stale=False)
    pod.tops_arrive()
    pod.a_repair_reads(stale=False)
    pod.a_repair_arrives()
    pod.a_tick_begins()
    pod.a_tick_is_replicated()
    pod.a_confirmation_arrives()
    assert [device.state for device in pod.devices] == ["live"] * len(pod.devices)
    pod.everything_settles()


def test_a_device_comes_to_live_although_the_first_reading_was_of_entries_a_failover_lost(pod: Pod) -> None:
    pod.somebody_says_something()
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    pod.the_master_dies()
    pod.everything_settles()


def test_a_device_comes_to_live_although_what_was_lost_is_published_once_more(pod: Pod) -> None:
    pod.somebody_says_something()
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    pod.the_master_dies()
    pod.somebody_says_something()
    pod.a_push_arrives_out_of_order(which=1)
    pod.everything_settles()
