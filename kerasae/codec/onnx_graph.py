"""Encoder and decoder of a Keras model as ONNX graphs, for images of any size and any number of them.

``keras.Model.export`` fixes height and width, and needs a converter of its own on each backend; the layers of the
models here are few, so that each is written down once, for all backends.
"""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from kerasae.codec.frozen import weights_digest
from kerasae.codec.keras_network import KerasNetwork
from kerasae.codec.network import DECODER, ENCODER, digest_of
from kerasae.errors import CodecError
from kerasae.files import replacing
from kerasae.models import Autoencoder

# Gelu came with 20; ONNX Runtime has had it since 1.17.
_OPSET, _IR_VERSION = 20, 9
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
    first, *_ = encoded = graph.network(model.encoder, graph.add("Transpose", scaled, perm=(0, 3, 1, 2)))
    bottleneck, outputs = model.bottleneck, {LATENTS: first}
    kind = type(bottleneck).__name__
    if kind == "HyperpriorBottleneck":
        outputs[HYPER_LATENTS] = graph.hyper_analysis(bottleneck.analysis, first)
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
    start = LATENTS if flat else graph.add("Transpose", LATENTS, perm=(0, 3, 1, 2))
    (images,) = graph.network(model.decoder, start)
    sides = () if flat else ("rows", "columns")
    shape = ("batch", *sides, model.latent_shape[-1])
    latents = helper.make_tensor_value_info(LATENTS, TensorProto.FLOAT, shape)
    return graph.file(latents, {IMAGES: images}, about, flat=False)


def write_network(network: KerasNetwork, folder: Path, model: Path, *, half: bool = False) -> None:
    """Write both halves into ``folder``, for ``OnnxNetwork``; ``model`` is the file of the model.

    Raises ``CodecError`` where a layer has no counterpart in ONNX.
    """
    about = {
        "name": network.name,
        "coder": network.coder,
        "channels": network.channels,
        "is_flat": network.is_flat,
        "takes_any_size": network.takes_any_size,
        "geometry": network.geometry.as_tuple(),
        "weights": weights_digest(network.model.get_weights()),
        "model": digest_of(model),
    }
    for name, graph in ((ENCODER, encoder_graph), (DECODER, decoder_graph)):
        with replacing(folder / name) as partial:
            partial.write_bytes(graph(network.model, about, half=half))


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
        for layer in network.operations:
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
        kernel = self.constant(_array(layer.kernel).transpose(3, 2, 0, 1), kernel=True)
        inputs = [x, kernel, *([self.constant(_array(layer.bias))] if layer.use_bias else [])]
        x = self.add("Conv", *inputs, strides=layer.strides, auto_pad="SAME_UPPER", group=layer.groups)
        return self.activation(layer.activation, x)

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

    def file(self, start, outputs: dict[str, str], about: dict, *, flat: bool) -> bytes:
        found = []
        for name, last in outputs.items():
            if flat:
                self.nodes.append(helper.make_node("Identity", [last], [name]))
            else:
                self.nodes.append(helper.make_node("Transpose", [last], [name], perm=(0, 2, 3, 1)))
            found.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
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
    kernel = graph.constant(_array(layer.kernel).transpose(3, 2, 0, 1), kernel=True)
    inputs = [x, kernel, *([graph.constant(_array(layer.bias))] if layer.use_bias else [])]
    # What the forward convolution pads, an even side of stride 2 taken: the smaller half before.
    over = [max(size - stride, 0) for size, stride in zip(layer.kernel_size, layer.strides, strict=True)]
    short = [max(stride - size, 0) for size, stride in zip(layer.kernel_size, layer.strides, strict=True)]
    pads = [side // 2 for side in over] + [side - side // 2 for side in over]
    x = graph.add("ConvTranspose", *inputs, strides=layer.strides, pads=pads, output_padding=short)
    return graph.activation(layer.activation, x)


def _dense(graph: _Graph, layer, x: str) -> str:
    kernel = graph.constant(_array(layer.kernel), kernel=True)
    x = graph.add("MatMul", x, kernel)
    x = graph.add("Add", x, graph.constant(_array(layer.bias))) if layer.use_bias else x
    return graph.activation(layer.activation, x)


def _flatten(graph: _Graph, layer, x: str) -> str:
    if len(layer.input.shape) == 4:
        x = graph.add("Transpose", x, perm=(0, 2, 3, 1))
    return graph.add("Flatten", x)


def _reshape(graph: _Graph, layer, x: str) -> str:
    if len(layer.input.shape) == 4:
        x = graph.add("Transpose", x, perm=(0, 2, 3, 1))
    shape = layer.output.shape[1:]
    x = graph.add("Reshape", x, graph.constant(np.array([-1, *shape], np.int64)))
    return graph.add("Transpose", x, perm=(0, 3, 1, 2)) if len(shape) == 3 else x


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
