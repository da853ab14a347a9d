"""Realistic order events for the topic `orders.events`, and a record of what was sent.

`stream.OrderGenerator` makes them; `producer.produce` delivers them and returns the `manifest.Manifest`. Import the
module that is needed: the command line shows its help without numpy and a Kafka client.
"""
