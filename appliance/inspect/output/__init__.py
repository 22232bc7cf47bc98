"""What must not come in: links and images that carry data out, active content, leaks, and signs of a bad answer.

Rules: pure; nothing here hides or blocks: places, entities and scores are told, and policy decides; every expression is
bounded, so that its cost grows with the text alone.
"""
