"""The passive sensor and the catalogue of AI services."""
