"""Judgement without I/O: which nodes live, and what they hold. Time comes in as an argument.

Law of the room: no asyncio, no clock, no randomness, no logging, no bus.
"""
