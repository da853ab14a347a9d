{# A view other runs and BI tools find: it goes to the DuckDB catalogue file, beside a view over every Delta table. #}
{% materialization view, adapter='duckdb' %}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {%- do lakehouse_assert_contract(compiled_code) -%}
  {%- do adapter.commit() -%}
  {%- do lakehouse('publish_view', {'node': model, 'sql': compiled_code}) -%}
  {% call noop_statement('main', 'VIEW', 'VIEW', none) %}{{ compiled_code }}{% endcall %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {%- do adapter.commit() -%}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}
