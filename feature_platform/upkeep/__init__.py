"""Upkeep: commands that change or mend what is stored: migrate, drop orphans, roll back, examine and repair."""
