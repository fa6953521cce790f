"""Continuo: the services."""
