"""What operators watch: metrics, spans, and the names of requests in the log."""
