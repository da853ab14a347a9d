{#
  The relations of a schema, of the types that dbt is to see. A Delta table is shown by a DuckDB view, but has to count
  as a table: dbt asks for one before it limits a microbatch model to its lookback.
#}
{% macro duckdb__list_relations_without_caching(schema_relation) %}
  {#- This may be the first that is asked of the database, and there is no plugin before dbt has opened it. -#}
  {%- do run_query('select 1') -%}
  {% call statement('list_relations_without_caching', fetch_result=True) -%}
    select
      table_catalog as database,
      table_name as name,
      table_schema as schema,
      case
        when table_type <> 'VIEW' then 'table'
        {%- for table in lakehouse('tables') %}
        when table_schema || '.' || table_name = '{{ table }}' then 'table'
        {%- endfor %}
        else 'view'
      end as type
    from system.information_schema.tables
    where lower(table_schema) = '{{ schema_relation.schema | lower }}'
      and lower(table_catalog) = '{{ schema_relation.database | lower }}'
  {%- endcall %}
  {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}
