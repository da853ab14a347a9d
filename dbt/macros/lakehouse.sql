{#
  Asks the plugin `lakehouse.dbt_delta.plugin` for something and returns its answer. dbt-duckdb lets Jinja reach a
  plugin through store_relation() only; the request dictionary carries the arguments there and the result back.
#}
{% macro lakehouse(operation, arguments={}) %}
  {%- set request = {'operation': operation, 'arguments': arguments} -%}
  {%- do adapter.store_relation('lakehouse', none, [], '', '', request) -%}
  {{ return(request['result']) }}
{% endmacro %}

{% macro lakehouse_start_run() %}
  {%- if execute -%}{%- do lakehouse('start_run') -%}{%- endif -%}
{% endmacro %}

{% macro lakehouse_end_run() %}
  {%- if execute -%}{%- do lakehouse('end_run') -%}{%- endif -%}
{% endmacro %}
