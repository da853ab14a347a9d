-- Card testing: someone tries a stolen card with small orders, and once these went through buys something expensive.
--
-- An alert is three small orders of a customer, one directly after another, and directly after them a large one, all
-- within ten minutes. Exactly three, for then a match in the making is never longer than four orders, however busy a
-- customer is; more small orders before these three do not matter. After an alert the search begins behind its last order.
--
-- Orders are taken in the order in which they happened: each waits for the watermark. One that comes later than that is
-- left out and counted (numLateRecordsDropped).

CREATE TABLE orders (
  ${event_columns},
  happened AS CAST(${event_time} AS TIMESTAMP_LTZ(3)),
  WATERMARK FOR happened AS happened - ${watermark}
) WITH (${event_options});

CREATE TABLE fraud_alerts (${table_columns}) WITH (${table_options});

-- Small state that changes all the time: on the heap the pattern keeps up with a multiple of the orders, because what it
-- deletes from RocksDB still has to be passed over there. An hour's order ids have to fit as well.
SET 'state.backend.type' = 'hashmap';

-- An order is placed once, and its message can come several times. How long to remember which ones came:
SET 'table.exec.state.ttl' = '1 h';

CREATE VIEW placed AS
SELECT order_id, customer_id, currency, amount_cents, happened
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY order_id ORDER BY happened ASC) AS seen
  FROM orders
  WHERE status = 'placed'
)
WHERE seen = 1;

-- By currency as well: amounts of different currencies do not compare.
INSERT INTO fraud_alerts
SELECT
  customer_id, currency, small_orders, small_amount_cents, order_id, amount_cents, first_order_time, order_time,
  CURRENT_TIMESTAMP AS detected_at
FROM placed
MATCH_RECOGNIZE (
  PARTITION BY customer_id, currency
  ORDER BY happened
  MEASURES
    COUNT(small.order_id) AS small_orders,
    SUM(small.amount_cents) AS small_amount_cents,
    big.order_id AS order_id,
    big.amount_cents AS amount_cents,
    FIRST(small.happened) AS first_order_time,
    big.happened AS order_time
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (small{3} big) WITHIN ${window}
  DEFINE
    small AS small.amount_cents <= ${small_cents:-500},
    big AS big.amount_cents >= ${large_cents:-100000}
);
