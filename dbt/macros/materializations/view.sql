{# A view other runs and BI tools find: it goes to the DuckDB catalogue file, beside a view over every Delta table. #}
{% materialization view, adapter='duckdb' %}
  {%- do lakehouse_before() -%}
  {%- do lakehouse_assert_contract(compiled_code) -%}
  {%- do adapter.commit() -%}
  {%- do lakehouse('publish_view', {'node': model, 'sql': compiled_code}) -%}
  {% call noop_statement('main', 'VIEW', 'VIEW', none) %}{{ compiled_code }}{% endcall %}
  {{ return(lakehouse_after()) }}
{% endmaterialization %}
