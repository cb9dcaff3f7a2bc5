"""Lineage: runs are told to other systems as OpenLineage events, made from their records and never inside a run."""
