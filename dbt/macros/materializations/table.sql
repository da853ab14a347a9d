{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
  {%- do lakehouse_before() -%}
  {%- set rows = lakehouse_rows() -%}
  {% call statement('compute', language=model.language) %}
    {{- lakehouse_compute(rows, compiled_code) -}}
  {% endcall %}
  {%- do lakehouse_build(rows) -%}
  {{ return(lakehouse_after()) }}
{% endmaterialization %}
