{#
  The materializations of the target `spark`: Spark computes the rows into files, and they go into the Delta table by the
  very build that DuckDB's rows go by. So either target goes on where the other stopped.
#}

{% materialization table, adapter='lakehouse_spark', supported_languages=['sql', 'python'] %}
  {{ return(lakehouse_spark_build(compiled_code)) }}
{% endmaterialization %}

{% materialization incremental, adapter='lakehouse_spark', supported_languages=['sql', 'python'] %}
  {{ return(lakehouse_spark_build(compiled_code)) }}
{% endmaterialization %}

{% macro lakehouse_spark_build(code) %}
  {%- if model.language == 'python' -%}
    {%- do exceptions.raise_compiler_error(
      "The target spark computes no Python models, and " ~ model.unique_id ~ " is one. Build it with DuckDB: dbt build "
      ~ "--target local --select " ~ model.name
    ) -%}
  {%- endif -%}
  {%- do run_hooks(pre_hooks) -%}
  {%- if config.get('sql_header') -%}{%- do run_query(config.get('sql_header')) -%}{%- endif -%}
  {%- set rows = lakehouse('compute', {'node': model, 'sql': code}) -%}
  {%- do lakehouse_spark_assert_contract({'rows': rows}) -%}
  {{ return(lakehouse_spark_commit(rows)) }}
{% endmacro %}

{# `computed` has the `rows` of a table, or the `sql` of a view. #}
{% macro lakehouse_spark_assert_contract(computed) %}
  {%- if config.get('contract').enforced -%}
    {%- set columns = lakehouse('columns', dict(node=model, **computed)) -%}
    {%- if columns.computed | sort(attribute='name') != columns.declared | sort(attribute='name') -%}
      {%- do lakehouse('discard', {'node': model}) -%}
      {%- do exceptions.raise_contract_error(columns.declared, columns.computed) -%}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}

{% macro lakehouse_spark_commit(rows) %}
  {%- set built = lakehouse('build', {
    'node': model, 'rows': rows, 'full_refresh': should_full_refresh(), 'empty': flags.EMPTY, 'interval': none,
  }) -%}
  {% call noop_statement('main', built.message, built.action, built.rows) %}
    {{- compiled_code if compiled_code is defined -}}
  {% endcall %}
  {%- do run_hooks(post_hooks) -%}
  {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmacro %}

{# DuckDB reads the file: no seed is too large for it. #}
{% materialization seed, adapter='lakehouse_spark' %}
  {%- set agate_table = load_agate_table() -%}
  {%- do store_result('agate_table', response='OK', agate_table=agate_table) -%}
  {%- do run_hooks(pre_hooks) -%}
  {%- set given = config.get('column_types', {}) -%}
  {%- set columns = {} -%}
  {%- for column in agate_table.column_names -%}
    {%- do columns.update({column: given.get(column, adapter.convert_type(agate_table, loop.index0))}) -%}
  {%- endfor -%}
  {%- set rows = lakehouse('read_seed', {
    'node': model, 'columns': columns, 'delimiter': config.get('delimiter', ','),
  }) -%}
  {{ return(lakehouse_spark_commit(rows)) }}
{% endmaterialization %}

{# Of this run only: BI tools read the views that the target `local` publishes, in DuckDB's SQL. #}
{% materialization view, adapter='lakehouse_spark' %}
  {%- do run_hooks(pre_hooks) -%}
  {%- do lakehouse_spark_assert_contract({'sql': compiled_code}) -%}
  {% call statement('main') %}
    create or replace view {{ this }} as {{ compiled_code }}
  {% endcall %}
  {%- do run_hooks(post_hooks) -%}
  {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}

{% materialization snapshot, adapter='lakehouse_spark' %}
  {{ exceptions.raise_compiler_error(
    "The target spark takes no snapshots, and " ~ model.unique_id ~ " is one. Take it with DuckDB: dbt snapshot --target "
    ~ "local --select " ~ model.name
  ) }}
{% endmaterialization %}
