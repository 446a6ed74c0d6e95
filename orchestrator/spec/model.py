"""What a model is made of: the decoder (OpenLM's options) and how it sees images. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least


class Norm(StrEnum):
    """Normalisation layers, by OpenLM's names (`--model-norm`)."""

    DEFAULT = "default_layer_norm"
    GAIN_ONLY = "gain_only_layer_norm"
    GAIN_ONLY_LP = "gain_only_lp_layer_norm"
    LP = "lp_layer_norm"
    NO_WEIGHT = "no_wb_layer_norm"
    RMS = "rms_norm"


class FeedForward(StrEnum):
    """Feed-forward layers, by OpenLM's names (`--ffn-type`)."""

    SWIGLU = "swiglu"
    GELU = "gelu"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer in OpenLM's parametrisation.

    Norm and qk-norm are always stated, because OpenLM's own JSON files leave them out and a
    checkpoint read with the wrong ones gives wrong answers without an error.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    width: int
    """D: activations per position. A multiple of `heads`."""

    depth: int
    """Transformer blocks. At least 1."""

    heads: int
    """Attention heads. At least 1."""

    vocab_size: int
    """Rows of the embedding, padding included. At least 2."""

    seq_len: int
    """T: positions per sequence. At least 2."""

    norm: Norm
    """Normalisation layer of blocks and output."""

    qk_norm: bool
    """Whether queries and keys are normalised, over all heads at once as OpenLM does."""

    ffn: FeedForward = FeedForward.SWIGLU
    """Feed-forward layer."""

    ffn_multiple: int = 256
    """SwiGLU's hidden width is 8/3 of `width`, rounded up to this multiple; 256 in OpenLM."""

    weight_tying: bool = False
    """Whether the output layer shares the embedding's weights; never in OpenLM's presets."""

    post_embed_norm: bool = False
    """Whether embeddings, of tokens and of images, are normalised before the first block."""

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads", "ffn_multiple"):
            check_at_least(name, getattr(self, name), 1)
        for name in ("vocab_size", "seq_len"):
            check_at_least(name, getattr(self, name), 2)
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ConfigError(
                f"width {self.width} over {self.heads} heads gives no even whole head width",
                where="heads",
                mend="choose heads so that width / heads is an even whole number",
            )

    @property
    def head_width(self) -> int:
        """Activations per head."""
        return self.width // self.heads

    @property
    def ffn_width(self) -> int:
        """Hidden activations of the feed-forward layer, by OpenLM's rule."""
        if self.ffn is FeedForward.GELU:
            return 4 * self.width
        multiple = self.ffn_multiple
        return multiple * -(-int(8 * self.width / 3) // multiple)


class Encoder(StrEnum):
    """What turns pixels into features."""

    PATCH = "patch"
    """No encoder: each patch's pixels are the feature."""
    CNN = "cnn"
    """A small convolutional tower that the study trains itself (`tower_pretrain`)."""
    SIGLIP = "siglip"
    """SigLIP's vision transformer, with published weights."""
    SIGLIP_DINOV2 = "siglip_dinov2"
    """SigLIP's and DINOv2's features side by side, SigLIP's last as in Prismatic."""


PUBLISHED_WEIGHTS = {
    Encoder.SIGLIP: ("google/siglip-so400m-patch14-384",),
    Encoder.SIGLIP_DINOV2: (
        "facebook/dinov2-with-registers-large",
        "google/siglip-so400m-patch14-384",
    ),
}
"""Encoders with published weights, and the hub's names of those that Keh et al. and Prismatic use,
in the order in which their features are joined."""


class Projector(StrEnum):
    """What turns features into image tokens; hidden widths as in Prismatic."""

    LINEAR = "linear"
    MLP = "mlp"
    """Two layers, the hidden one as wide as the decoder."""
    FUSED_MLP = "fused_mlp"
    """Three layers, the first four times as wide as the features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionConfig:
    """How a model sees an image.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    encoder: Encoder
    """What turns pixels into features."""

    image_size: int
    """Side of the square image in pixels. A multiple of `patch_size`, unless the encoder is a
    published one: these leave out the pixels beyond the last whole patch."""

    patch_size: int
    """Side of one patch in pixels; one patch is one image token."""

    feature_width: int
    """Features per patch that the encoder gives; for `patch`, 3 x patch_size^2; for `cnn`, a
    multiple of 4."""

    projector: Projector = Projector.MLP
    """What turns features into image tokens."""

    frozen: bool = True
    """Whether the encoder's weights stay as they are."""

    weights: tuple[str, ...] = ()
    """Hub names of an encoder's published weights, in the order in which features are joined;
    empty for `patch` and `cnn`."""

    def __post_init__(self) -> None:
        for name in ("image_size", "patch_size", "feature_width"):
            check_at_least(name, getattr(self, name), 1)
        usual = PUBLISHED_WEIGHTS.get(self.encoder, ())
        if len(self.weights) != len(usual):
            raise ConfigError(
                f"encoder {self.encoder} has {len(usual)} towers with published weights, but "
                f"weights names {len(self.weights)}",
                where="weights",
                mend=f"give weights: [{', '.join(usual)}]" if usual else "leave weights out",
            )
        if not usual and self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}",
                where="patch_size",
                mend="choose a patch size that divides the image size",
            )
        if self.encoder is Encoder.CNN and self.feature_width % 4:
            raise ConfigError(
                f"feature_width is {self.feature_width}, not a multiple of 4",
                where="feature_width",
                mend=f"give {4 * max(1, self.feature_width // 4)}",
            )
        if self.encoder is Encoder.PATCH and self.feature_width != 3 * self.patch_size**2:
            raise ConfigError(
                f"feature_width is {self.feature_width}, but a patch has "
                f"{3 * self.patch_size**2} pixel values",
                where="feature_width",
                mend=f"give {3 * self.patch_size**2}",
            )

    @property
    def trains_tower(self) -> bool:
        """Whether a tower learns with the model."""
        return self.encoder is not Encoder.PATCH and not self.frozen

    @property
    def image_tokens(self) -> int:
        """Positions that one image takes in a sequence."""
        return (self.image_size // self.patch_size) ** 2
