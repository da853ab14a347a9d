{#
  dbt's source(), which also attaches Postgres when a model or a test that is run reads it. Only then: all else works
  without it, `dbt compile` and `dbt docs generate` too.
#}
{% macro source(source_name, table_name) %}
  {%- set relation = builtins.source(source_name, table_name) -%}
  {%- if execute and relation.database == 'postgres' and flags.WHICH not in ['compile', 'generate'] -%}
    {%- do lakehouse('attach_postgres') -%}
  {%- endif -%}
  {{ return(relation) }}
{% endmacro %}
