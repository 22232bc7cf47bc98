"""Rules and decisions in, verdicts out. Pure: time and ids are arguments."""
