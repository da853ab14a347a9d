-- Each order event with its customer as they were when the order happened: an event-time temporal join.
--
-- An example, which the local stack does not run. The topic customers.changes has a message for each version of a customer:
-- key {"customer_id"}, value with all columns and the time from which on they hold, no value where the customer is
-- deleted; change data capture writes such topics. An order waits until the customers' watermark has passed its time, then
-- the version of that time joins it: replayed a year later, it is the same one. The state holds each customer's versions
-- since the watermark and one before, and the orders that wait.
--
-- A customer who has no version yet gives nulls and customer_known = false, as in orders_enriched. Where customers do not
-- change, no message moves their watermark on and orders would wait; a partition without changes for as long as the idle
-- timeout is not waited for. A version that comes later than that, or out of order by more than the watermark allows,
-- joins only the orders that follow it.

CREATE TABLE orders (
  ${event_columns},
  happened AS CAST(${event_time} AS TIMESTAMP_LTZ(3)),
  WATERMARK FOR happened AS happened - ${watermark}
) WITH (${event_options});

CREATE TABLE customers (
  customer_id STRING NOT NULL,
  name STRING,
  country STRING,
  segment STRING,
  updated_at TIMESTAMP_LTZ(3) NOT NULL,
  WATERMARK FOR updated_at AS updated_at - ${watermark},
  PRIMARY KEY (customer_id) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '${customers_topic:-customers.changes}',
  ${kafka_options},
  'properties.group.id' = '${group_id}-customers',
  'scan.watermark.idle-timeout' = '${customers_idle:-1 min}',
  'key.format' = 'json',
  'value.format' = 'json',
  'value.json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE orders_as_of_customer (${table_columns}) WITH (${table_options});

INSERT INTO orders_as_of_customer
SELECT
  o.order_id,
  o.customer_id,
  o.amount_cents,
  o.status,
  o.event_time,
  o.currency,
  o.created_at,
  c.name AS customer_name,
  c.country AS customer_country,
  c.segment AS customer_segment,
  c.updated_at AS customer_updated_at,
  c.customer_id IS NOT NULL AS customer_known
FROM orders AS o
LEFT JOIN customers FOR SYSTEM_TIME AS OF o.happened AS c ON c.customer_id = o.customer_id;
