"""What operators watch: metrics, spans and the access log."""
