"""Conversations and who is in them.

Called by the connection pods for the RPCs. What another partition must learn of a change (the user's own
list, `#user`, the control channel) is written to the partition's outbox in the same script; the relay carries
it on. So `list_of` follows a change by the relay's few milliseconds. Must never touch two partitions in one
script.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.shared.bus import replies
from services.shared.bus.floor import Floor
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.scripts import Arg, Call, Reply, script
from services.shared.model import formats
from services.shared.model.conversation import (
    ENQUEUE,
    Appended,
    Created,
    DoubleTexting,
    Listing,
    Summary,
    WhenAnswers,
)
from services.shared.model.errors import BadRequest, Refused
from services.shared.model.events import ConversationUpdated, MemberDeclined, MemberJoined, MemberLeft
from services.shared.model.ids import ConversationId, UserId, is_actor, is_agent, is_service, is_user, is_uuid
from services.shared.model.permissions import GIVEN, Operation, Role, allowed, check_user, may
from services.shared.wire.envelopes import encode_event

OWNER, MEMBER = Role.OWNER, Role.MEMBER
MOST_AGENTS = 8
"""Agents one conversation may have: each answers each message, and `accept` passes a turn id for each."""
MOST_LEFT = 1000
"""Users who left that one conversation remembers: only a leave whose reply was lost asks for them."""
AT_ONCE = 500
"""Roles or summaries asked for in one round trip."""
MOST_NAMED = 100
"""Members that a list names of one conversation; pages of `members` have all."""
MOST_RENAMED = MOST_NAMED
"""Members whose own devices are told of another title."""
LONGEST_TITLE = 200
"""Characters: a title is told with every membership."""
MOST_FIRST_MEMBERS = 100
"""Members one `create` may bring; more are added one by one."""


class Conversations:
    """Made, joined, left, listed."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def create(
        self,
        conversation: str,
        creator: str,
        *,
        title: str = "",
        members: Iterable[str] = (),
        agents: Sequence[str] = ("assistant",),
        answers: Mapping[str, WhenAnswers] | None = None,
        double_texting: DoubleTexting = ENQUEUE,
    ) -> Created:
        """Make a conversation with its owner and first members; its journal begins with their member.joined.

        answers: when an agent answers, always unless it is said here. double_texting: what becomes of a
        message to an agent that is at work. A repeat by the same creator changes nothing. Raises
        Refused for a service, or when the id is another's or stood for a conversation that was deleted (so
        long as that is known), BadRequest for a malformed name, NotReplicated or BusUnavailable: then the
        same call may be repeated.
        """
        others = [each for each in dict.fromkeys(members) if each != creator]
        if is_service(creator):
            raise Refused(f"a conversation belongs to a user: {creator} is a service")
        check(conversation, users=(creator, *others))
        _check_agents(agents)
        _check_answers(answers or {}, agents)
        _check_title(title)
        if len(others) > MOST_FIRST_MEMBERS:
            raise BadRequest(f"{len(others)} members at once, at most {MOST_FIRST_MEMBERS}")
        joins = [(creator, OWNER), *((other, MEMBER) for other in others)]
        args: list[Arg] = [conversation, creator, title, ",".join(agents), formats.WRITES]
        args += [_encoded(answers or {}), double_texting]
        for user, role in joins:
            args += [user, role, encode_event(MemberJoined(conversation, user, creator, role))]
        reply = await self._change("create", conversation, args)
        return Created(
            ConversationId(conversation), replies.position(reply[1], reply[2]), reply[0] == b"repeat"
        )

    async def add_member(self, conversation: str, by: str, user: str, role: str = MEMBER) -> Appended:
        """Make `user` a member. A repeat is harmless and keeps the role.

        Raises NotMember (`by` is none), Refused (`by` may not), BadRequest, NotReplicated,
        BusUnavailable.
        """
        check(conversation, by, users=(user,))
        if role not in GIVEN:
            raise BadRequest(f"{role!r} is not a role; roles are {', '.join(GIVEN)}")
        event = encode_event(MemberJoined(conversation, user, by, role))
        operation = allowed(Operation.ADD_OWNER if role == OWNER else Operation.ADD)
        args: list[Arg] = [conversation, by, user, role, event, operation]
        reply = await self._change("member_add", conversation, args)
        return replies.appended(reply)

    async def remove_member(self, conversation: str, by: str, user: str) -> Appended:
        """End a membership, another's or one's own, or another's invitation. A repeat is harmless.

        Raises NotMember (`by` is none), Refused (`by` may not), BadRequest, NotReplicated, BusUnavailable.
        """
        check(conversation, by, users=(user,) if user != by else ())
        event = encode_event(MemberLeft(conversation, user, by))
        operation = allowed(Operation.LEAVE if by == user else Operation.REMOVE)
        args: list[Arg] = [conversation, by, user, event, MOST_LEFT, operation]
        args.append(encode_event(MemberDeclined(conversation, user, by)))
        reply = await self._change("member_remove", conversation, args)
        return replies.appended(reply)

    async def configure(
        self,
        conversation: str,
        by: str,
        *,
        agents: Sequence[str] | None = None,
        answers: Mapping[str, WhenAnswers] | None = None,
        double_texting: DoubleTexting | None = None,
    ) -> Appended:
        """Change who answers, and how; what is None stays, and so do the answers of agents that are not
        named. A repeat is harmless.

        Raises NotMember (`by` is none), Refused (`by` may not), BadRequest (also for answers of one who
        is no agent of it), NotReplicated, BusUnavailable.
        """
        check(conversation, by)
        if agents is not None:
            _check_agents(agents)
            if not agents:
                raise BadRequest("agents must be at least one")
        args: list[Arg] = [conversation, by, ",".join(agents or ()), _encoded(answers or {})]
        args += [double_texting or "", formats.WRITES, allowed(Operation.CONFIGURE)]
        reply = await self._change("configure", conversation, args)
        return replies.appended(reply)

    async def rename(self, conversation: str, by: str, title: str) -> Appended:
        """Give a conversation another title; its members' own devices are told where it has no more than
        MOST_RENAMED. A repeat is harmless. Raises NotMember, Refused, BadRequest, QueueFull, NotReplicated,
        BusUnavailable.
        """
        check(conversation, by)
        _check_title(title)
        event = encode_event(ConversationUpdated(conversation, title, by))
        args: list[Arg] = [conversation, by, title, event, allowed(Operation.RENAME), MOST_RENAMED]
        return replies.appended(await self._change("rename", conversation, args))

    async def list_of(self, user: str, limit: int = 100) -> list[Summary]:
        """List up to `limit` of a user's conversations, newest first. Raises as `listing`."""
        return list((await self.listing(user, limit)).conversations)

    async def listing(self, user: str, limit: int = 100) -> Listing:
        """List as `list_of`, with what is needed to show it only once it is replicated.

        All are looked at, since ids, which clients make, tell nothing of their age. Raises BadRequest,
        Refused (a service has no list), BusUnavailable.
        """
        check_user(user, Operation.LIST)
        _check_users(user)
        at = self._floor.keys.user(user)
        replid, found, marked = await self._floor.scripts.run("listed", [at.conversations, at.marks])
        ids, marks = [each.decode() for each in found], dict(zip(marked[::2], marked[1::2], strict=True))
        answers: list[Reply] = []
        for first in range(0, len(ids), AT_ONCE):
            some = ids[first : first + AT_ONCE]
            answers += await self._floor.scripts.batch([self._summary_call(each, user) for each in some])
        known = zip(ids, answers, strict=True)
        summaries = [
            _summary(cid, answer[1:], marks.get(cid.encode())) for cid, answer in known if len(answer) > 1
        ]
        summaries = [each for each in summaries if may(each.role, Operation.LIST)]
        summaries.sort(key=lambda each: (each.created_ms, each.id), reverse=True)
        same = all(answer[0] == replid for answer in answers)
        return Listing(tuple(summaries[:limit]), replid.decode() if same else "")

    async def role(self, conversation: str, user: str) -> str | None:
        """Return what `user` is in a conversation; None for a stranger, and for anybody when there is none.
        Raises BusUnavailable.
        """
        [role] = await self.roles([(conversation, user)])
        return role

    async def roles(self, pairs: Sequence[tuple[str, str]]) -> list[str | None]:
        """Return `role` of many (conversation, user), in few round trips. Raises BusUnavailable."""
        answers: list[Reply] = []
        for first in range(0, len(pairs), AT_ONCE):
            some = pairs[first : first + AT_ONCE]
            answers += await self._floor.scripts.batch([self._role_call(*each) for each in some])
        return [answer.decode() if answer is not None else None for answer in answers]

    async def _change(self, name: str, conversation: str, args: Sequence[Arg]) -> Reply:
        keys = self._floor.keys.conversation(conversation)
        names = [*keys.appending, keys.members, *_further(name, keys)]
        told = [*self._floor.settings.journal_args(), *args]
        return await self._floor.scripts.acknowledged(name, *self._floor.audited(names, told, keys.shared))

    def _role_call(self, conversation: str, user: str) -> Call:
        return Call(script("role"), [self._floor.keys.conversation(conversation).members], [user])

    def _summary_call(self, conversation: str, user: str) -> Call:
        keys = self._floor.keys.conversation(conversation)
        return Call(script("summary"), [keys.head, keys.members, keys.names], [user, MOST_NAMED])


def _further(name: str, keys: ConversationKeys) -> list[str]:
    """What a script that changes a conversation wants beside what it appends to and the members."""
    match name:
        case "create":
            return [keys.shared.outbox, keys.deleted, keys.shared.aging]
        case "configure":
            return []
        case "rename":
            return [keys.shared.outbox]
        case _:
            return [keys.shared.outbox, keys.left, keys.invited]


def _summary(conversation: str, reply: Reply, mark: bytes | None) -> Summary:
    marks = replies.marks(mark)
    role, title, created_ms, members, fields, *read, count = reply
    up_to = replies.read_up_to(read)
    settings = replies.settings(fields)
    return Summary(
        id=ConversationId(conversation),
        title=title.decode(),
        agents=settings.agents,
        role=role.decode(),
        members=tuple(sorted(UserId(each.decode()) for each in members)),
        created_ms=int(created_ms),
        answers=settings.answers,
        double_texting=settings.double_texting,
        muted=marks.muted,
        archived=marks.archived,
        read=up_to.seq,
        unread=up_to.unread,
        member_count=int(count),
    )


def check(conversation: str, *actors: str, users: Iterable[str] = ()) -> None:
    """Raise BadRequest for what is no conversation id, can do nothing (actors), or is no user id."""
    if not is_uuid(conversation):
        raise BadRequest(f"{conversation!r} is not a conversation id; a UUID in lower case is")
    for actor in actors:
        if not is_actor(actor):
            raise BadRequest(f"{actor!r} is not the name of a user or a service")
    _check_users(*users)


def _check_users(*users: str) -> None:
    for user in users:
        if not is_user(user):
            raise BadRequest(f"{user!r} is not a user id")


def _check_title(title: str) -> None:
    if len(title) > LONGEST_TITLE:
        raise BadRequest(f"title has {len(title)} characters, at most {LONGEST_TITLE}")


def _check_agents(agents: Sequence[str]) -> None:
    if len(set(agents)) != len(agents) or len(agents) > MOST_AGENTS:
        raise BadRequest(f"agents must be different and at most {MOST_AGENTS}, got {len(agents)}")
    for agent in agents:
        if not is_agent(agent):
            raise BadRequest(f"{agent!r} is not an agent's name")


def _check_answers(answers: Mapping[str, str], agents: Sequence[str]) -> None:
    for agent in answers:
        if agent not in agents:
            raise BadRequest(f"answers: {agent!r} is no agent of the conversation")


def _encoded(answers: Mapping[str, str]) -> bytes:
    return msgspec.json.encode(answers) if answers else b""
