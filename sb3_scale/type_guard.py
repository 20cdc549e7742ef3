"""typeguard without plugins of its own, for which it reads the metadata of every distribution."""

import os

__all__ = ["typeguard"]

_KEY = "TYPEGUARD_DISABLE_PLUGIN_AUTOLOAD"

# One broken file of a stranger would stop the import.
_before = os.environ.get(_KEY)
os.environ[_KEY] = "1"
try:
    import typeguard
finally:
    if _before is None:
        del os.environ[_KEY]
    else:
        os.environ[_KEY] = _before
