"""The page's texts. Each language is a table with the same keys and the same names in braces; a
test compares them.
"""

from reelstream.ui.texts.english import ENGLISH
from reelstream.ui.texts.indonesian import INDONESIAN

# Code of the language -> its own name; the first is for browsers of any other language.
LANGUAGES = {"en": "English", "id": "Indonesia"}
TEXTS = {"en": ENGLISH, "id": INDONESIAN}

__all__ = ["LANGUAGES", "TEXTS"]
