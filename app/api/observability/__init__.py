"""What operators watch: metrics, spans, and the ids of requests."""
