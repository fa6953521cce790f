"""The session's answers to connect and subscribe: the codes of the tables, and what the SDKs rely on."""

from typing import Any

import pytest

from services.connection.core.admission import Limits
from services.connection.core.effects import (
    GoLive,
    Join,
    Leave,
    Opened,
    TokenKind,
    VerifyToken,
    Write,
)
from services.connection.core.events import (
    Claims,
    Failed,
    FrameReceived,
    Joined,
    Publication,
    Refusal,
    Removed,
    TimePassed,
    TokenRefused,
    TokenVerified,
)
from services.shared.model.ids import UserId, service_actor
from services.shared.model.position import Position
from services.shared.wire.codes import INTERNAL, PERMISSION_DENIED, Disconnect, Unsubscribe
from tests.support.session_oracle import WatchedSession
from tests.support.session_words import (
    ANN,
    CHANNEL,
    OPEN,
    TALK,
    answer,
    asked,
    closed_with,
    connecting,
    error,
    opened,
    say,
    subscribed,
)


class TestConnect:
    def test_tells_who_the_client_is_and_joins_the_user_channel(self) -> None:
        watched = connecting(expires_in_s=60.4, info=b'{"name":"Ann"}')
        assert asked(watched) == Join(asked(watched).ref, ANN, UserId("ann"), b'{"name":"Ann"}')
        effects = answer(watched, Joined, Position("u1", 5))
        assert [type(each) for each in effects] == [Write, Opened, GoLive]
        subs = {"#ann": {"recoverable": True, "positioned": True, "epoch": "u1", "offset": 5}}
        assert watched.replies[-1] == {
            "id": 1,
            "connect": {
                "client": "conn",
                "version": "1",
                "ping": 25,
                "pong": True,
                "expires": True,
                "ttl": 60,
                "subs": subs,
            },
        }

    def test_recovers_the_user_channel_from_what_the_client_remembers(self) -> None:
        watched = WatchedSession()
        say(
            watched,
            id=1,
            connect={"token": "t", "subs": {"#ann": {"recover": True, "offset": 3, "epoch": "u1"}}},
        )
        answer(watched, TokenVerified, Claims("ann"))
        assert isinstance(asked(watched), Join)
        assert asked(watched).since == Position("u1", 3)
        answer(watched, Joined, Position("u1", 4), True, (Publication(4, b'{"type":"member.left"}'),))
        told: Any = watched.replies[-1]
        sub = told["connect"]["subs"]["#ann"]
        assert (sub["offset"], sub["recovered"], sub["was_recovering"]) == (3, True, True)
        assert sub["publications"] == [{"data": {"type": "member.left"}, "offset": 4}]

    def test_a_token_of_no_length_left_is_not_offered_for_refresh_in_zero_seconds(self) -> None:
        watched = connecting(expires_in_s=0.2)
        answer(watched, Joined, Position("u1", 5))
        told: Any = watched.replies[-1]
        assert told["connect"]["ttl"] == 1

    @pytest.mark.parametrize(
        ("why", "code"),
        [(Refusal.EXPIRED, 109), (Refusal.UNVERIFIABLE, 100)],
        ids=["expired", "unverifiable"],
    )
    def test_a_refused_token_is_an_error_reply(self, why: Refusal, code: int) -> None:
        watched = WatchedSession()
        say(watched, id=1, connect={"token": "t"})
        answer(watched, TokenRefused, why)
        assert error(watched) == code
        assert watched.closed is None

    def test_an_invalid_token_closes_with_3500(self) -> None:
        watched = WatchedSession()
        say(watched, id=1, connect={"token": "t"})
        answer(watched, TokenRefused, Refusal.INVALID)
        assert closed_with(watched) is Disconnect.INVALID_TOKEN

    def test_no_token_closes_with_3501_and_an_anonymous_one_with_3507(self) -> None:
        watched = WatchedSession()
        say(watched, id=1, connect={})
        assert closed_with(watched) is Disconnect.BAD_REQUEST
        assert closed_with(connecting(user="")) is Disconnect.PERMISSION_DENIED
        assert closed_with(connecting(user="white space")) is Disconnect.INVALID_TOKEN

    def test_a_token_makes_nobody_a_service(self) -> None:
        assert closed_with(connecting(user=service_actor("billing"))) is Disconnect.INVALID_TOKEN

    def test_a_good_token_whose_grant_is_over_gets_110(self) -> None:
        assert error(connecting(expires_in_s=-1.0)) == 110

    def test_commands_behind_a_refused_connect_are_discarded_not_punished(self) -> None:
        watched = WatchedSession()
        burst = b'{"id":1,"connect":{"token":"t"}}\n{"id":2,"subscribe":{"channel":"%s"}}' % TALK.encode()
        watched.handle(FrameReceived(burst))
        answer(watched, TokenRefused, Refusal.EXPIRED)
        assert [reply["id"] for reply in watched.replies] == [1]
        assert watched.handle(FrameReceived(b"not even JSON")) == []
        assert watched.closed is None

    def test_commands_behind_a_good_connect_are_worked_off(self) -> None:
        watched = WatchedSession()
        burst = b'{"id":1,"connect":{"token":"t"}}\n{"id":2,"subscribe":{"channel":"%s"}}' % TALK.encode()
        watched.handle(FrameReceived(burst))
        answer(watched, TokenVerified, Claims("ann"))
        answer(watched, Joined, Position("u1", 5))
        assert isinstance(asked(watched), Join)
        assert asked(watched).channel == CHANNEL

    def test_a_second_connect_closes_with_3501(self) -> None:
        watched = opened()
        say(watched, id=2, connect={"token": "t"})
        assert closed_with(watched) is Disconnect.BAD_REQUEST

    def test_channels_of_the_token_are_joined_if_the_user_may(self) -> None:
        watched = connecting(channels=(TALK, "#bob", "#ann"))
        answer(watched, Joined, Position("u1", 5))
        assert isinstance(asked(watched), Join)
        assert asked(watched).channel == CHANNEL
        answer(watched, Failed, PERMISSION_DENIED)
        told: Any = watched.replies[-1]
        assert list(told["connect"]["subs"]) == ["#ann"]

    def test_a_token_that_names_an_unknown_channel_gets_102(self) -> None:
        assert error(connecting(channels=("news:1",))) == 102

    def test_a_user_channel_that_cannot_be_read_is_a_temporary_error(self) -> None:
        watched = connecting()
        answer(watched, Failed, INTERNAL)
        assert watched.replies[-1] == {
            "id": 1,
            "error": {"code": 100, "message": "internal server error", "temporary": True},
        }

    def test_nothing_in_ten_seconds_closes_with_3502(self) -> None:
        watched = WatchedSession()
        assert watched.session.due() == 10
        watched.handle(TimePassed(), 10)
        assert closed_with(watched) is Disconnect.STALE


class TestSubscribe:
    def test_writes_reply_then_goes_live_in_one_step(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "flag": 1})
        effects = answer(watched, Joined, Position("e1", 9), False, (), OPEN)
        assert effects[1] == GoLive(CHANNEL)
        told = {"recoverable": True, "positioned": True, "epoch": "e1", "offset": 9, "data": {"open": []}}
        assert watched.replies[-1] == {"id": 2, "subscribe": told}

    def test_a_recovery_keeps_the_offset_the_client_sent(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "recover": True, "epoch": "e1", "offset": 7})
        answer(watched, Joined, Position("e2", 9), True, (Publication(9, b'{"a":1}'),), OPEN)
        told: Any = watched.replies[-1]
        assert told["subscribe"] == {
            "recoverable": True,
            "positioned": True,
            "epoch": "e2",
            "offset": 7,
            "was_recovering": True,
            "recovered": True,
            "publications": [{"data": {"a": 1}, "offset": 9}],
            "data": {"open": []},
        }

    def test_a_failed_recovery_tells_the_top_and_no_publications(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "recover": True, "epoch": "_", "offset": 0})
        answer(watched, Joined, Position("e2", 9), False, (), OPEN)
        told: Any = watched.replies[-1]
        assert "recovered" not in told["subscribe"]
        assert "publications" not in told["subscribe"]
        assert (told["subscribe"]["offset"], told["subscribe"]["was_recovering"]) == (9, True)

    def test_a_client_that_wants_all_or_nothing_gets_112_and_no_subscription(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "recover": True, "epoch": "x", "offset": 7, "flag": 3})
        effects = answer(watched, Joined, Position("e2", 9), False, (), OPEN)
        assert effects[0] == Leave(CHANNEL)
        assert error(watched) == 112

    @pytest.mark.parametrize(
        ("request_", "code"),
        [
            ({"channel": "#bob"}, 103),
            ({"channel": "news:1"}, 102),
            ({"channel": "conversation:not-a-uuid"}, 102),
            ({"channel": "x" * 256}, 107),
            ({"channel": "#ann"}, 105),
            ({"channel": TALK, "type": 1}, 108),
            ({"channel": TALK, "tf": {"op": "eq"}}, 107),
            ({"channel": TALK, "delta": "vcdiff"}, 107),
        ],
    )
    def test_what_cannot_be_followed_is_refused(self, request_: dict[str, Any], code: int) -> None:
        watched = opened()
        say(watched, id=2, subscribe=request_)
        assert error(watched) == code

    def test_the_channel_limit_is_106(self) -> None:
        watched = opened(Limits(channels=1))
        say(watched, id=2, subscribe={"channel": TALK})
        assert error(watched) == 106

    def test_a_stranger_is_told_103(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK})
        answer(watched, Failed, PERMISSION_DENIED)
        assert error(watched) == 103

    def test_a_token_alone_makes_nobody_a_member(self) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "token": "s"})
        assert asked(watched) == VerifyToken(asked(watched).ref, TokenKind.SUBSCRIPTION, "s")
        answer(watched, TokenVerified, Claims("ann", 60.0, TALK))
        assert isinstance(asked(watched), Join)

    @pytest.mark.parametrize(("why", "code"), [(Refusal.EXPIRED, 109), (Refusal.INVALID, 103)])
    def test_a_refused_subscription_token(self, why: Refusal, code: int) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "token": "s"})
        answer(watched, TokenRefused, why)
        assert error(watched) == code

    @pytest.mark.parametrize("claims", [Claims("bob", None, TALK), Claims("ann", None, "#ann")])
    def test_a_subscription_token_for_something_else_closes_with_3500(self, claims: Claims) -> None:
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK, "token": "s"})
        answer(watched, TokenVerified, claims)
        assert closed_with(watched) is Disconnect.INVALID_TOKEN

    def test_a_member_removed_while_joining_is_refused_and_let_go(self) -> None:
        """The removal reaches the session before the read that still saw the member."""
        watched = opened()
        say(watched, id=2, subscribe={"channel": TALK})
        effects = watched.handle(Removed(CHANNEL, Unsubscribe.SERVER))
        assert effects[0] == Leave(CHANNEL)
        assert error(watched) == 103

    def test_unsubscribe_is_harmless_when_nothing_was_followed(self) -> None:
        watched = opened()
        say(watched, id=2, unsubscribe={"channel": TALK})
        assert watched.replies[-1] == {"id": 2, "unsubscribe": {}}

    def test_unsubscribe_lets_go_before_it_answers(self) -> None:
        watched = subscribed()
        say(watched, id=3, unsubscribe={"channel": TALK})
        assert watched.session.channels == {ANN}
