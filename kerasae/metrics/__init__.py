"""Image quality: every metric takes two batches of images and returns one number per image.

Images are float in [0, 1], shape ``(batch, height, width, channels)``; results are float32, shape ``(batch,)``. All run
eagerly and inside compiled steps on TensorFlow, JAX and PyTorch; the averaging is left to the caller. ``METRICS`` lists
those that scores are made of; reading it loads no Keras.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
