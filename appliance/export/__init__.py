"""Evidence as files in an analyst's folder: asked of the store over its socket, written whole or not at all."""
