"""Labelled texts against what the detectors find in them. Pure: rows and detections in, counts and intervals out."""
