{# Where a status stands in the life of an order; an unknown or missing one stands first. #}
{% macro order_status_rank(column) -%}
  coalesce({{ position_in(['placed', 'paid', 'shipped', 'delivered', 'cancelled', 'refunded'], column) }}, 0)
{%- endmacro %}
