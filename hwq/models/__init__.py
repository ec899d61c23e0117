"""Model files in, quantized ONNX out: Keras files, quantizers put into float models, the nodes that carry them."""
