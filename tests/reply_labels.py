"""What a careful reader calls the new words of the 24 replies in the shared data, written before anything was run.

Words only: how they are spread over lines and blanks is compared elsewhere. Decided by eye: quoted lines, what
introduces them, signatures (a dashed name too), jokes in the place of "Sent from my iPhone" and list footers are not
new; a person's own words between or below quoted lines are. Where the wording is long the data's text is not copied
here: its first and last words, how many there are, and a digest of all of them, joined by single spaces.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Long:
    begins: str
    ends: str
    words: int
    sha256: str  # its first 16 digits

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        digest = hashlib.sha256(other.encode()).hexdigest()
        measured = other.startswith(self.begins), other.endswith(self.ends), len(other.split()), digest[:16]
        return measured == (True, True, self.words, self.sha256)

    __hash__ = None


REPLIES: dict[str, str | Long] = {
    "correct_sig.txt": "this is an email with a correct -- signature.",
    "email_1_1.txt": Long("Hi folks What is", "the Java HTTP API.", 28, "dc157ef2fe279e00"),
    "email_1_2.txt": Long("Hi, You can list", 'delete them all individually."', 111, "ceb9a00f2ef8dc83"),
    "email_1_3.txt": "Oh thanks. Having the function would be great.",
    "email_1_4.txt": "Awesome! I haven't had another problem with it.",
    "email_1_5.txt": Long("One: Here's what", "for a while.", 87, "356199b270ff9585"),
    "email_1_6.txt": "I get proper rendering as well.",
    "email_1_7.txt": ":+1:",
    "email_1_8.txt": "I will reply under this one and under this.",
    "email_2_1.txt": "Outlook with a reply",
    "email_2_2.txt": "Outlook with a reply directly above line",
    "email_2_3.txt": "Outlook with a reply above headers using unusual format",
    "email_BlackBerry.txt": "Here is another email",
    "email_bullets.txt": Long("test 2 this should", "- and another", 20, "d99512d2b3141204"),
    "email_gmail.txt": "This is a test for inbox replying to a github message.",
    "email_headers_no_delimiter.txt": "And another reply!",
    "email_iPhone.txt": "Here is another email",
    "email_multi_word_sent_from_my_mobile_device.txt": "Here is another email",
    "email_one_is_not_on.txt": Long("Thank, this is", "when I run...", 16, "ce31149fca824804"),
    "email_partial_quote_header.txt": Long("On your remote host", "is not working.", 29, "3883c7459b8bbdd4"),
    "email_sent_from_my_not_signature.txt": (
        "Here is another email Sent from my desk, is much easier then my mobile phone."
    ),
    "email_sig_delimiter_in_middle_of_line.txt": Long("Hi there! Stuff", "kthxbai", 16, "e324e13e32ece533"),
    "greedy_on.txt": Long("On your remote host", "is not working.", 29, "3883c7459b8bbdd4"),
    "pathological.txt": Long("I think you're onto", "to a computer.", 21, "4f8d10f7f8a80e48"),
}
