"""Each worker's append-only record: append, ship, recover."""
