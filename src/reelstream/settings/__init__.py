"""Every setting, declared once: its type, default, limits, flag and one line of help.

Later beats earlier: the defaults below, then `reelstream.toml` in the current folder (or the file
named by --config), then environment variables (`REELSTREAM_BATCH_ROWS=1000` is `rows` of
`[batch]`), then flags. The options of the command line, the tables in `docs/cli.md`, and what
`reelstream run` hands to its stages are derived from this tree.
"""

from reelstream.settings.declarations import PREFIX, Setting
from reelstream.settings.sections import DataSettings, MetricsSettings, ServeSettings, UiSettings
from reelstream.settings.tree import Settings, declared_settings, load

__all__ = [
    "PREFIX",
    "DataSettings",
    "MetricsSettings",
    "ServeSettings",
    "Setting",
    "Settings",
    "UiSettings",
    "declared_settings",
    "load",
]
