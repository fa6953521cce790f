"""The nouns of Continuo: ids, positions, events, conversations, turns, errors.

Law of the room: values only. Standard library only, no I/O, no clock, no randomness: time and entropy come in
as arguments.
"""
