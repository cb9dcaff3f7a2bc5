"""What Polars' plans tell of expressions and functions, without a row."""
