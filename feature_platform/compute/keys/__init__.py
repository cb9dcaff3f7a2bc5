"""Join keys: their types, their codes and their buckets."""
