"""What data sets of image files have in common: how a pair of files becomes pixels."""

from segsweep.data.decoding import Decoding
from segsweep.data.foreground import Foreground
from segsweep.data.images import READER_VERSION, read_sample
from segsweep.data.source import Pixels, Sample


class FileSource:
    """A data set of image files and mask files; a subclass finds them."""

    thread_safe = True

    def __init__(self, name: str, foreground: Foreground, decoding: Decoding) -> None:
        """Set the rules that decide pixels; *name* begins the signature."""
        self.name, self.foreground, self.decoding = name, foreground, decoding

    @property
    def signature(self) -> str:
        """The reader's version, the foreground rule, and what else decides pixels."""
        return f"{self.name} reader={READER_VERSION} {self.foreground}{self.decoding}"

    @property
    def ignores(self) -> bool:
        """Whether stored values are named whose pixels count for nothing."""
        return bool(self.foreground.ignored)

    def read(self, sample: Sample) -> Pixels:
        """Decode one pair."""
        return read_sample(sample, self.foreground, self.decoding)
