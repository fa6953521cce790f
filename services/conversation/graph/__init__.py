"""Graphs and models: the only room that imports LangGraph and LangChain.

`agent` is its door: look into a thread, run a turn. `build` makes the default graph of `state`, `notes` and
`models`; `threads` gives each execution a saver under the worker's lease, `saver` (with `reader`,
`records`, `values`, `serde`) keeps checkpoints in Redis, `stock` is langgraph-checkpoint-redis for whoever
wants that; `memory` is what agents remember beyond one conversation; `narrate` turns what the graph streams
into tokens and kept messages; `faults` says what an exception means for trying again. Foreign exceptions do
not leave this room unclassified.
"""
