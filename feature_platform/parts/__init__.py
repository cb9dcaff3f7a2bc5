"""The parts that a user picks: one folder for each kind, one file for each part, and `base.py` for what it must do."""
