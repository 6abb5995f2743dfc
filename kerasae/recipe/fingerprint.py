"""A short hash that two recipes share exactly when they describe the same training, seed aside."""

import hashlib
import json

from kerasae.recipe.recipe import Recipe

# These do not change a single bit of the result, or (the seed) stand in the run's name beside the fingerprint.
_WITHOUT_EFFECT = ("seed", "feed", "checkpoint_seconds")


def fingerprint(recipe: Recipe) -> str:
    """Return 8 hexadecimal digits of the recipe's canonical form, its name and seed left out."""
    plain = recipe.as_dict()
    plain.pop("name")
    for key in _WITHOUT_EFFECT:
        plain["training"].pop(key)
    # Sums in another order are other bits; one device is what there was before recipes could name a number.
    if plain["training"]["devices"] == 1:
        plain["training"].pop("devices")
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]
