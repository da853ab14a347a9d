{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='order_date',
    on_schema_change='append_new_columns',
    event_time='order_date',
) }}

{%- set columns = ['order_id', 'order_date', 'status', 'amount_usd_cents'] %}

with touched as (
    select distinct order_date from {{ delta_changes(ref('fct_orders_daily'), columns) }}
    {%- if is_incremental() %}
    union
    select order_date from {{ ref('fct_orders_daily') }} where {{ backfilled('order_date') }}
    union
    select order_date from {{ this }} where {{ backfilled('order_date') }}
    {%- endif %}
),

days as (
    select
        order_date,
        count(*) as orders,
        count(*) filter (where status in ('cancelled', 'refunded')) as reversed_orders,
        count(*) filter (where amount_usd_cents is null) as unpriced_orders,
        cast(
            coalesce(sum(amount_usd_cents) filter (where status is null or status not in ('cancelled', 'refunded')), 0)
            as bigint
        ) as revenue_usd_cents
    from {{ ref('fct_orders_daily') }}
    {%- if is_incremental() %}
    where order_date in (select order_date from touched)
    {%- endif %}
    group by order_date
)

select
    order_date,
    days.orders,
    days.reversed_orders,
    days.unpriced_orders,
    days.revenue_usd_cents,
    days.orders is null as _deleted
from days
full join touched using (order_date)
