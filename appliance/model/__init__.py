"""Frozen records that every other package speaks in.

Owns: the field names and their types. Rules: nothing here does I/O, reads a clock, or imports another package of the
project; a record is never mutated; a record that is stored carries a version.
"""
