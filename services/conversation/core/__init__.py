"""The decisions of a conversation worker, as plain functions and state machines: no clock, no network, no
graph.

Time, noise and ids come in as arguments; what to do comes out as values that the shells (worker, intake)
carry out.
"""
