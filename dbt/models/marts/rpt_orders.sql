{{ config(materialized='view') }}

select
    *,
    -- Changes as days go by, so it is computed when it is read and never stored.
    date_diff('day', order_date, current_date) as days_since_order
from {{ ref('fct_orders_daily') }}
