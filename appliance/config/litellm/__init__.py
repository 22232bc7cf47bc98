"""A LiteLLM configuration, and what its API exports of keys, teams and users, as a configuration of ours.

Owns: what each of their keys becomes. Rules: pure but for `source.read`; no secret of the source is copied or shown;
every value of the source is accounted for (account.py): taken, translated, or without counterpart and why. The words
are those of LiteLLM 1.106 (litellm/proxy/_types.py, litellm/router.py, litellm/models/*.py; MIT).
"""
