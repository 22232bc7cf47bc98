"""Findings: pure rules from events and decisions to what an analyst sees."""
