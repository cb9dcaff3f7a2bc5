"""All features of a spine, and training sets made of them."""
