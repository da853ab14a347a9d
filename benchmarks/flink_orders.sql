-- Orders as they come, from the topic into a table: what the SQL path costs.

CREATE TABLE orders (${event_columns}) WITH (${event_options});

CREATE TABLE orders_copy (${table_columns}) WITH (${table_options});

INSERT INTO orders_copy SELECT * FROM orders;
