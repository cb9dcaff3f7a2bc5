"""The Dagster edge: the only importer of dagster. Declarations go in, Dagster objects come out."""
