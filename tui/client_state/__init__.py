"""What the screens show, worked out without a terminal: pure view models over the store's records.

Rules: no Textual, no I/O, no clock; time comes as an argument; every text from outside is made inert here.
"""
