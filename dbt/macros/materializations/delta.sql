{#
  The one path by which a model becomes a Delta table: DuckDB computes its rows into a relation of its own, the plugin
  checks and commits them. The table itself is never a DuckDB table; `this` is a view over its newest version.
#}
{% macro lakehouse_build(rows, full_refresh=should_full_refresh()) %}
  {%- if model.language == 'python' -%}
    {%- do lakehouse_assert_contract('select * from ' ~ rows) -%}
  {%- endif -%}
  {#- The commit belongs to no DuckDB transaction, and the view that shows it is made outside of this one. -#}
  {%- do adapter.commit() -%}
  {%- set batch = model.get('batch') -%}
  {%- set built = lakehouse('build', {
    'node': model,
    'rows': rows | string,
    'full_refresh': full_refresh,
    'empty': flags.EMPTY,
    'interval': (batch['event_time_start'] | string, batch['event_time_end'] | string) if batch else none,
  }) -%}
  {% call noop_statement('main', built.message, built.action, built.rows) %}
    {{- compiled_code if compiled_code is defined -}}
  {% endcall %}
  {%- do adapter.drop_relation(rows) -%}
{% endmacro %}

{# What every materialization begins with. #}
{% macro lakehouse_before() %}
  {%- do run_hooks(pre_hooks, inside_transaction=False) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=True) -%}
{% endmacro %}

{# What every materialization ends with, and returns: its relation, of the type that dbt is to see. #}
{% macro lakehouse_after() %}
  {%- do run_hooks(post_hooks, inside_transaction=True) -%}
  {%- do adapter.commit() -%}
  {%- do run_hooks(post_hooks, inside_transaction=False) -%}
  {{ return({'relations': [this.incorporate(type='view' if model.config.materialized == 'view' else 'table')]}) }}
{% endmacro %}

{# Where the rows of a model are computed to. #}
{% macro lakehouse_rows() %}
  {%- if model.language == 'python' -%}
    {#- Python models write through a cursor of their own, which sees no temporary table of this one. -#}
    {{ return(api.Relation.create(
      database=this.database, schema=this.schema, identifier=this.identifier ~ '__rows' ~ py_current_timestring(), type='table'
    )) }}
  {%- endif -%}
  {{ return(make_temp_relation(this).incorporate(type='table')) }}
{% endmacro %}

{# What computes a model into `rows`. dbt runs Python only for a statement of the materialization itself. #}
{% macro lakehouse_compute(rows, code) %}
  {%- if model.language == 'python' -%}
    {{ create_table_as(false, rows, code, 'python') }}
  {%- else -%}
    {%- do lakehouse_assert_contract(code) -%}
    {{ config.get('sql_header') or '' }}
    create temporary table {{ rows }} as (
      {{ code }}
    )
  {%- endif -%}
{% endmacro %}

{# `_deleted` marks rows to delete and is never stored, so no contract lists it. #}
{% macro lakehouse_assert_contract(sql) %}
  {%- if config.get('contract').enforced -%}
    {%- do get_assert_columns_equivalent("select columns(name -> name <> '_deleted') from (" ~ sql ~ ")") -%}
  {%- endif -%}
{% endmacro %}
