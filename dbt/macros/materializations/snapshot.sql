{# Slowly changing dimension, type 2, on Delta: dbt computes the row versions, one merge closes and adds them. #}
{% materialization snapshot, adapter='duckdb' %}
  {%- set exists = lakehouse('exists', {'node': model}) -%}
  {%- set strategy = strategy_dispatch(config.get('strategy'))(model, 'snapshotted_data', 'source_data', model['config'], exists) -%}
  {%- do lakehouse_before() -%}
  {%- if exists -%}
    {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
    {%- do adapter.assert_valid_snapshot_target_given_strategy(this, columns, strategy) -%}
    {%- set staging = build_snapshot_staging_table(strategy, compiled_code, this) -%}
    {%- set versions = lakehouse_row_versions(staging, columns) -%}
  {%- else -%}
    {%- set versions = build_snapshot_table(strategy, compiled_code) -%}
  {%- endif -%}
  {%- set rows = lakehouse_rows() -%}
  {% call statement('compute') %}
    {{- lakehouse_compute(rows, versions) -}}
  {% endcall %}
  {#- A snapshot is history that cannot be computed again, so --full-refresh leaves it alone, as on any adapter. -#}
  {%- do lakehouse_build(rows, full_refresh=false) -%}
  {{ return(lakehouse_after()) }}
{% endmaterialization %}

{# The versions to add, and those to close: the row as it is held, with only dbt_valid_to changed. #}
{% macro lakehouse_row_versions(staging, columns) %}
  {%- set keys = config.get('unique_key') -%}
  {%- set helpers = ['dbt_change_type'] -%}
  {%- if keys is string -%}
    {%- do helpers.append('dbt_unique_key') -%}
  {%- else -%}
    {%- for key in keys -%}{%- do helpers.append('dbt_unique_key_' ~ loop.index) -%}{%- endfor -%}
  {%- endif -%}
  select * exclude ({{ helpers | join(', ') }}) from {{ staging }} where dbt_change_type = 'insert'
  union all by name
  select held.* replace (staged.{{ columns.dbt_valid_to }} as {{ columns.dbt_valid_to }})
  from {{ this }} as held
  join {{ staging }} as staged using ({{ columns.dbt_scd_id }})
  where staged.dbt_change_type in ('update', 'delete')
{% endmacro %}
