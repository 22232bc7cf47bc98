"""Counters that are exact across workers."""

from appliance.ledger.layout import Window
from appliance.ledger.ledger import Ledger, Reservation
from appliance.ledger.table import CounterKey, Denied, LedgerFull

__all__ = ["CounterKey", "Denied", "Ledger", "LedgerFull", "Reservation", "Window"]
