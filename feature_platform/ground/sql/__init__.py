"""SQL that people write, read by a small lexer of ours and printed again from known words.

Polars opens files while it parses SQL (`read_csv('...')`), and has no switch for it. So nothing that a person wrote
reaches Polars as it was: what is handed over is printed from tokens that are known to be harmless.
"""

from feature_platform.ground.sql.conditions import Combination, Leaf, Part, condition_of
from feature_platform.ground.sql.lexing import UnreadableSql, standard_text
from feature_platform.ground.sql.printing import print_expression, print_query

__all__ = [
    "Combination",
    "Leaf",
    "Part",
    "UnreadableSql",
    "condition_of",
    "print_expression",
    "print_query",
    "standard_text",
]
