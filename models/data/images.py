"""Images by number, whether they lie in tar files or in a folder."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.data.index import Arrays, Index, fingerprints
from models.data.pixels import decode_image
from models.data.tars import member_places, tar_files
from orchestrator.errors import DataError

IMAGE_SUFFIXES = ("png", "jpg", "jpeg", "webp")
"""Suffixes of image files, in lower case."""


class ImageSource(Protocol):
    """Images of one part of a collection, in a fixed order."""

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def key(self, index: int) -> str:
        """Return the name of the image at `index`."""
        ...

    def index(self, key: str) -> int:
        """Return where the image of that name is.

        Raises:
            DataError: if there is none.
        """
        ...

    def content(self, index: int) -> bytes:
        """Return the bytes of one image's file.

        Raises:
            DataError: if it is missing.
        """
        ...

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Decode one image: (H, W, 3), RGB, 0 to 255.

        Raises:
            DataError: if the image is missing or damaged.
        """
        ...


def open_images(part_folder: Path) -> ImageSource:
    """Open the images of a part: its tar files if it has any, else the image files below it.

    Raises:
        DataError: if there are none, or a tar file is damaged.
    """
    if any(part_folder.glob("*.tar")):
        return TarImages(part_folder)
    return FolderImages(part_folder)


class TarImages:
    """Images in tar files, in the order of files and members; a key is the sample's key."""

    def __init__(self, folder: Path) -> None:
        arrays = image_index(folder).arrays()
        self._files = tar_files(folder)
        self._keys = arrays["keys"]  # (n,) text
        self._places = arrays["places"]  # (n, 3): file, offset, size

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, index: int) -> str:
        """Return the sample's key."""
        return str(self._keys[index])

    @cached_property
    def _by_key(self) -> dict[str, int]:
        return {str(key): index for index, key in enumerate(self._keys)}

    def index(self, key: str) -> int:
        """Return where the sample's image is."""
        return _found(self._by_key, key, self._files[0].parent)

    def content(self, index: int) -> bytes:
        """Return the bytes of one image's file."""
        file, offset, size = (int(value) for value in self._places[index])
        with self._files[file].open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Decode one image: (H, W, 3), RGB."""
        file = self._files[int(self._places[index][0])]
        return decode_image(self.content(index), f"{file}: {self.key(index)}")


class FolderImages:
    """Image files below a folder, by name; a key is the path inside the folder, with slashes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = sorted(_image_files(folder))
        if not self._keys:
            raise DataError("there is no image here", str(folder), "fetch or make the images again")

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, index: int) -> str:
        """Return the path inside the folder."""
        return self._keys[index]

    @cached_property
    def _by_key(self) -> dict[str, int]:
        return {key: index for index, key in enumerate(self._keys)}

    def index(self, key: str) -> int:
        """Return where the image of that path is."""
        return _found(self._by_key, key, self._folder)

    def content(self, index: int) -> bytes:
        """Return the bytes of one image's file."""
        path = self._folder / self._keys[index]
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(
                f"the image cannot be read ({error.strerror})", str(path), "fetch it again"
            ) from error

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Decode one image: (H, W, 3), RGB."""
        return decode_image(self.content(index), str(self._folder / self._keys[index]))


def image_index(folder: Path) -> Index:
    """Return the index over the images of a part of tar files.

    Raises:
        DataError: if there is no tar file.
    """
    files = tar_files(folder)
    return Index(
        folder=folder, name="images", stamp=fingerprints(files), build=lambda: _find_images(files)
    )


def image_members(file: Path) -> dict[str, tuple[int, int]]:
    """Return where the images of a tar file lie: offset and size by name, in order.

    A name is the sample's key, a dot and the suffix in lower case.

    Raises:
        DataError: if the file is missing, cut off or compressed, or has a name twice.
    """
    found: dict[str, tuple[int, int]] = {}
    for name, place in member_places(file).items():
        key, suffix = _split(name)
        if suffix in IMAGE_SUFFIXES and found.setdefault(f"{key}.{suffix}", place) != place:
            raise DataError(f"there are two images {key}.{suffix}", str(file), "name each once")
    return found


def _find_images(files: list[Path]) -> Arrays:
    keys: list[str] = []
    places: list[tuple[int, int, int]] = []
    for number, file in enumerate(files):
        for name, (offset, size) in image_members(file).items():
            keys.append(name.rpartition(".")[0])
            places.append((number, offset, size))
    if not keys:
        raise DataError(
            "the tar files hold no image",
            where=str(files[0].parent),
            mend=f"give samples with one of the suffixes {', '.join(IMAGE_SUFFIXES)}",
        )
    return {"keys": np.array(keys), "places": np.array(places, dtype=np.int64)}


def _split(name: str) -> tuple[str, str]:
    """Split a member's name at the first dot of its last part, as webdataset does."""
    folder, slash, file = name.rpartition("/")
    key, _, suffix = file.partition(".")
    return folder + slash + key, suffix.lower()


def _image_files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        below = Path(parent).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        for name in names:
            if name.rpartition(".")[2].lower() in IMAGE_SUFFIXES:
                yield prefix + name


def _found(by_key: dict[str, int], key: str, folder: Path) -> int:
    try:
        return by_key[key]
    except KeyError as error:
        raise DataError(
            f"there is no image {key}", str(folder), "fetch or make the image again"
        ) from error
