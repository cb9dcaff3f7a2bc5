"""Lineage: which columns are made from which, and runs told to other systems as OpenLineage events."""
