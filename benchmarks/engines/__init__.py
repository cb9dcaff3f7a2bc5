"""The engines: one module each, with `prepare(work, place)`, imported only where it is measured."""
