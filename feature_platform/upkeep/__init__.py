"""Upkeep: changes and repairs what is stored: migrate, drop orphans, roll back, examine and mend."""
