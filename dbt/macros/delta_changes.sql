{#
  The rows of `relation`, a source() or ref(), that were inserted or deleted since this model last consumed it: its
  `columns` (default: all) and `_change_type`, 'insert' or 'delete'. An updated row is its old values deleted and its new
  values inserted. Rows that differ only in columns not listed do not appear. The first build and a full refresh get
  every row as an insert.
#}
{% macro delta_changes(relation, columns=none) %}
  {%- if not execute or relation.is_cte -%}
    (select {{ columns | join(', ') if columns else '*' }}, 'insert' as _change_type from {{ relation }})
  {%- else -%}
    {{- lakehouse('changes', {
      'node': model,
      'source': relation.schema ~ '.' ~ relation.identifier,
      'source_sql': relation | string,
      'columns': columns,
      'full_refresh': should_full_refresh(),
      'empty': flags.EMPTY,
      'building': flags.WHICH in ['run', 'build'],
    }) -}}
  {%- endif -%}
{% endmacro %}
