"""Where answers are made: claims conversations with waiting turns, runs graphs, and speaks their answers.

`intake` claims and drains, `worker` executes one turn, `speaker` says it, `keeper` holds the leases from a
thread of its own; `core/` decides, `graph/` is the only room that knows LangGraph. `app` wires them
together. A worker keeps nothing that a successor needs: all of it is in the conversation's records and its
thread.
"""
