"""Who may do what at the desk: the one table of rights, which the routes enforce and the pages are drawn by."""

from collections.abc import Mapping

from service.staff import ANSWERING, ROLES

EDITOR, ADMIN = "editor", "admin"

#: right -> roles. Editors read conversations, to see what customers ask; answering them is support's.
RIGHTS: Mapping[str, tuple[str, ...]] = {
    "read conversations": ROLES,
    "answer customers": ANSWERING,
    "read articles": ROLES,
    "write articles": (EDITOR, ADMIN),
    "label decisions": ROLES,
    "export the record": (ADMIN,),
    "ask the agent": ROLES,
    "keep one's account": ROLES,
    "administer staff": (ADMIN,),
    "read figures": ROLES,
}


def may(role: str, right: str) -> bool:
    """Whether that role has the right. A right that is not in the table is a mistake of ours: KeyError."""
    return role in RIGHTS[right]


def refusal(role: str, right: str) -> str:
    """Why somebody with that role may not, and who may."""
    who = " or ".join(RIGHTS[right])
    return f"To {right} takes the role {who}; yours is {role}. Whoever runs Firstline can change that."
