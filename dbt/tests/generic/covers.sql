{#
  Every value that `column` has in `to` occurs in this model: `relationships`, seen from the side that is referred to.
  It belongs to this model, so the other is built and tested without it. A table that is not there yet asks for nothing.
#}
{% test covers(model, column, to) %}
  {%- if not execute or (table_exists(model) and table_exists(to)) %}
    select distinct {{ column }} from {{ to }}
    where {{ column }} is not null and {{ column }} not in (select {{ column }} from {{ model }})
  {%- else %}
    select null as {{ column }} where false
  {%- endif %}
{% endtest %}
