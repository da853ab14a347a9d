-- Each order event with its customer as the shop's database knows them at the time of processing.
--
-- An order is never lost for want of a customer: the customer's columns are null then, and customer_known is false. Nor is
-- it corrected later. An order that comes before its customer's row stays as it is; orders that come after it find it,
-- because what was not found is not cached (lookup.partial-cache.cache-missing-key). A customer who was found is cached, so
-- a change to their row shows within five minutes. To join with the customer as of the order's time, whatever comes
-- first, see orders_as_of_customer.sql.
--
-- When the database is away, a lookup is repeated with a new connection (lookup.max-retries); after that the job fails and
-- is restarted from its checkpoint, again and again until the database is back. Orders wait in Kafka in the meantime.

CREATE TABLE orders (
  ${event_columns},
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  processed AS PROCTIME()
) WITH (${event_options});

CREATE TABLE customers (
  customer_id STRING,
  name STRING,
  email STRING,
  country STRING,
  segment STRING,
  is_active BOOLEAN,
  PRIMARY KEY (customer_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${postgres_url}',
  'username' = '${postgres_user}',
  'password' = '${env:LAKEHOUSE_POSTGRES_PASSWORD}',
  'table-name' = 'public.customers',
  'lookup.cache' = 'PARTIAL',
  'lookup.partial-cache.max-rows' = '${customers_cached:-10000}',
  'lookup.partial-cache.expire-after-write' = '${customers_cached_for:-5 min}',
  'lookup.partial-cache.cache-missing-key' = 'false',
  'lookup.max-retries' = '3'
);

CREATE TABLE orders_enriched (${table_columns}) WITH (${table_options});

INSERT INTO orders_enriched
SELECT
  o.order_id,
  o.customer_id,
  o.amount_cents,
  o.status,
  o.event_time,
  o.currency,
  o.created_at,
  c.name AS customer_name,
  c.email AS customer_email,
  c.country AS customer_country,
  c.segment AS customer_segment,
  c.is_active AS customer_is_active,
  c.customer_id IS NOT NULL AS customer_known,
  o.kafka_partition,
  o.kafka_offset
FROM orders AS o
LEFT JOIN customers FOR SYSTEM_TIME AS OF o.processed AS c ON c.customer_id = o.customer_id;
