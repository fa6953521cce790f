"""Bytes and what they mean: the client protocol with its codes and RPCs, and the envelopes between processes.

Law of the room: bytes to values and back, nothing else. Pure, no I/O; imports `model` only. Malformed input
becomes the room's own error, never a parser's.
"""
