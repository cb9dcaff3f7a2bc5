"""What can be known of expressions and functions from Polars' plans, without a row."""
