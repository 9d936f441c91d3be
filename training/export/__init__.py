"""Export of the Keras model as two ONNX graphs: conversion, quantisation and parity checks."""
