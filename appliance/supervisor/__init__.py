"""The process that binds the listeners, starts and restarts the children, and serves control.sock."""
