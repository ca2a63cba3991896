"""Asks a broker for a consumer group or a transaction, with kafka-python, and prints the error that comes of it."""

import sys

import kafka

what, address = sys.argv[1:]
try:
    if what == "group":
        consumer = kafka.KafkaConsumer(
            "topic", bootstrap_servers=address, group_id="group", consumer_timeout_ms=60_000
        )
        list(consumer)
    else:
        kafka.KafkaProducer(bootstrap_servers=address, transactional_id="id").init_transactions()
except kafka.errors.KafkaError as error:
    print("failed:", repr(error))
else:
    sys.exit("no answer within a minute")
