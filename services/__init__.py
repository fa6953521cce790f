"""Continuo's services. Follow a message; each step names the rooms it walks through (docs/message-path.md
links the files).

1. A device connects to a connection pod with a token, then subscribes to `conversation:<id>` with its last
   position.
2. The session core decides: an event in, effects out, nothing touched.
3. `conversation.send` becomes one atomic script: refuse, or repeat by message id; keep the message, append
   its event, queue the turn, publish. The reply carries the position. No worker has to be alive for that.
4. The turn waits in the conversation's own queue; a shared stream only says that the conversation is ready.
   A worker claims it, takes the lease, drains the queue, and lets go only when the queue is empty.
5. The worker reads the thread: this turn already in it? resume; else begin, messages carrying their own
   ids.
6. The graph runs on the checkpointer in Redis; tokens come out of it.
7. Speech: tokens become delta events, coalesced, each append checked against the lease.
8. Each connection pod with a follower hears the publish. Live road and repair road meet in one merge.
9. The hub frames an event once and hands the same bytes to every follower; a slow device has a bounded
   outbox.
10. The device acts on it; when it reconnects, anywhere, it starts at 1 with its position.

Laws (kept by import contracts in pyproject.toml): services never import each other, they meet in
`services.shared.wire` and in Redis; `services.shared` never imports a service; `app.py` is a service's one
composition root.
"""
