"""How much of a mail is read: every limit, with its reason. Past the first group a mail goes to quarantine."""

MOST_BYTES = 25_000_000  # of a mail: what the large providers let through (Gmail 25 MB, Outlook 20 MB)
MOST_HEADER_BYTES = 256_000  # of one header: mail servers refuse far less (Postfix 102,400 bytes)
MOST_FIELDS = 1_000  # of one header: a mail that went through many lists has about 150
MOST_PARTS = 500  # of a mail, containers and leaves: the fullest digests have about 100
MOST_NESTING = 30  # parts within parts: a bounce of a forward of a signed mail has 8

# What is past these is left out or cut; the mail is read all the same.
MOST_FIELD = 110_000  # characters of one header field: 100 message ids of the length they may have
MOST_TEXT = 1_000_000  # bytes of a text that are decoded to be shown: 400 pages
MOST_HTML = 1_000_000  # bytes of HTML that are laid out; embedded pictures are not counted
MOST_ELEMENTS = 25_000  # of HTML: a second's work; the longest newsletters have about 5,000
MOST_HIDDEN = 20_000  # characters of hidden words: enough to see what they try
MOST_ADDRESSES = 200  # of To and Cc
MOST_IDS = 100  # message ids of References: a thread of 100 mails
MOST_ID = 998  # characters of a message id: a line of a mail has no more
MOST_NAME = 120  # characters of a file name: file systems take 255 bytes, and a character may have two to a name
