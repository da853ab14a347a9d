{% materialization seed, adapter='duckdb' %}
  {%- do lakehouse_before() -%}
  {%- set agate_table = load_agate_table() -%}
  {#- What `dbt seed --show` prints. -#}
  {%- do store_result('agate_table', response='OK', agate_table=agate_table) -%}
  {%- set rows = lakehouse_rows() -%}
  {% call statement('compute') %}
    {{- lakehouse_seed_sql(rows, agate_table) -}}
  {% endcall %}
  {%- do lakehouse_build(rows) -%}
  {{ return(lakehouse_after()) }}
{% endmaterialization %}

{# Loads the file into a temporary table; dbt infers the types that `column_types` does not give. #}
{% macro lakehouse_seed_sql(rows, agate_table) %}
  {%- set given = config.get('column_types', {}) -%}
  create temporary table {{ rows }} (
    {%- for column in agate_table.column_names %}
    {{ adapter.quote(column) }} {{ given.get(column, adapter.convert_type(agate_table, loop.index0)) }}
    {{- ',' if not loop.last }}
    {%- endfor %}
  );
  copy {{ rows }} from '{{ adapter.escape_sql_string(adapter.get_seed_file_path(model)) }}'
    (format csv, header true, delimiter '{{ config.get('delimiter', ',') }}')
{% endmacro %}
