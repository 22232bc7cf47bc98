"""Fixtures that every test may use. Rules: loopback only; every random choice is seeded; nothing sleeps."""
