"""The certificate authority: root, constrained intermediate, leaves."""
