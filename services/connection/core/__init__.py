"""The pure half of a connection: what to do with what happened.

Law of the room: no asyncio, no clock, no randomness, no Redis, no logging. Events in, effects out.
"""
