"""As much of style sheets as it takes to tell what a reader of a mail does not see."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

TINY = 2.0  # pixels of letters that nobody reads
FAR = 500.0  # pixels beside the window that nobody scrolls to
FAINT = 0.1  # of opacity
ALIKE = 16  # of 255, in each of red, green and blue: text on its background that cannot be told from it
MOST_RULES = 500  # of a mail's style sheets that are read
MOST_CSS = 200_000  # characters of them
WIDTH = 800.0  # pixels of the window that a mail is taken to be read in

Colour = tuple[int, int, int]
NAMED: dict[str, Colour] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "floralwhite": (255, 250, 240),
    "mintcream": (245, 255, 250),
    "azure": (240, 255, 255),
    "aliceblue": (240, 248, 255),
    "whitesmoke": (245, 245, 245),
    "seashell": (255, 245, 238),
    "gainsboro": (220, 220, 220),
    "lightgray": (211, 211, 211),
    "lightgrey": (211, 211, 211),
    "silver": (192, 192, 192),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "maroon": (128, 0, 0),
    "yellow": (255, 255, 0),
    "olive": (128, 128, 0),
    "lime": (0, 255, 0),
    "green": (0, 128, 0),
    "aqua": (0, 255, 255),
    "cyan": (0, 255, 255),
    "teal": (0, 128, 128),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
    "fuchsia": (255, 0, 255),
    "magenta": (255, 0, 255),
    "purple": (128, 0, 128),
    "orange": (255, 165, 0),
    "pink": (255, 192, 203),
    "brown": (165, 42, 42),
}
SIZES = {"xx-small": 9, "x-small": 10, "small": 13, "medium": 16, "large": 18, "x-large": 24, "xx-large": 32}
UNITS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "rem": 16.0, "vw": 8.0}


@dataclass(frozen=True)
class Look:
    """What an element hands down to those within."""

    gone: bool = False  # nothing within can be seen, whatever its own style
    visible: bool = True
    size: float = 16.0  # pixels of its letters
    colour: Colour | None = (0, 0, 0)  # None: see-through
    ground: Colour | None = (255, 255, 255)  # None: a picture
    pre: bool = False

    @property
    def hidden(self) -> bool:
        if self.gone or not self.visible or self.size <= TINY or self.colour is None:
            return True
        if self.ground is None:
            return False
        return all(abs(one - other) <= ALIKE for one, other in zip(self.colour, self.ground, strict=True))


def declarations(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in uncommented(text[:20_000]).split(";"):
        name, colon, value = each[:500].partition(":")
        name, value = name.strip().lower(), value.strip().lower()
        if colon and not (found.get(name, "").endswith("!important") and not value.endswith("!important")):
            found[name] = value
    return found


def uncommented(text: str) -> str:
    """Without /* comments */; what stands behind one that is never closed goes too. In one pass, whatever the text."""
    first, *others = text.split("/*")
    return first + "".join(each.partition("*/")[2] for each in others)


def seen(look: Look, style: Mapping[str, str], attributes: Mapping[str, str]) -> Look:
    """How an element with that style looks within one that looks like `look`."""
    if look.gone:
        return look
    style = {name: value.removesuffix("!important").strip() for name, value in style.items()}
    if _takes_away(style) or ("hidden" in attributes and "display" not in style):
        return replace(look, gone=True)
    if (visibility := style.get("visibility")) and visibility != "inherit":
        look = replace(look, visible=visibility not in ("hidden", "collapse"))
    size = style.get("font-size") or _font_size(style.get("font", ""))
    if size and (pixels := _font_pixels(size, look.size)) is not None:
        look = replace(look, size=pixels)
    ground = style.get("background-color") or style.get("background") or style.get("background-image")
    ground = ground or attributes.get("bgcolor", "").lower()
    if ground or attributes.get("background"):
        look = replace(look, ground=_ground(ground or "url(", look.ground))
    colour = style.get("color") or style.get("-webkit-text-fill-color") or attributes.get("color", "").lower()
    if colour and colour not in ("inherit", "initial", "unset", "currentcolor", "windowtext"):
        found = colours(colour)
        look = replace(look, colour=None if _see_through(colour) else found[0] if found else look.colour)
    if space := style.get("white-space"):
        look = replace(look, pre=space.startswith(("pre", "break-spaces")))
    return look


def _takes_away(style: Mapping[str, str]) -> bool:
    if style.get("display") == "none" or style.get("content-visibility") == "hidden":
        return True
    if (opacity := _number(style.get("opacity", ""))) is not None and opacity < FAINT:
        return True
    if re.search(r"opacity\(\s*0*(\.0\d*)?%?\s*\)", style.get("filter", "")):
        return True
    if re.search(r"scale[xy]?\(\s*0*(\.0\d*)?\s*[,)]", style.get("transform", "")):
        return True
    cut = "hidden" in style.get("overflow", "") or "hidden" in style.get("overflow-y", "")
    sizes = [_pixels(style.get(name, "")) for name in ("max-height", "height", "max-width", "width")]
    if cut and any(size is not None and size <= TINY for size in sizes):
        return True
    if "mso-hide" in style and sizes[0] == 0:
        return True
    if style.get("position") in ("absolute", "fixed"):
        if any((_pixels(style.get(side, "")) or 0) <= -FAR for side in ("left", "top", "right", "bottom")):
            return True
        if re.match(r"rect\(\s*(0|1)\w*[\s,]+(0|1)\w*[\s,]+(0|1)\w*[\s,]+(0|1)\w*", style.get("clip", "")):
            return True
    if re.match(r"inset\(\s*(50|100)%|circle\(\s*0|polygon\(\s*0", style.get("clip-path", "")):
        return True
    moved = re.findall(r"translate[xyz3d]{0,2}\(([^)]{0,100})\)", style.get("transform", ""))
    shifts = [style.get("text-indent", ""), style.get("margin-left", ""), style.get("margin-top", ""), *moved]
    return any(abs(_pixels(each) or 0) >= FAR and each.strip().startswith("-") for each in shifts)


def _number(value: str) -> float | None:
    found = re.match(r"\s*([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))", value)
    return float(found.group(1)) * (0.01 if value.strip().endswith("%") else 1) if found else None


def _pixels(value: str, em: float = 16.0) -> float | None:
    found = re.match(r"\s*([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))\s*([a-z%]*)", value)
    if not found:
        return None
    factor = {"em": em, "ex": em / 2, "%": em / 100, **UNITS}.get(found.group(2))
    return None if factor is None else float(found.group(1)) * factor


def _font_size(font: str) -> str:
    found = re.search(r"(?:^|\s)((?:\d*\.)?\d+(?:px|pt|em|rem|%))(?:\s|/|$)", font[:200])
    return found.group(1) if found else ""


def _font_pixels(value: str, parent: float) -> float | None:
    if value in ("smaller", "larger"):
        return parent * (1.2 if value == "larger" else 1 / 1.2)
    return SIZES.get(value) or _pixels(value, parent)


def colours(value: str) -> list[Colour]:
    """The colours that a value names, in order."""
    found: list[Colour] = []
    for each in re.finditer(r"#([0-9a-f]{3,8})\b|(rgb|hsl)a?\(([^)]{0,80})\)|[a-z]{3,20}", value[:2_000]):
        digits, kind, numbers = each.groups()
        if digits and len(digits) in (3, 4, 6, 8):
            digits = "".join(one * 2 for one in digits) if len(digits) < 6 else digits
            found.append((int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)))
        elif kind:
            parts = re.findall(r"([\d.]{1,10})(%?)", numbers)[:3]
            if len(parts) == 3 and kind == "rgb":
                red, green, blue = (_level(amount, 2.55 if percent else 1) for amount, percent in parts)
                found.append((red, green, blue))
            elif len(parts) == 3:
                light = _level(parts[2][0], 2.55)
                # Hue matters only between black and white, and there no two are alike.
                found.append((light, light, light) if light in (0, 255) or parts[1][0] == "0" else (light, 128, 1))
        elif each.group() in NAMED:
            found.append(NAMED[each.group()])
    return found


def _level(amount: str, factor: float) -> int:
    number = _number(amount)
    return max(0, min(255, round((number or 0) * factor)))


def _see_through(value: str) -> bool:
    if value == "transparent":
        return True
    if found := re.fullmatch(r"(?:rgb|hsl)a?\([^)]*[,/]\s*([\d.]{1,10}%?)\s*\)", value):
        parts = len(re.split(r"[\s,/]+", value.strip(" )")))
        return parts >= 4 and ("/" in value or value.count(",") == 3) and (_number(found.group(1)) or 0) < FAINT
    found = re.fullmatch(r"#(?:[0-9a-f]{6}([0-9a-f]{2})|[0-9a-f]{3}([0-9a-f]))", value)
    return bool(found) and int(found.group(1) or found.group(2) * 2, 16) < FAINT * 255


def _ground(value: str, under: Colour | None) -> Colour | None:
    if _see_through(value) or value in ("none", "inherit", "initial", "unset"):
        return under
    found = colours(re.sub(r"url\([^)]*\)?", "", value))
    if found:
        return found[0]
    return None if "url(" in value else under
