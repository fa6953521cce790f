"""What can go wrong, by the two questions that matter: try again? and whose fault?

ContinuoError
├── Temporary            try again later, nothing was lost
│   ├── BusUnavailable   Redis did not answer in time, or has no master just now
│   ├── NotReplicated    written, but no replica confirmed in time: not acknowledged, a repeat by id is safe
│   └── QueueFull        the conversation has too many turns waiting; nothing was stored
│       └── Overloaded   all conversations together have
├── Permanent            the same request will fail again
│   ├── BadRequest       an argument is malformed; the message names it
│   ├── NotMember        the user is no member of this conversation, or there is none (strangers cannot tell)
│   ├── UnknownConversation
│   ├── MessageConflict  the message id was used before with another body or by another user
│   ├── OutsideWindow    the message id was made too long ago, or in the future
│   ├── AlreadyAnswered  somebody else answered what the agent asked, or it was withdrawn
│   ├── NotAsked         no agent asked that
│   ├── TooFarBack       a conversation cannot go back so far; the text says how far it can
│   ├── Busy             the agent that is asked is at work, and the conversation wants no second message then
│   └── Refused          understood and not allowed
├── LeaseLost            another worker owns the conversation now: stop, write nothing more
├── RollBackFirst        the turn is to leave nothing behind, and its thread still holds it
└── Broken               a script of ours, or the data it met, is wrong: a repeat fails again
    ├── UnreadableCheckpoint   a record of a thread can't be read; names thread, checkpoint and why
    └── UnreadableTurn         a turn was begun whose record or messages can't be read; names it

Client codes are in wire/codes.py. Foreign exceptions never leave the room that knows them.
"""


class ContinuoError(Exception):
    """Base of all errors Continuo raises on purpose; the text is a sentence with the values in it."""


class Temporary(ContinuoError):
    """Trying again later can succeed."""


class BusUnavailable(Temporary):
    """Redis did not answer in time, or has no master just now."""


class NotReplicated(Temporary):
    """Written on the master, but no replica confirmed in time; not acknowledged."""


class QueueFull(Temporary):
    """Too many turns wait in this conversation; nothing was stored."""


class Overloaded(QueueFull):
    """Too many turns wait in all conversations together; nothing was stored."""


class Permanent(ContinuoError):
    """The same request will fail again."""


class BadRequest(Permanent):
    """An argument is malformed; the text names it."""


class NotMember(Permanent):
    """The user is not a member of the conversation, or there is no such conversation."""


class UnknownConversation(Permanent):
    """There is no such conversation."""


class MessageConflict(Permanent):
    """The message id stands for another body or another user's message."""


class OutsideWindow(Permanent):
    """The message id is not known and was made too far from the server's clock to be taken; the text says how
    far.
    """


class AlreadyAnswered(Permanent):
    """What an agent asked was answered by somebody, or withdrawn; the text says by whom."""


class NotAsked(Permanent):
    """No agent asked that, or nobody remembers."""


class TooFarBack(Permanent):
    """The conversation cannot go back so far, or has no such message any more; the text says how far it
    can.
    """


class Busy(Permanent):
    """The agent that is asked is at work, and the conversation's double texting is `reject`; nothing was
    stored.
    """


class Refused(Permanent):
    """Understood, and not allowed."""


class LeaseLost(ContinuoError):
    """Another worker owns the conversation now: stop at once, write nothing more."""


class RollBackFirst(ContinuoError):
    """The turn cannot end yet: it is to be rolled back, and its thread still holds it."""


class Broken(ContinuoError):
    """A fault of ours in the store: a script failed, or met data it can't read. A repeat fails again."""


class UnreadableCheckpoint(Broken):
    """A record of a thread is damaged, of a format this release does not know, or of a type that may not be
    revived.

    thread, checkpoint: where it stands; the checkpoint's id may be empty where the thread's records as a
    whole are meant. The text names both and the reason, and quotes nothing of the content.
    """

    def __init__(self, thread: str, checkpoint: str, reason: str) -> None:
        super().__init__(f"thread {thread}, checkpoint {checkpoint or '(none)'}: {reason}")
        self.thread = thread
        self.checkpoint = checkpoint
        self.reason = reason


class UnreadableTurn(Broken):
    """An attempt was begun and counted, but the turn's record or one of its messages can't be read.

    The text names the turn and quotes nothing of the content.
    """

    def __init__(self, conversation: str, turn: str, attempt: str) -> None:
        super().__init__(f"turn {turn} of {conversation}: its record or a message of it can't be read")
        self.conversation = conversation
        self.turn = turn
        self.attempt = attempt
