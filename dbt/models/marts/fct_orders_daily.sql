{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='order_id',
    partition_by='order_date',
    cluster_by=['customer_id', 'status'],
    on_partition_change='move',
    on_schema_change='append_new_columns',
    event_time='order_date',
) }}

{%- set columns = ['order_id', 'customer_id', 'amount_cents', 'currency', 'status', 'event_time', 'created_at', 'order_date'] %}

with order_changes as (
    select * from {{ delta_changes(ref('stg_orders'), columns) }}
),

rate_changes as (
    select distinct currency from {{ delta_changes(ref('dim_fx_rates'), ['currency', 'usd_rate']) }}
),

-- Orders that may be nowhere but in the table. They are looked up, and deleted where they are not found.
gone as (
    select distinct order_id from order_changes where _change_type = 'delete'
    {%- if is_incremental() %}
    union
    select order_id from {{ this }} where {{ backfilled('order_date') }}
    {%- endif %}
),

{% if is_incremental() -%}
-- Customers whose row of orders changed, not merely the status of one: their sequences are counted again. So are those of
-- customers with an order on a day that is asked for.
recounted as (
    select distinct customer_id
    from (
        select customer_id
        from order_changes
        group by order_id, customer_id, created_at
        having count(*) filter (where _change_type = 'insert') <> count(*) filter (where _change_type = 'delete')
    )
    union
    select customer_id from {{ ref('stg_orders') }} where {{ backfilled('order_date') }}
    union
    select customer_id from {{ this }} where {{ backfilled('order_date') }}
),
{%- endif %}

sequences as (
    select
        order_id,
        cast(row_number() over (partition by customer_id order by created_at, order_id) as bigint)
            as customer_order_sequence
    from {{ ref('stg_orders') }}
    {%- if is_incremental() %}
    where customer_id in (select customer_id from recounted)
    {%- endif %}
),

{% if is_incremental() -%}
held as (
    select order_id, customer_order_sequence from {{ this }}
    where customer_id in (select customer_id from recounted)
        or currency in (select currency from rate_changes)
        or order_id in (select order_id from order_changes)
),

touched as (
    select order_id from order_changes
    union
    select order_id from gone
    union
    select order_id from {{ ref('stg_orders') }}
    where currency in (select currency from rate_changes) or {{ backfilled('order_date') }}
    union
    select sequences.order_id from sequences left join held using (order_id)
    where held.customer_order_sequence is distinct from sequences.customer_order_sequence
),
{%- endif %}

orders as (
    select {{ columns | join(', ') }} from {{ ref('stg_orders') }}
    {%- if is_incremental() %}
    where order_id in (select order_id from touched)
    {%- endif %}
)

select
    order_id,
    orders.customer_id,
    orders.status,
    orders.currency,
    orders.amount_cents,
    -- 19 digits hold any bigint, and with the 18 of a rate the product is exact: of 38 digits, Spark would round it first.
    case
        when orders.currency = 'USD' then orders.amount_cents
        else cast(round(cast(orders.amount_cents as decimal(19, 0)) * rates.usd_rate) as bigint)
    end as amount_usd_cents,
    {% if is_incremental() -%}
    coalesce(sequences.customer_order_sequence, held.customer_order_sequence) as customer_order_sequence,
    {%- else -%}
    sequences.customer_order_sequence,
    {%- endif %}
    orders.event_time as status_changed_at,
    orders.created_at,
    orders.order_date,
    orders.order_date is null as _deleted
from orders
full join gone using (order_id)
left join {{ ref('dim_fx_rates') }} as rates on rates.currency = orders.currency
left join sequences using (order_id)
{%- if is_incremental() %}
left join held using (order_id)
{%- endif %}
