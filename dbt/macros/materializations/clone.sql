{% materialization clone, default %}
  {{ lakehouse_refuse_clone() }}
{% endmaterialization %}

{# dbt-spark has one of its own, which would be nearer. #}
{% materialization clone, adapter='lakehouse_spark' %}
  {{ lakehouse_refuse_clone() }}
{% endmaterialization %}

{% macro lakehouse_refuse_clone() %}
  {{ exceptions.raise_compiler_error(
    "dbt clone cannot clone " ~ model.unique_id ~ ": it copies between schemas of one database, and here an environment "
    ~ "is a root of its own (LAKEHOUSE_ROOT). Copy the table's directory to the other root instead."
  ) }}
{% endmacro %}
