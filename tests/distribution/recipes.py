"""The small recipes that are trained on one device, on two, and in two processes."""

from kerasae.recipes import recipe_from

# 15 training images in batches of 4: three that divide over two devices and a last of 3 that does not; 5 in the second
# recipe divide nowhere. 5 or 4 images of the other splits, in one partial batch or two.
_PARTS = {
    "autoencoder": {"model": {"kind": "conv_autoencoder", "filters": [4, 2]}, "training": {"batch_size": 4}},
    "noisy_vae": {
        "model": {"kind": "mlp_vae", "hidden": [16], "latent_size": 4},
        "objective": {"likelihood": "calibrated"},
        "regularizer": {"l2": 1e-4},
        "noise": {"sigma": 0.1},
        "training": {"batch_size": 5, "flip": True, "schedule": "cosine"},
    },
}
NAMES = tuple(_PARTS)


def recipe_of(name, folder, devices, **training):
    parts = _PARTS[name]
    plain = parts | {
        "data": {"source": "folder", "path": str(folder), "image_size": 32, "split": [0.625, 0.1875, 0.1875]},
        "training": {"epochs": 4, "checkpoint_seconds": 0, "devices": devices} | parts["training"] | training,
    }
    return recipe_from(plain, name=name, origin="test")
