"""The words that SQL of users may hold besides names: the functions are those that Polars has.

No word here reads anything: Polars' table functions (`read_csv` and its like) are not listed.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    """
    abs acos acosd approx_quantile array_agg array_contains array_dot_product array_get array_inner_product
    array_length array_lower array_mean array_reverse array_sum array_to_string array_unique array_upper asin asind
    atan atan2 atan2d atand avg bit_and bit_count bit_length bit_or bit_xor cbrt ceil ceiling char_length
    character_length coalesce columns concat concat_ws corr cos cosd cot cotd count covar covar_pop covar_samp
    cume_dist current_date current_time current_timestamp date date_part date_trunc day dayofmonth dayofweek dayofyear
    degrees dense_rank div ends_with exp extract first first_value floor greatest hour if ifnull initcap lag last
    last_value lead least left length listagg ln localtime localtimestamp log log10 log1p log2 lower lpad ltrim max
    median min minute mod month normalize now nth_value ntile nullif octet_length percent_rank pi position pow power
    quantile_cont quantile_disc quarter radians rank regexp_like regexp_replace replace reverse right round row_number
    rpad rtrim second sign sin sind split_part sqrt starts_with stddev stddev_samp stdev stdev_samp strftime
    string_agg string_to_array strpos strptime substr substring sum tan tand timestamp trim trunc truncate upper
    var var_samp variance xor year
    """
)

# Always words; to name a column so, put it in quotes.
EXPRESSION_WORDS = _words(
    "and or not in between like ilike rlike regexp is null true false case when then else end distinct any all"
)
QUERY_WORDS = _words(
    """
    select from where group having order by limit offset with as on using join inner outer full cross semi anti natural
    union intersect except over partition window qualify exists asc desc nulls
    """
)

# Words only where no column is called so.
SOFT_WORDS = _words(
    """
    filter within rows range row current unbounded preceding following exclude rename
    current_date current_time current_timestamp localtime localtimestamp unknown
    """
)

UNITS = _words(
    """
    century centuries millennium millenniums day days dow doy epoch hour hours isodow isoweek isoyear microsecond
    microseconds millisecond milliseconds minute minutes month months nanosecond nanoseconds quarter quarters second
    seconds time timezone week weeks year years decade decades
    """
)

TYPES = _words(
    """
    bigint binary bit bool boolean blob bytea bytes char character date datetime decimal dec double float float4 float8
    float32 float64 int int1 int2 int4 int8 int16 int32 int64 int128 integer interval hugeint numeric real smallint
    string text time timestamp timestamptz tinyint ubigint uinteger uhugeint uint1 uint2 uint4 uint8 uint16 uint32
    uint64 uint128 usmallint utinyint unsigned uuid varbinary varchar nvarchar
    """
)
TYPE_PARTS = _words("precision varying with without time zone unsigned large object")

# What may stand right before a parenthesis that is no call of a function.
BEFORE_PARENTHESIS = EXPRESSION_WORDS - {"null", "true", "false", "end", "is"} | _words(
    """
    cast try_cast select from where having on by as join using union intersect except over qualify exists filter
    exclude rename limit offset replace partition window
    """
)
