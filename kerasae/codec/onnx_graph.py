"""Encoder and decoder of a Keras model as ONNX graphs, for images of any size and any number of them.

``keras.Model.export`` fixes height and width, and needs a converter of its own on each backend; the layers of the
models here are few, so that each is written down once, for all backends.
"""

import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import keras
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from kerasae.codec.codec import MODEL, Codec
from kerasae.codec.frozen import FILE
from kerasae.codec.keras_network import KerasNetwork
from kerasae.codec.network import DECODER, ENCODER, digest_of
from kerasae.errors import CodecError
from kerasae.files import replacing
from kerasae.models import Autoencoder

# Gelu came with 20; ONNX Runtime has had it since 1.17.
_OPSET, _IR_VERSION = 20, 9
_CHANNELS_LAST = (0, 2, 3, 1)
# Names of what goes in and comes out.
IMAGES, LATENTS, HYPER_LATENTS = "images", "latents", "hyper_latents"


def encoder_graph(model: Autoencoder, about: dict, *, half: bool = False) -> bytes:
    """Return the ONNX file of images → latents.

    ``images`` is uint8 ``(batch, height, width, channels)``; ``latents`` float32, as the encoder gives them (of a
    variational model their means); ``hyper_latents`` comes besides where the model has a hyperprior. ``about`` is kept
    in the file, as JSON under ``kerasae``. With ``half``, kernels are stored as float16. Raises ``CodecError`` where a
    layer has no counterpart here.
    """
    graph = _Graph(half)
    scaled = graph.add("Div", graph.add("Cast", IMAGES, to=TensorProto.FLOAT), graph.constant(np.float32(255)))
    first, *_ = encoded = graph.network(model.encoder, graph.channels_first(scaled))
    bottleneck, outputs = model.bottleneck, {LATENTS: (first, model.latent_shape[-1])}
    kind = type(bottleneck).__name__
    if kind == "HyperpriorBottleneck":
        outputs[HYPER_LATENTS] = graph.hyper_analysis(bottleneck.analysis, first), bottleneck.analysis.hyper_channels
    elif kind not in ("IdentityBottleneck", "FactorizedBottleneck") and not (
        kind == "GaussianBottleneck" and len(encoded) == 2
    ):
        raise CodecError(f"{model.name} cannot be written as ONNX: its bottleneck is a {kind}")
    flat = len(model.latent_shape) == 1
    images = helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ("batch", "height", "width", model.channels))
    return graph.file(images, outputs, about, flat=flat)


def decoder_graph(model: Autoencoder, about: dict, *, half: bool = False) -> bytes:
    """Return the ONNX file of latents → images, float32 in [0, 1] but for what overshoots; see ``encoder_graph``."""
    graph = _Graph(half)
    flat = len(model.latent_shape) == 1
    start = LATENTS if flat else graph.channels_first(LATENTS)
    (images,) = graph.network(model.decoder, start)
    sides = () if flat else ("rows", "columns")
    shape = ("batch", *sides, model.latent_shape[-1])
    latents = helper.make_tensor_value_info(LATENTS, TensorProto.FLOAT, shape)
    return graph.file(latents, {IMAGES: (images, model.channels)}, about, flat=False)


def write_network(network: KerasNetwork, folder: Path, model: Path, weights: str, *, half: bool = False) -> None:
    """Write both halves into ``folder``, for ``OnnxNetwork``: ``model`` is the model's file, ``weights`` their hash.

    Raises ``CodecError`` where a layer has no counterpart in ONNX.
    """
    about = {
        "name": network.name,
        "coder": network.coder,
        "channels": network.channels,
        "is_flat": network.is_flat,
        "takes_any_size": network.takes_any_size,
        "geometry": network.geometry.as_tuple(),
        "reach": _reach(network) if network.takes_any_size else None,
        "weights": weights,
        "model": digest_of(model),
    }
    for name, graph in ((ENCODER, encoder_graph), (DECODER, decoder_graph)):
        with replacing(folder / name) as partial:
            partial.write_bytes(graph(network.model, about, half=half))


def _reach(network: KerasNetwork) -> tuple[int, int]:
    """Return how far an output of the encoder depends on pixels, and one of the decoder on positions of latents."""
    bottleneck, stride = network.model.bottleneck, network.geometry.unit_height // network.geometry.rows
    encoder = _reach_of(network.model.encoder.layers, Fraction(1))
    if network.coder == "hyperprior":
        # Two convolutions of 3×3, a halving between them.
        first, second, _ = bottleneck.analysis.convolutions
        encoder += _reach_of([first], Fraction(stride)) + _reach_of([second], Fraction(2 * stride))
    return math.ceil(encoder), math.ceil(_reach_of(network.model.decoder.layers, Fraction(1)))


def _reach_of(layers, step: Fraction) -> Fraction:
    """Return how far ``layers`` see together, in positions of the first; ``step`` is how far its outputs lie apart.

    As if all lay one behind the other: branches see no farther.
    """
    reach = Fraction(0)
    for layer in layers:
        kind, size = type(layer).__name__, max(getattr(layer, "kernel_size", (1,)))
        # Of the finer of the two grids, and as far as a kernel that lies to one side.
        if "Transpose" in kind:
            step /= layer.strides[0]
        if size > 1:
            reach += (size // 2 if layer.strides[0] == 1 else size) * step
        if kind in ("Conv2D", "StridedConv2D"):
            step *= layer.strides[0]
        elif kind == "SpaceToDepth":
            step *= layer.block
        elif kind == "DepthToSpace":
            step /= layer.block
    return reach


# Those that Keras writes: its own name of each, and how names of files end.
_BY_KERAS = {"saved_model": ("tf_saved_model", ""), "litert": ("litert", ".tflite"), "openvino": ("openvino", ".xml")}
FORMATS = ("onnx", *_BY_KERAS)


def export(codec: Codec, folder: str | Path, format: str = "onnx") -> Path:
    """Write encoder and decoder for programs other than this one, with tables and a README, into ``folder``; return it.

    ``onnx`` takes images of every size and is what ``Codec.load(folder)`` reads, with NumPy, constriction and ONNX
    Runtime alone. The other formats are written by Keras, for images of the model's own size; which it can depends
    on the backend and on what is installed. Raises ``CodecError`` where the format is none or cannot be written.
    """
    if format not in FORMATS:
        raise CodecError(f"format {format!r} is not one; there are {', '.join((*FORMATS, 'run'))}")
    folder, network = Path(folder).expanduser(), codec.keras_network
    folder.mkdir(parents=True, exist_ok=True)
    if format == "onnx":
        write_network(network, folder, folder / MODEL, codec.frozen.weights)
    else:
        _export_by_keras(network, folder, format)
    codec.frozen.save(folder / FILE)
    with replacing(folder / "README.md") as partial:
        partial.write_text(_read_me(codec, format), encoding="utf-8")
    return folder


def _export_by_keras(network: KerasNetwork, folder: Path, format: str) -> None:
    model = network.model
    if None in model.image_shape:
        raise CodecError(f"{network.name} leaves the size of images open, which {format} cannot; onnx can")
    images = keras.Input(model.image_shape, name=IMAGES)
    latents = keras.Input(model.latent_shape, name=LATENTS)
    code = model.encode(images) if network.coder is None else model.bottleneck.to_code(model.encoder(images))
    keras_name, suffix = _BY_KERAS[format]
    parts = {"encoder": keras.Model(images, code), "decoder": keras.Model(latents, model.decoder(latents))}
    for name, part in parts.items():
        try:
            part.export(str(folder / f"{name}{suffix}"), format=keras_name, verbose=False)
        except Exception as error:  # Keras, its backends and converters raise all kinds
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CodecError(
                f"the {name} of {network.name} cannot be written as {format} on {keras.backend.backend()}: {why}; "
                "onnx needs nothing else, and KERAS_BACKEND=tensorflow writes most of the others"
            ) from None


def _read_me(codec: Codec, format: str) -> str:
    network, frozen = codec.keras_network, codec.frozen
    model, colours = network.model, codec.channels
    onnx = format == "onnx"
    sides = "height, width" if onnx and network.takes_any_size else ", ".join(map(str, model.image_shape[:2]))
    grid = "rows, columns" if onnx and network.takes_any_size else ", ".join(map(str, model.latent_shape[:-1]))
    latents = f"(batch, {grid}, {network.channels})" if grid else f"(batch, {network.channels})"
    hyper = network.coder == "hyperprior"
    lines = [
        f"# {network.name}, exported by kerasae as {format}",
        "",
        "| | name | type | shape | |",
        "|---|---|---|---|---|",
        f"| encoder takes | `{IMAGES}` | {'uint8' if onnx else 'float32'} | (batch, {sides}, {colours}) | "
        f"{'0 to 255' if onnx else '0 to 1'} |",
        f"| encoder gives | `{LATENTS}` | float32 | {latents} | not quantized |",
        *([f"| | `{HYPER_LATENTS}` | float32 | a quarter of the rows and columns | not quantized |"] if hyper else []),
        f"| decoder takes | `{LATENTS}` | float32 | {latents} | |",
        f"| decoder gives | `{IMAGES}` | float32 | (batch, {sides}, {colours}) | clip to 0 to 1, times 255, round |",
        "",
        f"Sides of images are multiples of {model.stride}: repeat the last row and column."
        if network.takes_any_size
        else "Images of another size are coded in tiles of this one.",
        "",
        f"`{FILE}` holds what lies between the two: quantizer steps, probability tables"
        f"{', the networks that tell means and scales, in integers' if hyper else ''}, {len(frozen.levels)} qualities, "
        f"fingerprint {frozen.fingerprint.hex()}. The format of the files is in kerasae's docs, files.md.",
    ]
    if onnx:
        lines += ["", "```python", "from kerasae.codec import Codec", "", 'codec = Codec.load("this folder")']
        lines += [
            "data = codec.encode(image)  # uint8 (height, width, channels)",
            "image = codec.decode(data)",
            "```",
            "",
        ]
        lines += ["That needs NumPy, constriction and ONNX Runtime beside kerasae; no Keras."]
    return "\n".join(lines) + "\n"


class _Graph:
    """Nodes and constants, in the order they are added. Within it channels come first, as ONNX has them."""

    def __init__(self, half: bool):
        self.half = half
        self.nodes: list = []
        self.constants: list = []

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, array, *, kernel: bool = False) -> str:
        array = np.asarray(array)
        name = f"constant_{len(self.constants)}"
        half = kernel and self.half
        self.constants.append(numpy_helper.from_array(array.astype(np.float16) if half else array, name))
        return self.add("Cast", name, to=TensorProto.FLOAT) if half else name

    def network(self, network: keras.Model, start: str) -> list[str]:
        """Add a functional model; return the names of its outputs."""
        if not isinstance(network, keras.Model) or not getattr(network, "inputs", None) or not network.outputs:
            raise CodecError(f"{network.name} cannot be written as ONNX: it is no functional model")
        names = {id(network.inputs[0]): start}
        for layer in getattr(network, "operations", network.layers):
            if isinstance(layer, keras.layers.InputLayer):
                continue
            known = [names.get(id(one)) for one in keras.tree.flatten(layer.input)]
            write = _WRITERS.get(type(layer).__name__)
            if write is None or None in known:
                raise CodecError(
                    f"{network.name} cannot be written as ONNX: no counterpart is known of its layer {layer.name}, a "
                    f"{type(layer).__name__}"
                )
            names[id(layer.output)] = write(self, layer, *known)
        return [names[id(output)] for output in network.outputs]

    def convolution(self, layer, x: str) -> str:
        if layer.padding != "same" or layer.data_format != "channels_last" or layer.dilation_rate != (1, 1):
            raise CodecError(
                f"{layer.name} cannot be written as ONNX: its padding is {layer.padding}, its data format "
                f"{layer.data_format}, its dilation {layer.dilation_rate}; same, channels_last and 1 can be"
            )
        x = self.add("Conv", x, *self.weights(layer), strides=layer.strides, auto_pad="SAME_UPPER", group=layer.groups)
        return self.activation(layer.activation, x)

    def weights(self, layer) -> list[str]:
        """Add kernel and bias of a convolution or its transpose."""
        kernel = self.constant(_array(layer.kernel).transpose(3, 2, 0, 1), kernel=True)
        return [kernel, *([self.constant(_array(layer.bias))] if layer.use_bias else [])]

    def channels_first(self, x: str) -> str:
        """Add the way from Keras' order of axes to that within the graph."""
        return self.add("Transpose", x, perm=(0, 3, 1, 2))

    def channels_last(self, x: str, axes: int = 4) -> str:
        """Add the way back; what has no rows and columns stays as it is."""
        return self.add("Transpose", x, perm=_CHANNELS_LAST) if axes == 4 else x

    def matrix(self, kernel: np.ndarray, x: str, bias: np.ndarray | None = None) -> str:
        """Add a matrix ``(inputs, outputs)`` that each position's channels are multiplied by."""
        kernel = self.constant(kernel.T[:, :, np.newaxis, np.newaxis], kernel=True)
        return self.add("Conv", x, kernel, *([self.constant(bias)] if bias is not None else []))

    def activation(self, function: Callable, x: str) -> str:
        name = getattr(function, "__name__", str(function))
        if name not in _ACTIVATIONS:
            raise CodecError(f"the activation {name} cannot be written as ONNX; {', '.join(_ACTIVATIONS)} can be")
        kind = _ACTIVATIONS[name]
        return self.add(kind, x) if kind else x

    def hyper_analysis(self, analysis, x: str) -> str:
        def gelu(x):
            return self.add("Gelu", x, approximate="tanh")

        first, second, third = analysis.convolutions
        x = self.add("Abs", x) if analysis.of_sizes else x
        for layer in (first, second):
            x = self.add("SpaceToDepth", gelu(self.convolution(layer, x)), blocksize=2)
        return self.convolution(third, x)

    def file(self, start, outputs: dict[str, tuple[str, int]], about: dict, *, flat: bool) -> bytes:
        """Return the file; each output has a name of its own, the name it has here, and its channels."""
        found = []
        for name, (last, channels) in outputs.items():
            kind, order = ("Identity", {}) if flat else ("Transpose", {"perm": _CHANNELS_LAST})
            self.nodes.append(helper.make_node(kind, [last], [name], **order))
            sides = () if flat else (f"{name}_rows", f"{name}_columns")
            found.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", *sides, channels)))
        graph = helper.make_graph(self.nodes, "kerasae", [start], found, self.constants)
        file = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="kerasae"
        )
        helper.set_model_props(file, {"kerasae": json.dumps(about)})
        return file.SerializeToString()


def _array(variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)


_ACTIVATIONS = {"linear": None, "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "gelu": "Gelu"}


def _rescaling(graph: _Graph, layer, x: str) -> str:
    scaled = graph.add("Mul", x, graph.constant(np.float32(layer.scale)))
    return graph.add("Add", scaled, graph.constant(np.float32(layer.offset)))


def _transposed(graph: _Graph, layer, x: str) -> str:
    if layer.padding != "same" or layer.data_format != "channels_last" or layer.output_padding is not None:
        raise CodecError(f"{layer.name} cannot be written as ONNX: its padding or data format is an unusual one")
    # What the forward convolution pads, an even side of stride 2 taken: the smaller half before.
    over = [max(size - stride, 0) for size, stride in zip(layer.kernel_size, layer.strides, strict=True)]
    short = [max(stride - size, 0) for size, stride in zip(layer.kernel_size, layer.strides, strict=True)]
    pads = [side // 2 for side in over] + [side - side // 2 for side in over]
    x = graph.add("ConvTranspose", x, *graph.weights(layer), strides=layer.strides, pads=pads, output_padding=short)
    return graph.activation(layer.activation, x)


def _dense(graph: _Graph, layer, x: str) -> str:
    kernel = graph.constant(_array(layer.kernel), kernel=True)
    x = graph.add("MatMul", x, kernel)
    x = graph.add("Add", x, graph.constant(_array(layer.bias))) if layer.use_bias else x
    return graph.activation(layer.activation, x)


def _flatten(graph: _Graph, layer, x: str) -> str:
    return graph.add("Flatten", graph.channels_last(x, len(layer.input.shape)))


def _reshape(graph: _Graph, layer, x: str) -> str:
    x = graph.channels_last(x, len(layer.input.shape))
    shape = layer.output.shape[1:]
    x = graph.add("Reshape", x, graph.constant(np.array([-1, *shape], np.int64)))
    return graph.channels_first(x) if len(shape) == 3 else x


def _gdn(graph: _Graph, layer, x: str) -> str:
    energy = graph.matrix(_array(layer.gamma), graph.add("Mul", x, x), _array(layer.beta))
    root = graph.add("Sqrt", energy)
    return graph.add("Mul" if layer.inverse else "Div", x, root)


def _block_transform(graph: _Graph, layer, x: str) -> str:
    if layer.inverse:
        return graph.add("DepthToSpace", graph.matrix(_array(layer.basis), x), blocksize=layer.block)
    return graph.matrix(_array(layer.basis), graph.add("SpaceToDepth", x, blocksize=layer.block))


_WRITERS: dict[str, Callable[..., str]] = {
    "Rescaling": _rescaling,
    "Conv2D": _Graph.convolution,
    "StridedConv2D": _Graph.convolution,
    "Conv2DTranspose": _transposed,
    "StridedConv2DTranspose": _transposed,
    "Dense": _dense,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Activation": lambda graph, layer, x: graph.activation(layer.activation, x),
    "Add": lambda graph, layer, *parts: graph.add("Sum", *parts),
    "GDN": _gdn,
    "ChannelScale": lambda graph, layer, x: graph.add("Mul", x, graph.constant(_array(layer.scale).reshape(-1, 1, 1))),
    "SpaceToDepth": lambda graph, layer, x: graph.add("SpaceToDepth", x, blocksize=layer.block),
    "DepthToSpace": lambda graph, layer, x: graph.add("DepthToSpace", x, blocksize=layer.block),
    "BlockTransform": _block_transform,
}
