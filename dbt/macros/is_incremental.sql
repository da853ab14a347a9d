{# Whether the model adds to a Delta table that exists. dbt's own looks for a DuckDB table, and finds a view here. #}
{% macro is_incremental() %}
  {%- if not execute or config.get('materialized') != 'incremental' or should_full_refresh() -%}
    {{ return(false) }}
  {%- endif -%}
  {{ return(lakehouse('exists', {'node': model})) }}
{% endmacro %}
