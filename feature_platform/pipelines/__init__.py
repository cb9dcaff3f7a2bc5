"""Pipelines: from declarations to published tables: what is to be computed, computing it, write-audit-publish."""
