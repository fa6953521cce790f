"""The session once it is open: time, refreshed tokens, questions, the server's own word, limits."""

import json
from typing import Any

import pytest

from services.connection.core.admission import Limits
from services.connection.core.effects import (
    Call,
    Close,
    History,
    Leave,
    Publish,
)
from services.connection.core.events import (
    Answered,
    Claims,
    Dismissed,
    Event,
    FrameReceived,
    Joined,
    Moved,
    Refusal,
    Removed,
    TimePassed,
    TokenRefused,
    TokenVerified,
)
from services.shared.model.ids import UserId
from services.shared.model.position import Position
from services.shared.wire.codes import Disconnect, Unsubscribe
from tests.support.session_oracle import WatchedSession
from tests.support.session_words import (
    ANN,
    CHANNEL,
    OPEN,
    TALK,
    answer,
    asked,
    closed_with,
    error,
    opened,
    say,
    subscribed,
)


class TestTime:
    def test_pings_and_closes_with_3012_without_a_pong(self) -> None:
        watched = opened()
        assert watched.session.due() == 18.75
        watched.handle(TimePassed(), 18.75)
        assert watched.pushes == [{}]
        watched.handle(TimePassed(), 8)
        assert closed_with(watched) is Disconnect.NO_PONG

    def test_a_pong_keeps_the_connection_and_a_second_one_ends_it(self) -> None:
        watched = opened()
        watched.handle(TimePassed(), 18.75)
        watched.handle(FrameReceived(b"{}"), 1)
        assert watched.session.due() == 18.75 + 25
        watched.handle(FrameReceived(b"{}"))
        assert closed_with(watched) is Disconnect.BAD_REQUEST

    def test_a_process_that_slept_gives_pongs_another_chance(self) -> None:
        watched = opened()
        watched.handle(TimePassed(), 18.75)
        watched.handle(TimePassed(), 60)
        assert watched.closed is None
        watched.handle(FrameReceived(b"{}"), 1)
        assert watched.closed is None

    def test_a_command_nobody_answers_gets_100_after_four_seconds_and_the_next_one_its_turn(self) -> None:
        watched = opened()
        say(watched, id=2, rpc={"method": "a"})
        watched.handle(FrameReceived(b'{"id":3,"rpc":{"method":"b"}}'), 3)
        watched.handle(TimePassed(), 1)
        assert error(watched) == 100
        assert isinstance(watched.asked, Call)
        assert watched.asked.method == "b"

    def test_commands_that_waited_too_long_are_not_begun(self) -> None:
        watched = opened()
        watched.handle(FrameReceived(b'{"id":2,"rpc":{"method":"a"}}\n{"id":3,"rpc":{"method":"b"}}'))
        watched.handle(TimePassed(), 4)
        assert [reply["id"] for reply in watched.replies] == [1, 2, 3]
        assert watched.asked is None

    def test_a_late_answer_is_ignored(self) -> None:
        watched = opened()
        say(watched, id=2, rpc={"method": "a"})
        assert watched.asked is not None
        ref = watched.asked.ref
        watched.handle(TimePassed(), 4)
        assert watched.handle(Answered(ref, b"{}")) == []

    def test_a_join_that_takes_too_long_is_undone(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK})
        assert watched.handle(TimePassed(), 4)[0] == Leave(CHANNEL)

    def test_a_connection_not_refreshed_closes_with_3005_after_the_grace(self) -> None:
        watched = opened(expires_in_s=5.0)
        watched.handle(TimePassed(), 18.75)
        watched.handle(FrameReceived(b"{}"))
        assert watched.session.due() == 30
        watched.handle(TimePassed(), 30 - 18.75)
        assert closed_with(watched) is Disconnect.EXPIRED

    def test_a_subscription_not_refreshed_ends_with_2501_after_the_grace(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "token": "s"})
        answer(watched, TokenVerified, Claims("ann", 3.0, TALK))
        answer(watched, Joined, Position("e1", 9), False, (), OPEN)
        told: Any = watched.replies[-1]
        assert (told["subscribe"]["expires"], told["subscribe"]["ttl"]) == (True, 3)
        watched.handle(TimePassed(), 18.75)
        watched.handle(FrameReceived(b"{}"))
        effects = watched.handle(TimePassed(), 28 - 18.75)
        assert effects[0] == Leave(CHANNEL)
        assert watched.pushes[-1] == {
            "push": {"channel": TALK, "unsubscribe": {"code": 2501, "reason": "subscription expired"}}
        }
        assert watched.session.ended() == [Unsubscribe.EXPIRED]
        assert watched.session.ended() == []


class TestRefresh:
    def test_extends_the_connection(self) -> None:
        watched = opened(expires_in_s=5.0)
        say(watched, id=2, refresh={"token": "t2"})
        answer(watched, TokenVerified, Claims("ann", 3600.0))
        assert watched.replies[-1] == {"id": 2, "refresh": {"expires": True, "ttl": 3600}}
        assert watched.session.due() == 18.75

    @pytest.mark.parametrize("claims", [Claims("bob"), Claims("")])
    def test_with_another_users_token_closes_with_3500(self, claims: Claims) -> None:
        watched = opened()
        say(watched, id=2, refresh={"token": "t2"})
        answer(watched, TokenVerified, claims)
        assert closed_with(watched) is Disconnect.INVALID_TOKEN

    @pytest.mark.parametrize("why", [Refusal.EXPIRED, Refusal.INVALID])
    def test_with_a_bad_token_closes_with_3500(self, why: Refusal) -> None:
        watched = opened()
        say(watched, id=2, refresh={"token": "t2"})
        answer(watched, TokenRefused, why)
        assert closed_with(watched) is Disconnect.INVALID_TOKEN

    def test_with_keys_out_of_reach_is_a_temporary_error(self) -> None:
        watched = opened()
        say(watched, id=2, refresh={"token": "t2"})
        answer(watched, TokenRefused, Refusal.UNVERIFIABLE)
        assert error(watched) == 100

    def test_with_a_grant_that_is_over_is_110(self) -> None:
        watched = opened()
        say(watched, id=2, refresh={"token": "t2"})
        answer(watched, TokenVerified, Claims("ann", 0.0))
        assert error(watched) == 110

    def test_of_a_subscription_extends_it(self) -> None:
        watched = subscribed()
        say(watched, id=3, sub_refresh={"channel": TALK, "token": "s"})
        answer(watched, TokenVerified, Claims("ann", 30.0, TALK))
        assert watched.replies[-1] == {"id": 3, "sub_refresh": {"expires": True, "ttl": 30}}

    def test_of_a_subscription_with_an_expired_token_closes_with_3006(self) -> None:
        watched = subscribed()
        say(watched, id=3, sub_refresh={"channel": TALK, "token": "s"})
        answer(watched, TokenRefused, Refusal.EXPIRED)
        assert closed_with(watched) is Disconnect.SUBSCRIPTION_EXPIRED

    def test_of_a_channel_not_followed_is_103(self) -> None:
        watched = opened()
        say(watched, id=3, sub_refresh={"channel": TALK, "token": "s"})
        assert error(watched) == 103


class TestAsking:
    def test_an_rpc_is_passed_on_and_its_result_passed_back(self) -> None:
        watched = opened()
        say(watched, id=2, rpc={"method": "conversation.list", "data": {"limit": 3}})
        assert asked(watched) == Call(asked(watched).ref, UserId("ann"), "conversation.list", b'{"limit": 3}')
        answer(watched, Answered, b'{"data":{"conversations":[]}}')
        assert watched.replies[-1] == {"id": 2, "rpc": {"data": {"conversations": []}}}

    def test_a_publish_is_passed_on_and_one_to_a_user_is_103(self) -> None:
        watched = opened()
        say(watched, id=2, publish={"channel": TALK, "data": {"id": "a"}})
        assert isinstance(watched.asked, Publish)
        answer(watched, Answered, b"{}")
        assert watched.replies[-1] == {"id": 2, "publish": {}}
        say(watched, id=3, publish={"channel": "#ann", "data": {"id": "a"}})
        assert error(watched) == 103

    def test_history_is_bounded_and_carries_its_position(self) -> None:
        watched = opened()
        since = {"offset": 3, "epoch": "e1"}
        say(watched, id=2, history={"channel": TALK, "limit": -1, "since": since, "reverse": True})
        assert isinstance(watched.asked, History)
        assert (watched.asked.limit, asked(watched).since, watched.asked.reverse) == (
            300,
            Position("e1", 3),
            True,
        )

    @pytest.mark.parametrize("method", ["presence", "presence_stats"])
    def test_presence_of_a_user_channel_is_108(self, method: str) -> None:
        watched = opened()
        say(watched, id=2, **{method: {"channel": "#ann"}})
        assert error(watched) == 108

    def test_client_pings_are_108_and_send_closes_with_3508(self) -> None:
        watched = opened()
        say(watched, id=2, ping={})
        assert error(watched) == 108
        say(watched, send={"data": 1})
        assert closed_with(watched) is Disconnect.NOT_AVAILABLE

    def test_the_first_method_in_the_protocols_order_wins(self) -> None:
        watched = opened()
        say(watched, id=2, rpc={"method": "a"}, unsubscribe={"channel": TALK})
        assert watched.replies[-1] == {"id": 2, "unsubscribe": {}}


class TestServer:
    def test_a_removed_member_is_unsubscribed_for_good(self) -> None:
        watched = subscribed()
        assert watched.handle(Removed(CHANNEL, Unsubscribe.SERVER))[0] == Leave(CHANNEL)
        assert watched.pushes[-1] == {
            "push": {"channel": TALK, "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}
        }

    def test_a_moved_user_channel_is_told_by_a_subscribe_push(self) -> None:
        watched = opened()
        watched.handle(Moved(ANN, Position("u2", 7)))
        told = {"recoverable": True, "positioned": True, "epoch": "u2", "offset": 7}
        assert watched.pushes[-1] == {"push": {"channel": "#ann", "subscribe": told}}
        assert watched.session.channels == {ANN}

    def test_a_moved_conversation_is_recovered_by_the_client(self) -> None:
        watched = subscribed()
        watched.handle(Moved(CHANNEL, Position("e2", 7)))
        told: Any = watched.pushes[-1]
        assert told["push"]["unsubscribe"]["code"] == 2500

    @pytest.mark.parametrize("why", list(Disconnect))
    def test_a_dismissal_is_the_last_effect(self, why: Disconnect) -> None:
        watched = subscribed()
        assert watched.handle(Dismissed(why)) == [Close(why)]


class TestLimits:
    def test_a_message_too_big_closes_with_1009(self) -> None:
        watched = opened()
        watched.handle(FrameReceived(b" " * 65_537))
        assert closed_with(watched) is Disconnect.TOO_BIG

    def test_more_waiting_commands_than_held_close_with_3013(self) -> None:
        watched = opened(Limits(waiting_commands=2))
        events: list[Event] = [
            FrameReceived(b'{"id":%d,"rpc":{"method":"a"}}' % number) for number in range(2, 6)
        ]
        for event in events:
            watched.handle(event)
        assert closed_with(watched) is Disconnect.TOO_MANY_REQUESTS

    def test_waiting_commands_are_bounded_in_bytes_too(self) -> None:
        watched = opened(Limits(waiting_bytes=1000))
        say(watched, id=2, rpc={"method": "a"})
        say(watched, id=3, rpc={"method": "b" * 600})
        assert watched.closed is None
        say(watched, id=4, rpc={"method": "c" * 600})
        assert closed_with(watched) is Disconnect.TOO_MANY_REQUESTS

    def test_a_burst_of_all_channels_behind_connect_fits(self) -> None:
        """SDKs send connect and every subscribe in one frame."""
        watched = WatchedSession()
        names = [f"conversation:0198c2b0-0000-7000-8000-{number:012d}" for number in range(127)]
        commands: list[dict[str, Any]] = [{"id": 1, "connect": {"token": "t"}}]
        commands += [{"id": 2 + number, "subscribe": {"channel": name}} for number, name in enumerate(names)]
        watched.handle(FrameReceived(b"\n".join(json.dumps(each).encode() for each in commands)))
        answer(watched, TokenVerified, Claims("ann"))
        for _ in range(128):
            answer(watched, Joined, Position("e1", 1))
        assert len(watched.session.channels) == 128


def test_every_answered_command_is_told_once_with_its_code_and_age() -> None:
    watched = opened()
    watched.session.settled()
    say(watched, id=2, subscribe={"channel": "nothing:1"})
    say(watched, id=3, rpc={"method": "conversation.list", "data": {}})
    watched.handle(TimePassed(), 1.5)
    answer(watched, Answered, b"{}")
    told = [(each.method, each.code, round(each.seconds, 3)) for each in watched.session.settled()]
    assert told == [("subscribe", 102, 0.0), ("rpc", 0, 1.5)]
    assert watched.session.settled() == []
