"""Whether the From address of a mail is proved, by what our own mail server wrote into it (RFC 8601)."""

import re

from channels.email.mail import Mail

# method[/version] = result, then reason="..." and properties such as header.d=example.com.
RESULT = re.compile(r"([a-z][a-z0-9-]{0,40})(?:\s*/\s*\d{1,4})?\s*=\s*([a-z]{1,20})(?=\s|$)", re.IGNORECASE)
PROPERTY = re.compile(
    r'\s+([a-z][a-z0-9._-]{0,60})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s";=]*(?:=[^\s";]*)?)(?=\s|$)', re.IGNORECASE
)
DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


def verified(mail: Mail, authserv_id: str) -> bool:
    """Whether the server that calls itself `authserv_id` says that the mail is from whom its From names.

    Only its own Authentication-Results count, by the whole id whatever its case, and of several the topmost, which it
    added last. **A sender can write such a field too: the server has to remove those that bear its id from what comes
    in** (RFC 8601, 5), as OpenDMARC, Rspamd and Exchange do. Without an id nothing is ever verified.

    Proof is DMARC passed for the domain of From; or, where the server says nothing against it by DMARC, DKIM or SPF
    passed for that domain. A domain proves one that is the same, above it or below it: there is no list of public
    suffixes here, so a neighbour ("mail.example.com" for "shop.example.com") is not taken, though DMARC would. What is
    proved is that the domain vouches for the address; who may write by which name within it is its own affair. A
    field that cannot be read to its end proves nothing.
    """
    domain = _domain(mail.sender.address)
    wanted = authserv_id.strip().casefold()
    if not domain or not wanted:
        return False
    for value in mail.all("authentication-results"):
        pieces = _pieces(value)
        if pieces is None or _server(pieces[0]) != wanted:
            continue
        results = [_result(piece) for piece in pieces[1:] if piece.strip()]
        return _version(pieces[0]) and _proves([each for each in results if each], domain, whole=None not in results)
    return False


def _proves(results: list[tuple[str, str, dict[str, str]]], domain: str, *, whole: bool) -> bool:
    if not whole:
        return False
    proved = False
    for method, result, given in results:
        if method == "dmarc":
            if _domain(given.get("header.from", "")) != domain or result in ("fail", "reject", "quarantine"):
                return False
            proved |= result == "pass"
        elif method == "dkim" and result == "pass":
            proved |= _aligned(_domain(given.get("header.d") or given.get("header.i", "")), domain)
        elif method == "spf" and result == "pass":
            proved |= _aligned(_domain(given.get("smtp.mailfrom", "")), domain)
    return proved


def _aligned(one: str, other: str) -> bool:
    return bool(one) and (one == other or one.endswith("." + other) or other.endswith("." + one))


def _domain(address: str) -> str:
    """Of an address or of a domain by itself: in ASCII, lower case; "" for what is none."""
    domain = address.rpartition("@")[2].strip().rstrip(".").casefold()
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return domain if DOMAIN.fullmatch(domain) else ""


def _pieces(value: str) -> list[str] | None:
    """The field cut at its semicolons, without comments; None where a quote or a comment is never closed."""
    pieces, out, depth, quoted, skip = list[str](), list[str](), 0, False, False
    for each in value:
        if skip:
            skip = False
            if not depth:
                out.append(each)
        elif each == "\\" and (quoted or depth):
            skip = True
            if not depth:
                out.append(each)
        elif each == '"' and not depth:
            quoted = not quoted
            out.append(each)
        elif each == "(" and not quoted:
            depth += 1
        elif each == ")" and not quoted:
            depth -= 1
            if depth < 0:
                return None
            out.append(" ")
        elif depth:
            continue
        elif each == ";" and not quoted:
            pieces.append("".join(out))
            out = []
        else:
            out.append(each)
    return None if depth or quoted or skip else [*pieces, "".join(out)]


def _server(piece: str) -> str:
    """The id at the field's beginning: one word, or one in quotes."""
    found = re.match(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?:\s|$)', piece)
    return (
        (re.sub(r"\\(.)", r"\1", found.group(1)) if found.group(1) is not None else found.group(2)).casefold()
        if found
        else ""
    )


def _version(piece: str) -> bool:
    """After the id stands nothing, or the one version there is."""
    rest = re.sub(r'^\s*(?:"(?:[^"\\]|\\.)*"|[^\s"]+)', "", piece).strip()
    return rest in ("", "1")


def _result(piece: str) -> tuple[str, str, dict[str, str]] | None:
    """The method, what it found, and its properties; None for what cannot be read to its end."""
    piece = " ".join(piece.split())
    piece = piece if '"' in piece else piece.replace(" =", "=").replace("= ", "=")
    if piece.casefold() == "none":
        return "none", "none", {}
    found = RESULT.match(piece)
    if not found:
        return None
    given: dict[str, str] = {}
    at = found.end()
    while at < len(piece):
        each = PROPERTY.match(piece, at)
        if not each:
            return None
        name, value = each.group(1).lower(), each.group(2)
        value = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        if given.setdefault(name, value) != value:
            return None  # said twice, and not the same
        at = each.end()
    return found.group(1).lower(), found.group(2).lower(), given
