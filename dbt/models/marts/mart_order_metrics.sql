{#- Each table, and its column that tells one version of a window from the next. -#}
{%- set version_columns = {'order_metrics': 'processed_at', 'order_metrics_5min': 'emitted_at'} -%}
{%- set declared = declared_tables('streaming', version_columns) -%}

{{ config(
    enabled=declared | length > 0,
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['source_table', 'window_start', 'window_end', 'status'],
    on_schema_change='append_new_columns',
    event_time='window_start',
) }}

-- Windows are few and their tables come and go, so all of them are compared; the merge writes those that differ.
with versions as (
    select
        cast(null as {{ dbt.type_string() }}) as source_table,
        cast(null as {{ type_instant() }}) as window_start,
        cast(null as {{ type_instant() }}) as window_end,
        cast(null as {{ dbt.type_string() }}) as status,
        cast(null as bigint) as order_count,
        cast(null as bigint) as total_amount_cents,
        cast(null as {{ type_instant() }}) as emitted_at
    where false
    {%- for table in declared -%}
    {%- set relation = source('streaming', table) -%}
    {%- if not execute or table_exists(relation) %}
    union all
    select
        'streaming.{{ table }}', window_start, window_end, coalesce(status, 'unknown'), order_count, total_amount_cents,
        {{ version_columns[table] }}
    from {{ relation }}
    {%- endif -%}
    {%- endfor %}
),

latest as (
    select * from versions
    qualify row_number() over (
        partition by source_table, window_start, window_end, status order by emitted_at desc
    ) = 1
)

select
    source_table, window_start, window_end, status, order_count, total_amount_cents,
    total_amount_cents / nullif(order_count, 0) as average_amount_cents,
    emitted_at,
    false as _deleted
from latest
{#- `dbt build --empty` reads no window, which says nothing of any. #}
{%- if is_incremental() and not flags.EMPTY %}
union all
{#- Deleted by its keys: `held` has no column yet that this model gets with this very run. #}
select
    source_table, window_start, window_end, status,
    cast(null as bigint) as order_count,
    cast(null as bigint) as total_amount_cents,
    cast(null as double) as average_amount_cents,
    cast(null as {{ type_instant() }}) as emitted_at,
    true as _deleted
from {{ this }} as held
anti join latest using (source_table, window_start, window_end, status)
{%- endif %}
