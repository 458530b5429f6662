"""Made-up film titles: readable, distinct, and no real film's on purpose."""

from __future__ import annotations

from collections import Counter

import numpy as np

_ADJECTIVES = (
    *(
        "Amber",
        "Ancient",
        "Bitter",
        "Blue",
        "Borrowed",
        "Brave",
        "Broken",
        "Burning",
        "Clever",
        "Cold",
        "Crimson",
    ),
    *(
        "Crooked",
        "Curious",
        "Distant",
        "Electric",
        "Empty",
        "Endless",
        "Fearless",
        "Final",
        "First",
        "Foolish",
    ),
    *(
        "Forgotten",
        "Frozen",
        "Gentle",
        "Golden",
        "Hidden",
        "Hollow",
        "Honest",
        "Hungry",
        "Invisible",
        "Iron",
        "Last",
    ),
    *(
        "Lonely",
        "Lost",
        "Lucky",
        "Midnight",
        "Naked",
        "Northern",
        "Paper",
        "Patient",
        "Perfect",
        "Quiet",
        "Restless",
    ),
    *(
        "Reluctant",
        "Rusty",
        "Scarlet",
        "Second",
        "Secret",
        "Seventh",
        "Silent",
        "Silver",
        "Sleepless",
        "Southern",
    ),
    *(
        "Stolen",
        "Strange",
        "Sudden",
        "Sunken",
        "Tender",
        "Unlikely",
        "Velvet",
        "Wandering",
        "Wicked",
        "Wild",
        "Young",
    ),
)
_NOUNS = (
    *(
        "Accountant",
        "Afternoon",
        "Ambassador",
        "Anthem",
        "Apprentice",
        "Astronaut",
        "Bakery",
        "Bargain",
        "Bridge",
    ),
    *(
        "Carnival",
        "Cartographer",
        "Castle",
        "Comet",
        "Confession",
        "Conspiracy",
        "Daughter",
        "Detective",
        "Diary",
    ),
    *(
        "Dinner",
        "Empire",
        "Engine",
        "Expedition",
        "Farewell",
        "Ferry",
        "Gambler",
        "Garden",
        "Ghost",
        "Harbour",
        "Harvest",
    ),
    *(
        "Heist",
        "Highway",
        "Holiday",
        "Hotel",
        "Hunter",
        "Island",
        "Journey",
        "Jury",
        "Kingdom",
        "Lantern",
        "Letter",
    ),
    *(
        "Lighthouse",
        "Machine",
        "Magician",
        "Marriage",
        "Mirror",
        "Mountain",
        "Museum",
        "Neighbour",
        "Orchard",
    ),
    *(
        "Orchestra",
        "Outlaw",
        "Painter",
        "Parade",
        "Pilot",
        "Promise",
        "Prophet",
        "Railway",
        "Reunion",
        "River",
    ),
    *(
        "Robot",
        "Sailor",
        "Scandal",
        "School",
        "Shadow",
        "Signal",
        "Sister",
        "Soldier",
        "Storm",
        "Stranger",
        "Summer",
    ),
    *(
        "Symphony",
        "Tailor",
        "Teacher",
        "Telegram",
        "Thief",
        "Tournament",
        "Tower",
        "Traveller",
        "Treasure",
        "Trial",
    ),
    *(
        "Verdict",
        "Village",
        "Visitor",
        "Voyage",
        "Waltz",
        "Wedding",
        "Weekend",
        "Widow",
        "Winter",
        "Witness",
    ),
)
_PLACES = (
    *(
        "Aberdeen",
        "Accra",
        "Bergen",
        "Bologna",
        "Bremen",
        "Buenos Aires",
        "Cairo",
        "Calcutta",
        "Cardiff",
        "Cork",
    ),
    *(
        "Dakar",
        "Darwin",
        "Galway",
        "Geneva",
        "Granada",
        "Hanoi",
        "Havana",
        "Helsinki",
        "Kyoto",
        "Lagos",
        "Leipzig",
    ),
    *(
        "Lima",
        "Lisbon",
        "Macao",
        "Malta",
        "Marseille",
        "Nairobi",
        "Naples",
        "Odessa",
        "Oslo",
        "Palermo",
        "Porto",
    ),
    *(
        "Prague",
        "Quito",
        "Reykjavik",
        "Riga",
        "Salem",
        "Samarkand",
        "Santiago",
        "Seville",
        "Tangier",
        "Tbilisi",
    ),
    *("Toledo", "Trieste", "Tromsø", "Utrecht", "Valencia", "Verona", "Winnipeg", "Zanzibar"),
)


def make_titles(number: int, random: np.random.Generator) -> list[str]:
    """`number` distinct titles, as MovieLens writes them: `Silent Harbour, The`. A name drawn again
    is a sequel.
    """
    adjectives = random.integers(len(_ADJECTIVES), size=number)
    nouns = random.integers(len(_NOUNS), size=(2, number))
    places = random.integers(len(_PLACES), size=number)
    grammar = random.choice(5, size=number, p=(0.3, 0.25, 0.2, 0.15, 0.1))
    parts: Counter[str] = Counter()
    titles = []
    for kind, a, n, m, p in zip(
        grammar.tolist(), adjectives, nouns[0], nouns[1], places, strict=True
    ):
        adjective, noun, other, place = _ADJECTIVES[a], _NOUNS[n], _NOUNS[m], _PLACES[p]
        stem, article = (
            (f"{adjective} {noun}", ", The"),
            (f"{adjective} {noun}", ""),
            (f"{noun} of {place}", ", The"),
            (f"{noun} in {place}", ", A" if noun[0] not in "AEIOU" else ", An"),
            (f"{noun} and the {other}", ", The"),
        )[kind]
        # Counted with the article: `Silent Harbour, The` is no sequel of `Silent Harbour`.
        parts[stem + article] += 1
        sequel = parts[stem + article]
        titles.append(f"{stem}{f' {sequel}' if sequel > 1 else ''}{article}")
    return titles
