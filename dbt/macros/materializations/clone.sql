{% materialization clone, default %}
  {{ exceptions.raise_compiler_error(
    "dbt clone cannot clone " ~ model.unique_id ~ ": it copies between schemas of one database, and here an environment "
    ~ "is a root of its own (LAKEHOUSE_ROOT). Copy the table's directory to the other root instead."
  ) }}
{% endmaterialization %}
