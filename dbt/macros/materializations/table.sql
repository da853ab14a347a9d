{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {%- set rows = lakehouse_rows() -%}
  {% call statement('compute', language=model.language) %}
    {{- lakehouse_compute(rows, compiled_code) -}}
  {% endcall %}
  {%- do lakehouse_build(rows) -%}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {%- do adapter.commit() -%}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}
