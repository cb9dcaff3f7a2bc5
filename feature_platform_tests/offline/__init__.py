"""The offline store on literal frames, by laws, and under faults."""
