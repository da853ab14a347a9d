-- Orders by status in windows of five minutes: the aggregation of OrderMetricsJob in SQL, into a table and a topic.
--
-- A window is given out once, when the watermark passes its end. An order that comes later than that is left out of it
-- and counted (numLateRecordsDropped): corrections of a window, and a table of late orders, are not to be had in this
-- shape of SQL. The contract of streaming.order_metrics_5min has both, by the DataStream job.

CREATE TABLE orders (
  ${event_columns},
  -- A watermark goes in milliseconds; the event's own time keeps its microseconds.
  happened AS CAST(${event_time} AS TIMESTAMP_LTZ(3)),
  WATERMARK FOR happened AS happened - ${watermark}
) WITH (${event_options});

CREATE TABLE metrics (${table_columns}) WITH (${table_options});

-- The newest message of a key is the window's value, also for a reader that begins with a compacted topic. The messages of
-- a checkpoint become visible together with its rows in the table: readers need isolation.level=read_committed.
CREATE TABLE metrics_topic (
  window_start TIMESTAMP_LTZ(3) NOT NULL,
  window_end TIMESTAMP_LTZ(3) NOT NULL,
  status STRING NOT NULL,
  order_count BIGINT NOT NULL,
  total_amount_cents BIGINT,
  average_amount_cents DOUBLE,
  max_amount_cents BIGINT NOT NULL,
  emitted_at TIMESTAMP_LTZ(3) NOT NULL,
  PRIMARY KEY (window_start, status) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '${also_to_topic}',
  ${kafka_options},
  -- Longer than any outage that a job is restarted after, within what brokers allow (15 minutes).
  'properties.transaction.timeout.ms' = '600000',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = '${group_id}',
  'key.format' = 'json',
  'key.json.timestamp-format.standard' = 'ISO-8601',
  'value.format' = 'json',
  'value.json.timestamp-format.standard' = 'ISO-8601'
);

-- Added up as decimals, for a sum of 64 bits would begin again at its other end without a word.
CREATE VIEW windows AS
SELECT
  window_start,
  window_end,
  status,
  COUNT(*) AS order_count,
  SUM(CAST(amount_cents AS DECIMAL(20, 0))) AS total,
  MAX(amount_cents) AS max_amount_cents
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(happened), ${window}))
GROUP BY window_start, window_end, status;

-- Sum and average are null where the sum does not fit 64 bits, as in the other tables of metrics. A window's bounds are
-- times without a zone; the session's zone, in which they are cast, is UTC.
CREATE VIEW window_metrics AS
SELECT
  CAST(window_start AS TIMESTAMP_LTZ(3)) AS window_start,
  CAST(window_end AS TIMESTAMP_LTZ(3)) AS window_end,
  status,
  order_count,
  CASE WHEN total <= 9223372036854775807 THEN CAST(total AS BIGINT) END AS total_amount_cents,
  CASE WHEN total <= 9223372036854775807 THEN CAST(total AS DOUBLE) / order_count END AS average_amount_cents,
  max_amount_cents,
  CURRENT_TIMESTAMP AS emitted_at
FROM windows;

-- A window and status is given out once, so their messages need neither state nor a rule for conflicts. The planner does
-- not know that, for it cannot see that different keys stay different when they are cast.
SET 'table.exec.sink.upsert-materialize' = 'NONE';
SET 'table.exec.sink.require-on-conflict' = 'false';

BEGIN STATEMENT SET;

INSERT INTO metrics
SELECT
  window_start, window_end, status, order_count, total_amount_cents, average_amount_cents, max_amount_cents, emitted_at
FROM window_metrics;

-- A key has to have a value: orders without a status have one here.
INSERT INTO metrics_topic
SELECT
  window_start, window_end, COALESCE(status, '(none)'), order_count, total_amount_cents, average_amount_cents,
  max_amount_cents, emitted_at
FROM window_metrics;

END;
