{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='order_id',
    partition_by='order_date',
    cluster_by=['customer_id'],
    on_partition_change='move',
    on_schema_change='append_new_columns',
    event_time='order_date',
) }}

{%- set columns = [
    'order_id', 'customer_id', 'amount_cents', 'currency', 'status', 'event_time', 'created_at',
    'kafka_topic', 'kafka_partition', 'kafka_offset', 'ingested_at',
] %}

with changes as (
    select * from {{ delta_changes(source('raw', 'orders'), columns) }}
),

-- An order that lost an event cannot be told from what is held: it is computed from all of its events again. So is one
-- of a day that is asked for.
recomputed as (
    select distinct order_id from changes where _change_type = 'delete'
    {%- if is_incremental() %}
    union
    select order_id from {{ this }} where {{ backfilled('order_date') }}
    union
    select order_id from {{ source('raw', 'orders') }}
    where {{ backfilled('cast(coalesce(created_at, event_time) as date)') }}
    {%- endif %}
),

events as (
    select {{ columns | join(', ') }} from changes
    where _change_type = 'insert'
    {%- if is_incremental() %}
    and order_id not in (select order_id from recomputed)
    union all
    select {{ columns | join(', ') }} from {{ this }}
    where order_id in (select order_id from changes) and order_id not in (select order_id from recomputed)
    union all
    select {{ columns | join(', ') }} from {{ source('raw', 'orders') }}
    where order_id in (select order_id from recomputed)
    {%- endif %}
),

latest as (
    select
        {{ columns | reject('eq', 'created_at') | join(', ') }},
        min(coalesce(created_at, event_time)) over (partition by order_id) as created_at
    from events
    -- Events of one instant: the later step of the life cycle wins, then what Kafka took last.
    qualify row_number() over (
        partition by order_id
        order by
            event_time desc,
            {{ order_status_rank('status') }} desc,
            kafka_topic desc nulls last, kafka_partition desc nulls last, kafka_offset desc nulls last
    ) = 1
)

select
    order_id,
    latest.customer_id,
    latest.amount_cents,
    latest.currency,
    latest.status,
    latest.event_time,
    latest.created_at,
    cast(latest.created_at as date) as order_date,
    latest.kafka_topic,
    latest.kafka_partition,
    latest.kafka_offset,
    latest.ingested_at,
    -- An order that lost all of its events.
    latest.event_time is null as _deleted
from latest
full join recomputed using (order_id)
