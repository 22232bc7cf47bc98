"""Calls of one dialect carried over to another, and their answers back.

Owns: `plan`, and what it gives. Rules: pure: bytes in, bytes out, time and ids as arguments; what cannot be carried
over is refused by name or told (losses.py); nothing is fetched, and nothing is drawn by chance.
"""

from appliance.route.translate.losses import Loss
from appliance.route.translate.said import Stamp
from appliance.route.translate.streaming import Stream
from appliance.route.translate.translation import Answered, Asked, Refusal, Translation, plan

__all__ = ["Answered", "Asked", "Loss", "Refusal", "Stamp", "Stream", "Translation", "plan"]
