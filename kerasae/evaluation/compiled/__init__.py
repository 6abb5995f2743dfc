"""What scoring compiles otherwise than Keras does, for each backend that compiles."""
