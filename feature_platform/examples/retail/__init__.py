"""The second reference project: what will a household spend next? 1.47 million real purchases of 2017."""
