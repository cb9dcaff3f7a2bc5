"""The entries of the online store, and the answers made from them."""
