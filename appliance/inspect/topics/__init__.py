"""What texts are about: subjects that policy and reports name, source code, sensitivity labels, and what a call is for.

Rules: signs, never certainties; nothing here hides or blocks by itself; every look is bounded by `MAX_CHARS`.
"""

MAX_CHARS = 20_000
"""Code points of one text that are looked at: its beginning says what it is about."""
