"""Counters that are exact across workers."""
