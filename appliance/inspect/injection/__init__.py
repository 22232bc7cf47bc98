"""Attempts to steer a model: rules, structure, hidden text, windows by a linear model, joined turns, habits."""
