"""The known sets: where their files are served, and the checksums that they must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class KnownFile:
    """One IDX file of a known set.

    `name` is the bare file's; it is served as `name`.gz, of checksum `packed` and, where known,
    `packed_bytes` bytes; `content` is the SHA-256 of the decompressed file, None where none is published.
    """

    name: str
    packed: str
    packed_bytes: int | None = None
    content: str | None = None

    @property
    def packed_name(self) -> str:
        """The name under which it is served."""
        return f"{self.name}.gz"


@dataclass(frozen=True)
class KnownSet:
    """A data set with published checksums of the kind `algorithm`, and its mirrors in order of trial."""

    name: str
    title: str
    mirrors: tuple[str, ...]
    algorithm: str
    files: tuple[KnownFile, KnownFile, KnownFile, KnownFile]  # training images and labels, test images and labels
    class_names: tuple[str, ...]
    default_validation_size: int = 5_000


DIGIT_NAMES = tuple("0123456789")
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
OFFICIAL_NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

MNIST = KnownSet(
    name="mnist",
    title="MNIST",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    algorithm="sha256",
    files=(
        KnownFile(
            TRAIN_IMAGES,
            packed="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            packed_bytes=9_912_422,
            content="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        KnownFile(
            TRAIN_LABELS,
            packed="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            packed_bytes=28_881,
            content="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        KnownFile(
            TEST_IMAGES,
            packed="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            packed_bytes=1_648_877,
            content="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        KnownFile(
            TEST_LABELS,
            packed="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            packed_bytes=4_542,
            content="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    class_names=DIGIT_NAMES,
)

FASHION_MNIST = KnownSet(
    name="fashion_mnist",
    title="Fashion-MNIST",
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    algorithm="md5",
    files=(
        KnownFile(
            TRAIN_IMAGES,
            packed="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            content="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        KnownFile(
            TRAIN_LABELS,
            packed="25c81989df183df01b3e8a0aad5dffbe",
            content="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        KnownFile(
            TEST_IMAGES,
            packed="bef4ecab320f06d8554ea6380940ec79",
            content="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        KnownFile(
            TEST_LABELS,
            packed="bb300cfdad3c16e7a12a480ee83cd310",
            content="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    class_names=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
)

KMNIST = KnownSet(
    name="kmnist",
    title="KMNIST",
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    algorithm="md5",
    files=(
        KnownFile(TRAIN_IMAGES, packed="bdb82020997e1d708af4cf47b453dcf7"),
        KnownFile(TRAIN_LABELS, packed="e144d726b3acfaa3e44228e80efcd344"),
        KnownFile(TEST_IMAGES, packed="5c965bf0a639b31b8f53240b1b52f4d7"),
        KnownFile(TEST_LABELS, packed="7320c461ea6c1c855c0b718fb2a4b134"),
    ),
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
)

KNOWN_SETS: Mapping[str, KnownSet] = MappingProxyType({known.name: known for known in (MNIST, FASHION_MNIST, KMNIST)})
