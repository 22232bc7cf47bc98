"""Counters that are exact across workers."""

from appliance.ledger.ledger import Ledger, Reservation
from appliance.ledger.table import CounterKey, Denied, LedgerFull
from appliance.ledger.windows import Window

__all__ = ["CounterKey", "Denied", "Ledger", "LedgerFull", "Reservation", "Window"]
