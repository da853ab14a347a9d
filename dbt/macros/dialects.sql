{#
  What models write where DuckDB and Spark say the same thing differently. `spark__` macros are those of the target `spark`,
  whose adapter builds on dbt-spark.
#}

{# A point in time: what a contract calls `timestamp with time zone`. #}
{% macro type_instant() %}{{ return(adapter.dispatch('type_instant')()) }}{% endmacro %}
{% macro duckdb__type_instant() %}{{ return('timestamp with time zone') }}{% endmacro %}
{% macro spark__type_instant() %}{{ return('timestamp') }}{% endmacro %}

{# Whole days from one date to another, a bigint. #}
{% macro days_between(first, last) %}{{ return(adapter.dispatch('days_between')(first, last)) }}{% endmacro %}
{% macro duckdb__days_between(first, last) %}{{ return("date_diff('day', " ~ first ~ ", " ~ last ~ ")") }}{% endmacro %}
{% macro spark__days_between(first, last) %}{{ return("cast(datediff(" ~ last ~ ", " ~ first ~ ") as bigint)") }}{% endmacro %}

{# Where `value` stands in a list of texts, from 1; 0 or NULL where it does not. #}
{% macro position_in(texts, value) %}{{ return(adapter.dispatch('position_in')(texts, value)) }}{% endmacro %}
{% macro duckdb__position_in(texts, value) %}{{ return("list_position(['" ~ texts | join("', '") ~ "'], " ~ value ~ ")") }}{% endmacro %}
{% macro spark__position_in(texts, value) %}{{ return("array_position(array('" ~ texts | join("', '") ~ "'), " ~ value ~ ")") }}{% endmacro %}

{# dbt-spark's own two rely on the backslash as an escape, which in these models it is not: see lakehouse.dbt_spark.literals. #}
{% macro spark__escape_single_quotes(expression) %}{{ return(expression | replace("'", "''")) }}{% endmacro %}
{% macro spark__split_part(string_text, delimiter_text, part_number) %}
  {{- return("split_part(" ~ string_text ~ ", " ~ delimiter_text ~ ", " ~ part_number ~ ")") -}}
{% endmacro %}
