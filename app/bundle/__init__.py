"""The contract between training and serving. Owned by the reader: training imports it, never the other way round."""
