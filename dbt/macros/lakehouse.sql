{# Asks the platform's Python for something and returns its answer: the operations of `lakehouse.dbt_delta.operations`. #}
{% macro lakehouse(operation, arguments={}) %}
  {{ return(adapter.dispatch('lakehouse')(operation, arguments)) }}
{% endmacro %}

{#
  dbt-duckdb lets Jinja reach a plugin through store_relation() only; the request dictionary carries the arguments there
  and the result back.
#}
{% macro duckdb__lakehouse(operation, arguments) %}
  {%- set request = {'operation': operation, 'arguments': arguments} -%}
  {%- do adapter.store_relation('lakehouse', none, [], '', '', request) -%}
  {{ return(request['result']) }}
{% endmacro %}

{% macro spark__lakehouse(operation, arguments) %}
  {{ return(adapter.lakehouse(operation, arguments)) }}
{% endmacro %}

{% macro lakehouse_start_run() %}
  {%- if execute -%}{%- do lakehouse('start_run') -%}{%- endif -%}
{% endmacro %}

{% macro lakehouse_end_run() %}
  {%- if execute -%}{%- do lakehouse('end_run') -%}{%- endif -%}
{% endmacro %}
