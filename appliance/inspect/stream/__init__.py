"""Answers that come in pieces: cut into events, read by a dialect, edited in place, sent on."""
