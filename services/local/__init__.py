"""Everything on one machine: the embedded Redis, the services as processes, and the `continuo` command.

The law of this room: it starts and talks to the services as anyone outside would (processes, settings, HTTP,
the client protocol) and imports none of them.
"""
