"""Graphs and models: the only room that imports LangGraph and LangChain.

`agent` is its door: look into a thread, run a turn. `build` makes the default graph of `state`, `notes` and
`models`; `checkpoints` keeps its threads in Redis under the worker's lease; `narrate` turns what the graph
streams into tokens and kept messages; `faults` says what an exception means for trying again. Foreign
exceptions do not leave this room unclassified.
"""
