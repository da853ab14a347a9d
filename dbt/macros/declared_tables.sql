{# Those of `tables` in `schema` that a contract declares: a model over others has no source() to name. #}
{% macro declared_tables(schema, tables) %}
  {%- set declared = [] -%}
  {%- for table in tables if schema ~ '.' ~ table in streaming_tables() -%}
    {%- do declared.append(table) -%}
  {%- endfor -%}
  {{ return(declared) }}
{% endmacro %}

{# Whether the table of `relation` exists. A declared table comes into being when its stream first starts. #}
{% macro table_exists(relation) %}
  {{ return(lakehouse('exists', {'node': {'schema': relation.schema, 'alias': relation.identifier}})) }}
{% endmacro %}
