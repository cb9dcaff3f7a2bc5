"""The reference project: will a flight from New York arrive late? 336,776 real flights of 2013."""
