"""Two Keras networks of one's own as an image codec: KERAS_BACKEND=jax python examples/own_networks.py"""

import keras
from keras import layers

import kerasae


def build(image_shape=(128, 128, 1), width: int = 32):
    """Return a learned codec; ``kind = "own_networks:build"`` in a recipe calls it too."""
    images = keras.Input(image_shape)
    x = layers.Conv2D(width, 5, strides=4, padding="same", activation="gelu")(images)
    encoder = keras.Model(images, layers.Conv2D(width, 3, strides=2, padding="same")(x))
    latents = keras.Input(encoder.output_shape[1:])
    x = layers.Conv2DTranspose(width, 3, strides=2, padding="same", activation="gelu")(latents)
    decoder = keras.Model(latents, layers.Conv2DTranspose(image_shape[-1], 5, strides=4, padding="same")(x))
    return kerasae.LearnedCodec(encoder, decoder, entropy="factorized", lambdas=[0.002, 0.01, 0.05])


if __name__ == "__main__":
    images = kerasae.load_images(kerasae.load_recipe("ae_l2").data).images  # uint8 (n, height, width, channels)
    model = build()
    model.compile("adam", metrics=["psnr"])
    model.fit(images[:1200], epochs=2, batch_size=32)  # plain Keras
    run = kerasae.train(model, images[:1200], images[1200:1400], epochs=4, batch_size=32)  # record, table, figures
    print("page:", kerasae.report(run))
    codec = kerasae.Codec.load(run)
    data = codec.encode(images[1400], quality=2)
    print(f"{len(data)} bytes → {codec.decode(data).shape}")
