"""Where a governed request goes: routes, targets, credentials."""
