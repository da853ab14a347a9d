{{ config(materialized='view') }}

select
    order_id,
    customer_id,
    status,
    currency,
    amount_cents,
    amount_usd_cents,
    customer_order_sequence,
    status_changed_at,
    created_at,
    order_date,
    -- Changes as days go by, so it is computed when it is read and never stored.
    {{ days_between('order_date', 'current_date') }} as days_since_order
from {{ ref('fct_orders_daily') }}
