"""Counters that are exact across workers. Imports nothing: threads load its modules at once, and cycles would break."""
