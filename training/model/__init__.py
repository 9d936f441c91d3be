"""The Keras model: encoder, attention, decoder, and their configuration."""
