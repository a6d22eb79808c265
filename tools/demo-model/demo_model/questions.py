# SPDX-License-Identifier: Apache-2.0
"""Questions about scenes, each with one right answer, and captions that name every attribute."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .scenes import COLOURS, PLACES, SHAPES, UNSEEN_PAIRS, Scene, SceneObject

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ORDINALS = ("first", "second", "third")
CAPTION_QUESTIONS = (
    "Describe the picture.",
    "Describe this picture in detail.",
    "What is in the picture?",
    "What does the picture show?",
)
PLURALS = {"cross": "crosses"}
BEHIND = len(PLACES)  # the place of the background


@dataclass(frozen=True)
class Question:
    """A question of a task, its exact answer, and the places that show the answer.

    `about` has the places of the objects that the answer tells of, or BEHIND; those of a caption one
    by one, in the order in which it names them. It stays empty where no place shows the answer.
    """

    task: str
    question: str
    answer: str
    about: tuple[int, ...] = ()


def article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def plural(shape: str) -> str:
    return PLURALS.get(shape, shape + "s")


def name(shown: SceneObject) -> str:
    """All attributes except the place: "large red star"."""
    return "sign" if shown.is_sign else f"{shown.size} {shown.colour} {shown.shape}"


def enumeration(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def caption(scene: Scene) -> str:
    """All objects in reading order with every attribute, and the background."""
    parts = [f"{article(name(o))} {PLACES[o.place]}" for o in scene.in_reading_order()]
    return f"There is {enumeration(parts)}, on a {scene.background} background."


def matching(scene: Scene, shape: str = "", colour: str = "", size: str = "") -> list[SceneObject]:
    """The objects with the given attributes, without signs."""
    return [
        o
        for o in scene.objects
        if not o.is_sign
        and (not shape or o.shape == shape)
        and (not colour or o.colour == colour)
        and (not size or o.size == size)
    ]


def reference(
    scene: Scene, shown: SceneObject, without: str, lot: random.Random
) -> str | None:  # fmt: skip
    """Words that identify this object without the attribute that is asked for."""
    if shown.is_sign:
        return "sign"
    choices = [("shape",), ("colour", "shape"), ("size", "shape"), ("size", "colour", "shape")]
    lot.shuffle(choices)
    for attributes in choices:
        values = {attribute: getattr(shown, attribute) for attribute in attributes}
        if without not in attributes and len(matching(scene, **values)) == 1:
            return " ".join(values.values())
    return None


def plain_objects(scene: Scene) -> list[SceneObject]:
    return [o for o in scene.objects if not o.is_sign]


def ask_caption(scene: Scene, lot: random.Random) -> Question:
    places = (*(shown.place for shown in scene.in_reading_order()), BEHIND)
    return Question("caption", lot.choice(CAPTION_QUESTIONS), caption(scene), places)


def ask_colour(scene: Scene, lot: random.Random) -> Question | None:
    shown = lot.choice(plain_objects(scene) or [None])
    if shown is None:
        return None
    words = reference(scene, shown, "colour", lot)
    if words is None or lot.random() < 0.25:
        words = f"object {PLACES[shown.place]}"
    question = f"What colour is the {words}?"
    return Question("colour", question, sentence(shown.colour), (shown.place,))


def ask_size(scene: Scene, lot: random.Random) -> Question | None:
    shown = lot.choice(plain_objects(scene) or [None])
    words = shown and reference(scene, shown, "size", lot)
    if not words:
        return None
    question = f"Is the {words} large or small?"
    return Question("size", question, sentence(shown.size), (shown.place,))


def ask_place(scene: Scene, lot: random.Random) -> Question | None:
    shown = lot.choice(scene.objects)
    words = reference(scene, shown, "place", lot)
    answer = sentence(PLACES[shown.place])
    return words and Question("place", f"Where is the {words}?", answer, (shown.place,))


def ask_what_is_at(scene: Scene, lot: random.Random) -> Question:
    anywhere = lot.random() < 0.12
    place = lot.randrange(len(PLACES)) if anywhere else lot.choice(scene.objects).place
    shown = scene.at(place)
    answer = article(name(shown)) if shown else "nothing"
    about = (place,) if shown else ()
    return Question("what-is-at", f"What is {PLACES[place]}?", sentence(answer), about)


NEIGHBOURS = {  # words: (steps to the right, steps down)
    "to the left of": (-1, 0), "to the right of": (1, 0), "above": (0, -1), "below": (0, 1),
}  # fmt: skip


def ask_neighbour(scene: Scene, lot: random.Random) -> Question | None:
    """A question about the neighbour of an object, if there is one."""
    choices = []
    for shown in scene.objects:
        row, column = divmod(shown.place, 3)
        for words, (right, down) in NEIGHBOURS.items():
            inside = 0 <= column + right < 3 and 0 <= row + down < 3
            other = scene.at(shown.place + right + 3 * down) if inside else None
            if other:
                choices.append((words, shown, other))
    if not choices:
        return None
    words, shown, other = lot.choice(choices)
    meant = reference(scene, shown, "place", lot)
    return meant and Question(
        "neighbour", f"What is {words} the {meant}?", sentence(article(name(other))), (other.place,)
    )


def described(lot: random.Random) -> tuple[dict[str, str], str]:
    """Random attributes, and the plural for all objects with them."""
    shape, colour = lot.choice(SHAPES), lot.choice(COLOURS)
    kind = lot.randrange(4)
    if kind == 0 and (shape, colour) not in UNSEEN_PAIRS:
        return {"shape": shape, "colour": colour}, f"{colour} {plural(shape)}"
    if kind == 1:
        return {"colour": colour}, f"{colour} objects"
    return {"shape": shape}, plural(shape)


def count_choice(scenes: Sequence[Scene], lot: random.Random) -> tuple[str, list[SceneObject]]:
    """What to count, and all of its objects; seldom something absent."""
    if lot.random() < 0.2:
        return "objects", [shown for scene in scenes for shown in scene.objects]
    for _ in range(20):
        attributes, words = described(lot)
        found = [shown for scene in scenes for shown in matching(scene, **attributes)]
        if found or lot.random() < 0.05:
            break
    return words, found


def ask_count(scene: Scene, lot: random.Random) -> Question:
    words, found = count_choice([scene], lot)
    about = tuple(shown.place for shown in found)
    return Question("count", f"How many {words} are there?", sentence(NUMBERS[len(found)]), about)


def ask_presence(scene: Scene, lot: random.Random) -> Question:
    shown = lot.choice(plain_objects(scene) or [None])
    shape = shown.shape if shown and lot.random() < 0.7 else lot.choice(SHAPES)
    colour = shown.colour if shown and lot.random() < 0.7 else lot.choice(COLOURS)
    if (shape, colour) in UNSEEN_PAIRS:
        colour = "red"
    found = matching(scene, shape=shape, colour=colour)
    question = f"Is there {article(f'{colour} {shape}')}?"
    about = tuple(shown.place for shown in found)
    return Question("presence", question, sentence("yes" if found else "no"), about)


def ask_sign(scene: Scene, lot: random.Random) -> Question | None:
    sign = next((o for o in scene.objects if o.is_sign), None)
    return sign and Question("sign", "What does the sign say?", f"{sign.text}.", (sign.place,))


def ask_background(scene: Scene, lot: random.Random) -> Question:
    answer = sentence(scene.background)
    return Question("background", "What is the background like?", answer, (BEHIND,))


ASKERS: dict[str, Callable[[Scene, random.Random], Question | None]] = {
    "caption": ask_caption,
    "colour": ask_colour,
    "place": ask_place,
    "count": ask_count,
    "what-is-at": ask_what_is_at,
    "sign": ask_sign,
    "size": ask_size,
    "neighbour": ask_neighbour,
    "presence": ask_presence,
    "background": ask_background,
}


def ask(task: str, scene: Scene, lot: random.Random) -> Question | None:
    """A question of the task; None if the scene has none."""
    return ASKERS[task](scene, lot)


def ask_which_picture(scenes: Sequence[Scene], lot: random.Random) -> Question | None:
    """Asks which picture shows an object that only one of them has."""
    index = lot.randrange(len(scenes))
    shown = lot.choice(plain_objects(scenes[index]) or [None])
    if shown is None:
        return None
    wanted = {"shape": shown.shape}
    if lot.random() < 0.7:
        wanted["colour"] = shown.colour
    if sum(bool(matching(scene, **wanted)) for scene in scenes) != 1:
        return None
    words = " ".join(wanted[key] for key in ("colour", "shape") if key in wanted)
    return Question(
        "several-pictures",
        f"Which picture shows {article(words)}?",
        f"The {ORDINALS[index]} picture.",
    )


def ask_about_one(scenes: Sequence[Scene], lot: random.Random) -> Question:
    """Asks about a place in one of the pictures."""
    index = lot.randrange(len(scenes))
    shown = lot.choice(scenes[index].objects)
    return Question(
        "several-pictures",
        f"What is {PLACES[shown.place]} of the {ORDINALS[index]} picture?"
        if shown.place != 4
        else f"What is in the centre of the {ORDINALS[index]} picture?",
        sentence(article(name(shown))),
    )


def ask_count_in_all(scenes: Sequence[Scene], lot: random.Random) -> Question | None:
    words, found = count_choice(scenes, lot)
    if len(found) >= len(NUMBERS):
        return None
    return Question(
        "several-pictures",
        f"How many {words} are there in all pictures?",
        sentence(NUMBERS[len(found)]),
    )


def ask_about_several(scenes: Sequence[Scene], lot: random.Random) -> Question | None:
    """A question that needs all of two or three pictures."""
    return lot.choice((ask_which_picture, ask_about_one, ask_count_in_all))(scenes, lot)
