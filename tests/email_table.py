"""What becomes of the shared mails, as a table: `python -m tests.email_table [FOLDER]`."""

import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from channels.email import automatic, mime

ROOT = Path(__file__).parent.parent

# Labelled by reading, before any rule was run. The rest of mime/ is people's, or advertising without a mark: a rule may
# take that for a list, but need not.
MACHINES_OF_MIME = {
    "bad_date_header.eml": "advertising with Precedence: junk",
    "content_transfer_encoding_x_uuencode.eml": "over a LISTSERV list",
    "encoding_madness.eml": "a program's, from no-reply@",
    "raw_email_encoded_stack_level_too_deep.eml": "a service's, from gmail-noreply@",
    "raw_email_trailing_dot.eml": "a tracker's, from noreply@",
    "raw_email_with_mimepart_without_content_type.eml": "a delivery status notification",
    "multi_address_bounce1.eml": "a delivery status notification",
    "multi_address_bounce2.eml": "a delivery status notification",
    "multipart_report_multiple_status.eml": "a delivery status notification",
    "report_422.eml": "a delivery status notification",
    "report_530.eml": "a delivery status notification",
}
ADVERTISING = {
    "bad_date_header2.eml",
    "bad_subject.eml",
    "cant_parse_from.eml",
    "content_transfer_encoding_7-bit.eml",
    "content_transfer_encoding_with_8bits.eml",
    "invalid_subject_characters.eml",
    "must_supply_encoding.eml",
}


@dataclass
class Row:
    mails: int = 0
    parsed: int = 0
    quarantined: int = 0
    crashed: list[str] = field(default_factory=list)
    machines: int = 0
    recognised: int = 0
    missed: list[str] = field(default_factory=list)
    people: int = 0
    misjudged: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


def measure(folder: Path) -> Row:
    """Every mail below a folder, read and judged."""
    row = Row()
    for path in sorted(folder.rglob("*.eml")):
        row.mails += 1
        machine = path.name in MACHINES_OF_MIME or "bounces" in path.parts
        try:
            mail = mime.read(path.read_bytes())
            found = automatic.judge(mail)
        except mime.Unreadable:
            row.quarantined += 1
            continue
        except Exception as error:  # noqa: BLE001 (whatever it is, it is counted)
            row.crashed.append(f"{path.name}: {error!r}")
            continue
        row.parsed += 1
        row.kinds[found.kind if found else "a person's"] += 1
        if machine:
            row.machines += 1
            row.recognised += found is not None
            row.missed += [] if found else [path.name]
        elif path.name not in ADVERTISING:
            row.people += 1
            row.misjudged += [path.name] if found else []
    return row


def main() -> None:
    data = Path(os.environ.get("FIRSTLINE_DATA") or ROOT.parent / "shared" / "data") / "email"
    folders = [Path(each) for each in sys.argv[1:]] or [data / "mime", data / "bounces"]
    if absent := [str(each) for each in folders if not each.is_dir()]:
        sys.exit(f"There are no mails at {', '.join(absent)}: name a folder, or set FIRSTLINE_DATA.")
    line = "{:10}{:>7}{:>8}{:>13}{:>9}{:>22}{:>26}"
    print(
        line.format("folder", "mails", "parsed", "quarantined", "crashed", "automatic recognised", "people's misjudged")
    )
    for folder in folders:
        row = measure(folder)
        found, taken = f"{row.recognised} of {row.machines}", f"{len(row.misjudged)} of {row.people}"
        print(line.format(folder.name, row.mails, row.parsed, row.quarantined, len(row.crashed), found, taken))
        print("   " + ", ".join(f"{kind} {count}" for kind, count in row.kinds.most_common()))
        for title, names in (("missed", row.missed), ("misjudged", row.misjudged), ("crashed", row.crashed)):
            if names:
                print(f"   {title}: {', '.join(names)}")


if __name__ == "__main__":
    main()
