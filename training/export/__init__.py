"""The Keras model as two ONNX graphs: conversion, quantisation, parity."""
