{# A model's schema is the one it names: tables live at {root}/{schema}/{table}, in every environment. #}
{% macro generate_schema_name(custom_schema_name, node) %}
  {{- (custom_schema_name or target.schema) | trim -}}
{% endmacro %}
