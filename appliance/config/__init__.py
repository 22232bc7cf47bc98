"""YAML in, validated records out; the only package that imports yaml."""
