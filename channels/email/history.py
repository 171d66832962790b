"""How mail programs introduce what went before: "On ... wrote:", header blocks, forward markers (pure)."""

import re
from dataclasses import dataclass

LOOK = 400  # characters of a line that are looked at: an introduction is shorter, and no pattern meets a longer text
WRAPPED = 4  # lines over which mail programs break one attribution
MOST_HEADERS = 30  # lines of one block
FILLERS = 2  # lines by which a long "To:" runs on

QUOTED = re.compile(r"\s{0,3}\|?\s?[>＞]")
RULE = re.compile(r"\s*[-_=*—─]{5,}\s*$")

ADDRESS = re.compile(r"[<(\[][^<>()@]{0,80}@[^<>()\s]{1,120}")
DATE = re.compile(r"\b(19|20)\d\d|\b\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{2,4}\b")
TIME = re.compile(r"\d{1,2}\s?[:.h]\s?\d{2}|\d{1,2}\s?(?:[AaPp]\.?[Mm]\b|Uhr\b|時|点|點|시)")
OPENING = re.compile(
    r"[\s*_\"'(]*(?:On|Am|Le|El|Il|Op|Em|No dia|A|Den|På|Dne|Dňa|W dniu|Dnia|Dana|În|La data|Vào|Pada|Στις|"
    r"В|У|Il giorno|Ha|Von|From|Da)\b"
)
VERB = re.compile(
    r"\b(?:wrote|writes|schrieb|schrieben|(?:a|ont) écrit|escribió|escreveu|ha scritto|scrisse|schreef|geschreven|"
    r"napisał(?:a|\(a\))?|pisze|skrev|kirjoitti|napsal(?:a|\(a\))?|napísal(?:a|\(a\))?|"
    r"написал(?:а|\(а\))?|пишет|написа(?:в|ла)(?:\(ла\))?|пише|yazdı|írta|a scris|έγραψε|napisao|je pisal|"
    r"đã viết|menulis)\b"
    r"|写道|寫道|のメール|のメッセージ|さんは書きました|작성|wrote:",
    re.IGNORECASE,
)
RUN_ON = re.compile(rf"(.{{10,300}}?(?:{VERB.pattern})\s?[:：])\s{{2,}}\S", re.IGNORECASE)
ONESELF = re.compile(r"\b(?:I|[Ww]e|ich|wir|j'ai|nous|yo|ik|wij|eu|jag|jeg|vi|minä|já|я|мы|ми|ben)\b|私|我(?!的)")
MOST_WORDS = 8  # of an attribution without a date: a longer one is prose
DATED = re.compile(r"\W{0,4}(?:[^\W\d]{1,14}[.,]{0,2}\s)?\d{1,4}\D")  # "2026-03-02", "pon., 2 mar"
SENDER = re.compile(r"[^<>]{0,80}<[^<>@\s]{1,80}@")
ADDRESS_LAST = re.compile(r"@[^<>()@\s]{1,120}[>)\]]{1,2}\s?\w{0,8}\s?[*_]{0,2}[:：]\s*$")

# What the lines of a header block are called, by what they say.
NAMES = {
    "from": "From|Von|De|Da|Van|Od|Från|Fra|Lähettäjä|От кого|От|Від кого|Від|Kimden|Gönderen|"
    "差出人|送信者|发件人|寄件者|"
    "寄件人|發件人|보낸 사람|보낸사람|보낸이|Feladó|De la|Από|Expéditeur|Remitente|Mittente|"
    "Afzender|Nadawca|Odesílatel|"
    "Avsändare|Afsender|Avsender|Отправитель|Відправник|Absender",
    "date": "Sent|Date|Gesendet am|Gesendet|Datum|Envoyé le|Envoyé|Enviado el|Enviado em|Enviado|Enviada em|"
    "Fecha de envío|"
    "Fecha|Data invio|Data|Inviato|Verzonden|Wysłano|Wysłane|Skickat|Sendt|Dato|Lähetetty|Päivämäärä|Päiväys|"
    "Odesláno|"
    "Отправлено|Дата|Надіслано|Gönderilme Tarihi|Gönderildi|Gönderim|Tarih|送信日時|送信日|日付|日時|发送时间|發送時間|"
    "傳送時間|发送日期|寄件日期|日期|보낸 날짜|보낸날짜|보낸시간|보냄|날짜|Elküldve|Dátum|Trimis|Ημερομηνία",
    "to": "To|An|À|A|Para|Aan|Do|Till|Til|Vastaanottaja|Komu|Кому|Kime|Alıcı|宛先|收件人|收件者|"
    "받는 사람|받는사람|받는이|"
    "Pour|Címzett|Către|Προς|Destinataire|Destinatario|Empfänger",
    "copy": "Cc|Bcc|Kopie|Copie à|Copia|Kopia|Kopi|Kopio|Копия|Копія|Bilgi|抄送|副本|참조|Reply-To|"
    "Antwort an|Répondre à|"
    "Organi[sz]ation|Importance|Priority|Wichtigkeit|Priorität|Importancia|Attachments|Anlagen|Pièces jointes|"
    "Message-ID",
    "subject": "Subject|Betreff|Objet|Sujet|Asunto|Oggetto|Onderwerp|Assunto|Temat|Ämne|Emne|Aihe|Předmět|Тема|"
    "Konu|件名|"
    "主题|主旨|主題|제목|Tárgy|Subiect|Θέμα|Predmet",
}
KINDS = {name.casefold(): kind for kind, names in NAMES.items() for name in names.split("|")}
HEADER = re.compile(r"[\s>*_|]{0,8}([^\W\d_][\w\- ]{0,24}?)\s?[*_]{0,2}\s?[:：][*_]{0,2}(.*)$")

MARKER = re.compile(r"\s*([-_=*—─]{2,40})\s?[^\W\d_].{2,160}?[-_=*—─]{2,40}\s*$")
ORIGINAL = re.compile(
    r"original|ursprünglich|d'origine|oorspronkelijk|oryginaln|ursprung|oprindelig|opprinnelig|alkuperäinen|původní|"
    r"исходное|оригинальн|початков|özgün|orijinal|元のメッセージ|原始邮件|原始郵件|原邮件|원본|reply message",
    re.IGNORECASE,
)
FORWARD = re.compile(
    r"forward|weitergeleitet|transf[eé]r|réexpédi|reenviad|reencaminhad|encaminhad|inoltrat|doorgestuurd|"
    r"przekaz|przesłan|"
    r"vidarebefordra|videresend|välite|edelleenlähetet|přeposlan|пересыл|переадрес|пересла|пересил|"
    r"iletil|転送|转发|轉寄|"
    r"轉發|전달",
    re.IGNORECASE,
)
ABOVE = re.compile(
    r"\W{0,12}(?:please )?(?:(?:type|write|enter|add) )?(?:your )?reply (?:above|over) th(?:is|e) line|"
    r"\W{0,12}bitte (?:antwort|schreib).{0,30}(?:über|oberhalb) dieser (?:zeile|linie)|"
    r"\W{0,12}(?:répond|écriv).{0,40}au-dessus de cette ligne|\W{0,12}(?:respond|escrib).{0,40}encima de esta línea|"
    r"\W{0,12}(?:rispond|scriv).{0,40}sopra questa (?:riga|linea)|"
    r"\W{0,12}(?:antwoord|schrijf|reageer|typ).{0,30}boven deze (?:lijn|regel)|"
    r"\W{0,12}(?:respond|escrev).{0,40}acima desta linha",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Introduction:
    start: int  # the first line of it
    end: int  # the line after its last
    certain: bool  # what follows is history even where it is not marked as quoted
    forward: bool = False  # what follows is a whole mail: where it has no words of one's own above, the message itself


@dataclass(frozen=True)
class Page:
    """The lines of a text, and what is asked of each again and again."""

    lines: list[str]
    quoted: list[bool]
    kinds: list[str]  # which header the line is, "" if none


def page(lines: list[str], quoted: list[bool]) -> Page:
    return Page(lines, quoted, [header(line[:LOOK]) for line in lines])


def header(line: str) -> str:
    found = HEADER.match(line)
    return KINDS.get(found.group(1).strip().casefold(), "") if found else ""


def blank(line: str) -> bool:
    return not line or line.isspace()


def following(lines: list[str], at: int) -> int:
    """The first line from `at` on that has anything in it, or the end."""
    while at < len(lines) and blank(lines[at]):
        at += 1
    return at


def introduction(text: Page, at: int) -> Introduction | None:
    """The introduction that starts at this line, if one does."""
    if ABOVE.match(text.lines[at][:LOOK]):
        return Introduction(at, at + 1, certain=True)
    return marked(text, at) or bare_headers(text, at) or attribution(text, at)


def marked(text: Page, at: int) -> Introduction | None:
    """ "-----Original Message-----", a rule or "Begin forwarded message:", and the headers below."""
    line = text.lines[at][:LOOK]
    dashed, ruled = MARKER.match(line), RULE.match(line)
    announced = (
        len(line) < 80 and line.rstrip(" *").endswith((":", "：")) and FORWARD.search(line) and not ONESELF.search(line)
    )
    if not (dashed or ruled or announced):
        return None
    if dashed and VERB.search(line) and DATE.search(line):
        return Introduction(at, at + 1, certain=True)
    below = following(text.lines, at + 1)
    end, kinds, _ = headers(text, below)
    if plausible(text, below) if ruled else "from" in kinds and len(kinds) >= 2:
        return Introduction(at, end, certain=True, forward=True)
    if dashed and (ORIGINAL.search(line) or FORWARD.search(line)):
        inner = attribution(text, below)
        if inner or len(dashed.group(1)) >= 5 or (below < len(text.lines) and text.quoted[below]):
            return Introduction(at, inner.end if inner else end, certain=True, forward=True)
    return None


def bare_headers(text: Page, at: int) -> Introduction | None:
    """A block of headers as Outlook puts it, without anything above; not one that a person announces and pastes."""
    if not text.kinds[at] or not plausible(text, at):
        return None
    above = next((line for line in reversed(text.lines[max(0, at - 3) : at]) if not blank(line)), "")
    if above.rstrip().endswith((":", "：")):
        return None
    return Introduction(at, headers(text, at)[0], certain=True, forward=True)


def plausible(text: Page, at: int) -> bool:
    """Whether headers without a marker are a mail's, and not "From: Leeds, To: Paris"."""
    _, kinds, addressed = headers(text, at)
    return "from" in kinds and (kinds >= {"date", "subject"} or (addressed and len(kinds) >= 3))


def headers(text: Page, at: int) -> tuple[int, set[str], bool]:
    """The block of headers from this line on: the line after it, what kinds are in it, whether there is an address."""
    kinds: set[str] = set()
    addressed, end, fillers = False, at, 0
    for n in range(at, min(at + MOST_HEADERS, len(text.lines))):
        if text.kinds[n]:
            kinds.add(text.kinds[n])
            addressed = addressed or "@" in text.lines[n][:LOOK]
            end = n + 1
        elif not kinds:
            break
        elif blank(text.lines[n].strip("> ")):
            if end < n:  # the second in a row
                break
        else:
            # A long "To:" that runs on is followed by another header; otherwise the text begins here.
            after = text.kinds[n + 1] if n + 1 < len(text.lines) else ""
            if end < n or fillers == FILLERS or not after or not kinds & {"to", "copy"}:
                break
            end, fillers = n + 1, fillers + 1
    return end, kinds, addressed


def attribution(text: Page, at: int) -> Introduction | None:
    """ "On 2 March 2026 at 10:15, Anna <anna@home.example> wrote:", over one line or several."""
    lines, joined = text.lines, ""
    first = lines[at][:LOOK] if at < len(lines) else ""
    if not (OPENING.match(first) or DATE.search(first) or ADDRESS.search(first) or VERB.search(first)):
        return None
    if (found := RUN_ON.match(first)) and judge(found[1].strip(), before_quote=False):
        return Introduction(at, at + 1, certain=True)  # as Yahoo's app has it: what is quoted begins on the same line
    for n in range(at, min(at + WRAPPED, len(lines))):
        line = lines[n].strip()
        if not line or text.quoted[n] or len(joined) + len(line) > LOOK:
            return None
        if joined and DATE.search(line) and (DATE.search(joined) or OPENING.match(line)):
            return None  # it begins further down
        joined = f"{joined} {line}" if joined else line
        if joined.rstrip("*_ ").endswith((":", "：", ">", "]", ")")) or VERB.search(joined[-24:]):
            below = following(lines, n + 1)
            certain = judge(joined, before_quote=below < len(lines) and text.quoted[below])
            if certain is not None:
                return Introduction(at, n + 1, certain)
    return None


def judge(text: str, before_quote: bool) -> bool | None:
    """Whether this is an attribution (None: it is not), and one so clear that unquoted text below it is history."""
    date = DATE.search(text)
    if not (date or before_quote):
        return None
    time, address, verb = TIME.search(text), ADDRESS.search(text), VERB.search(text)
    ended = text.rstrip("*_ ").endswith((":", "："))
    opens, words = OPENING.match(text), ADDRESS.sub("", text)
    if ended and date and time and not ONESELF.search(words):
        a_name = not named(words)[:1].islower()
        if verb and address and (opens or DATED.match(text) or SENDER.match(text)) and (a_name or "<" in text):
            return True
        if verb and opens and a_name:
            return True
        if address and DATED.match(text) and ADDRESS_LAST.search(text):
            return True
    if not before_quote:
        return None
    if (date or time) and (opens or address or verb or (ended and date and time)):
        return False
    return False if verb and ended and len(text.split()) <= MOST_WORDS else None


def named(words: str) -> str:
    """Who is said to have written, roughly: what stands after the time."""
    after = TIME.split(words)[-1].lstrip(" ,.)(-+0123456789")
    return re.sub(r"^(?:uhr |[ap]m,? |schrieb |skrev |schreef )+", "", after, flags=re.IGNORECASE)
