"""Addresses: what may be bound and what may be dialled."""
