"""The one process that opens DuckDB."""
