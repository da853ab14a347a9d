{#
  dbt's source(), which also attaches Postgres when a model or a test reads it. Only then: the models that do not read
  it run without it.
#}
{% macro source(source_name, table_name) %}
  {%- set relation = builtins.source(source_name, table_name) -%}
  {%- if execute and relation.database == 'postgres' -%}
    {%- do lakehouse('attach_postgres') -%}
  {%- endif -%}
  {{ return(relation) }}
{% endmacro %}
