"""`gnomon demo`: the whole appliance with stand-ins on loopback, driven by real clients, telling its story in steps.

Rules: everything lives in one private folder and in processes that end with this one; nothing outside loopback is
spoken to; each step says what it expects, and what came instead.
"""
