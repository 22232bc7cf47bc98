"""Thin adapters between mitmproxy and the appliance; the only package that imports mitmproxy."""
