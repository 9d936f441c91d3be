"""Converts published translation models into bundles: the Marian students that Firefox uses. Needs no TensorFlow."""
