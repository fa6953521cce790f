"""The door: WebSocket connections of devices, their sessions and subscriptions.

Law of the room: talks to other services only through the bus; the websockets library is imported nowhere
else.
"""
