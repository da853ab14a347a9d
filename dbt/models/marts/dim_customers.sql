{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='customer_id',
    on_schema_change='append_new_columns',
) }}

-- Postgres has no versions to tell what changed, so all of it is compared; the merge writes what differs, and nothing
-- where nothing does.
with customers as materialized (
    select
        shop.customer_id, shop.name, shop.email, shop.country, shop.segment, shop.is_active, shop.created_at,
        shop.updated_at
    from {{ source('postgres', 'customers') }} as shop
)

select *, false as _deleted from customers
{#- `dbt build --empty` reads no customer, which says nothing of any. #}
{%- if is_incremental() and not flags.EMPTY %}
union all by name
select held.*, true as _deleted from {{ this }} as held
where customer_id not in (select customer_id from customers)
{%- endif %}
