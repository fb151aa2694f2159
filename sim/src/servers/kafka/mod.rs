//! A Kafka broker, as far as `rskafka` uses one.
