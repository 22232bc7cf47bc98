"""Bytes in, segments, detections, edits and coverage out. Pure."""
