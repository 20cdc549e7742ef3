"""Where subcommands write, looked at before anything takes time."""

from collections.abc import Iterable
from pathlib import Path

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import UnwritableError


def check_places(places: Iterable[Path], read: Iterable[Path] = ()) -> None:
    """
    :param places: of the files that a subcommand will write
    :param read: files that it reads
    :raises UnwritableError: if a place is a folder
    :raises Sb3ScaleError: if a file that is read would be replaced
    """
    sources = {path.resolve() for path in read}
    for place in places:
        if place.is_dir():
            raise UnwritableError(f"'{place}' cannot be written: it is a folder; allowed: a file")
        if place.resolve() in sources:
            raise Sb3ScaleError(
                f"would replace '{place}', which it reads; allowed: another --output"
            )
