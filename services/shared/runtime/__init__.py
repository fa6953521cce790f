"""A process: its settings, logs, metrics, health, clock, start and end. No Redis, no domain.

Every service's `app.py` builds on these; nothing here knows what a conversation is.
"""
