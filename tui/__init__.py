"""The analyst's terminal."""
