"""The analysts' terminal: findings, decisions, and the state of the appliance.

Rules: a client of analyst.sock and of nothing else; no decision is made here, one is asked for; text from outside
reaches the screen only through `tui.client_state.spans.foreign`; what can be told without a terminal stands in
`tui/client_state` and imports no Textual.
"""
