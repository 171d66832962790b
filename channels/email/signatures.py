"""Where a person's words end and the signature begins: delimiters, valedictions, phones' lines, disclaimers (pure)."""

import re
from collections.abc import Sequence

from channels.email.history import LOOK, RULE, blank

MOST_LINES = 14  # of a signature below a valediction; a longer one is kept
MOST_BELOW_DELIMITER = 20
LOOK_BACK = 40  # lines from the end in which a valediction is looked for
MOST_TRIMS = 20  # disclaimers, footers and phones' lines below one another
LONGEST_PARAGRAPH = 4000  # characters of it that are looked at

DELIMITER = re.compile(r"\s{0,2}(?:--|—)[ \t\xa0]*$")
DEVICE = (
    r"(?:i(?:Phone|Pad|Pod|OS)|Android|Samsung|Galaxy|Huawei|Xiaomi|Redmi|OnePlus|Oppo|Pixel|HTC|Motorola|LG|"
    r"Nokia|Sony|Xperia|"
    r"Black[Bb]erry|Windows|Outlook|Yahoo|AOL|GMX|WEB\.DE|T-Online|freenet|Gmail|Spark|Airmail|Mail|BlueMail|"
    r"Proton ?Mail|Proton|"
    r"[Mm]obile?|[Mm]obil\w*|[Ss]mart[- ]?[Pp]hones?|[Hh]andy|[Tt]el[eé]fon\w*|[Tt]el[eé]fono|[Pp]hone|"
    r"[Tt]ablet|Tutanota|Tuta|"
    r"Thunderbird|Apple Watch|Mac(?:Book)?|смартфон\w*|телефон\w*|Почт\w*|手机|手機|邮箱|信箱|スマートフォン|携帯)"
)
SENT = (
    r"(?:[Ss]ent|[Gg]esendet|[Gg]eschickt|[Vv]erschickt|[Vv]ersandt|[Ee]nvoyé\w*|[Ee]nviad[oa]|[Mm]andado|"
    r"[Ii]nviat[oa]|"
    r"[Vv]erzonden|[Vv]erstuurd|[Ww]ysłan[eoay]|[Ss]kickat|[Ss]endt|[Ll]ähetetty|[Oo]desláno|[Pp]osláno|"
    r"[Oo]dosl[aá]n[eé]|"
    r"[Оо]тправлен\w*|[Нн]адіслано|[Вв]ідправлено|gönderildi|送信|发自|發自|发送|傳送|보냄|보낸|"
    r"[Tt]rimis|[Kk]üldve|[Ee]lküldve|Poslano|[Σσ]τάλθηκε)"
)
PHONE = re.compile(rf"\b{SENT}.{{0,50}}?{DEVICE}|{DEVICE}.{{0,40}}?{SENT}")
JOKE = re.compile(r"Sent (?:from|via|with|using|by) (?:a|an|my|the) [^.,;:!?]{2,60}$")
GET = re.compile(r"\b(?:Outlook|Yahoo Mail|Proton Mail|Gmail)\b.{1,30}\b(?:iOS|Android|Mac|iPhone|iPad)\b")
EXCUSE = re.compile(r"typo|brev|excuse|pardon|Tippfehler|Kürze|entschuldig|errores|fautes|errori", re.IGNORECASE)

REGARDS = (
    # English
    r"(?:with |my )?(?:(?:very |kind|kindest|best|warm|warmest|many) ?)+(?:regards|wishes|"
    r"greetings)(?: from \w+)?|regards|"
    r"all the best|yours(?: sincerely| faithfully| truly)?|(?:very )?(?:sincerely|truly|respectfully|"
    r"cordially)(?: yours)?|"
    r"cheers|take care|rgds|warmly|have a (?:nice|great|good|lovely) (?:day|weekend|evening|one)|"
    # German
    r"mit (?:\w+ ){1,3}(?:gr(?:ü|ue)(?:ß|ss)en|gru(?:ß|ss))(?: aus \w+)?|(?:(?:viele|liebe|beste|schöne|"
    r"herzliche|freundliche|sonnige) )?"
    r"gr(?:ü|ue)(?:ß|ss)e(?: aus \w+)?|(?:(?:besten|lieben|freundlichen|schönen|herzlichen|viele) )?gru(?:ß|ss)|mfg|"
    r"hochachtungsvoll|"
    # French
    r"(?:(?:bien|très) )?cordialement(?: vôtre)?|bien à (?:vous|toi)|(?:meilleures |sincères |cordiales )?salutations"
    r"(?: distinguées| cordiales| les meilleures)?|bonne (?:journée|soirée|réception|fin de journée)|"
    r"amicalement|respectueusement|"
    r"cdlt|bises|(?:veuillez|je vous prie|nous vous prions|recevez).{5,90}(?:salutations|sentiments|"
    r"considération).{0,40}|"
    # Spanish, Portuguese, Italian
    r"(?:un |reciba un |reciban un )?(?:cordial |afectuoso |atento )?saludos?(?: cordiale?s?)?|"
    r"(?:muy )?atentamente|cordialmente|"
    r"(?:um |un )?(?:fuerte |grande )?abra[zç]os?|atenciosamente|(?:com os )?(?:melhores |meus )?cumprimentos|"
    r"saudações|"
    r"(?:(?:cordiali|distinti|cari|i migliori|tanti|i più cordiali) )?saluti|un (?:caro|cordiale) saluto|in fede|"
    # Dutch, Polish, Czech
    r"(?:met )?(?:(?:vriendelijke|hartelijke|beste|warme) )?groet(?:en|jes)?|mvg|hoogachtend|"
    r"(?:serdecznie |gorąco )?pozdrawiam(?: serdecznie)?|z poważaniem|z wyrazami szacunku|"
    r"(?:serdeczne )?pozdrowienia|pozdr|"
    r"s (?:přátelským |přáním hezkého )?(?:pozdravem|dne)|s úctou|zdravím|"
    # Swedish, Danish, Norwegian, Finnish
    r"(?:med )?(?:(?:vänliga?|bästa|varma|venlig|vennlig|beste|de bedste|bedste|kærlig|hjertelig) )?"
    r"(?:hälsning(?:ar)?|hils(?:en|ner))|mvh|vh|kh|(?:ystävällisin |parhain |lämpimin )?terveisin|"
    r"kunnioittavasti|terveiset|terv|"
    # Russian, Ukrainian, Turkish
    r"с (?:глубоким )?уважением|с наилучшими пожеланиями|всего (?:доброго|хорошего|наилучшего)|"
    r"з повагою|з найкращими побажаннями|щиро ваш[аі]?|(?:en içten )?saygılar(?:ımla|ımızla)?|iyi (?:çalışmalar|"
    r"günler)|sevgiler|"
    # Japanese, Chinese
    r"(?:何卒|どうぞ|以上、?)?(?:よろしく|宜しく)(?:お願い|御願い)(?:いた|致|申し上げ)?(?:し)?ます|敬具|"
    r"此致|敬礼|敬禮|此致敬礼|顺祝商祺|順頌商祺|祝好|祝您?(?:工作|生活|一切)(?:顺利|愉快)"
)
THANKS = (
    r"(?:many )?thanks(?: a lot| so much| very much| again| in advance| for your help)*|thank you(?: so much|"
    r" very much| again|"
    r" in advance| for your help)*|thx|ty|(?:vielen |besten |herzlichen )?dank(?:e)?(?: schön| sehr| im voraus)?|"
    r"merci(?: beaucoup| d'avance| par avance)*|(?:muchas )?gracias(?: de antemano)?|grazie(?: mille| in anticipo)*|"
    r"(?:alvast |hartelijk )?(?:bedankt|dank (?:je|u)(?: wel)?)|(?:muito )?obrigad[oa]|(?:z góry )?dziękuję|"
    r"tack(?: på förhand| så mycket)?|(?:mange )?takk?(?: på forhånd| for hjelpen)?|kiitos(?: etukäteen| paljon)?|"
    r"(?:předem )?děkuji|(?:заранее )?спасибо|(?:наперед )?дякую|teşekkürler|ありがとうございます|"
    r"谢谢|謝謝|감사합니다|고맙습니다"
)
NAME = r"[^\W\d_a-zß-ÿ][\w.'’-]*"
CURT = r"best|lg|vg|br|kr|att|ty|love|xo(?:xo)?"  # also words and brands: a name on their line needs a comma before it
AND = r"\s?(?:/|\||,|&|und|and|et|y|e|en|och|og|i|и)\s?"
BY = rf"{NAME}(?: {NAME}){{0,2}}"
REGARDED = re.compile(
    rf"[\s*_]{{0,3}}(?i:(?:(?:{THANKS}|{REGARDS}|{CURT}){AND})?(?:(?:{REGARDS})(?:[\s,.!;:~、。–-]{{1,6}}(?-i:{BY}))?|"
    rf"(?:{CURT})(?:,\s?(?-i:{BY}))?))[\s*_,.!;:~、。–-]{{0,6}}$"
)
THANKED = re.compile(rf"[\s*_]{{0,3}}(?i:{THANKS})[\s,.!;:~、。*_–-]{{0,6}}$")
THANKED_BY = re.compile(rf"[\s*_]{{0,3}}(?i:{THANKS})(?:[,.!–-]{{1,3}}\s?|\s){BY}\s*$")
DASHED_NAME = re.compile(rf"\s{{0,2}}(?:[-–—~]{{1,2}} ?){NAME}(?: {NAME}){{0,2}}\s*$")

DISCLAIMER_OPENING = re.compile(
    r"\W{0,4}(?:confidential(?:ity)?(?: notice| statement)?\s*[:.-]|legal notice|disclaimer\b|"
    r"important notice\s*:|privacy notice\s*:|"
    r"avis de confidentialité|aviso (?:legal|de confidencialidad)|avviso di riservatezza|vertraulichkeitshinweis|"
    r"haftungsausschluss)|\W{0,4}(?:please consider|think of|save) .{0,30}(?:environment|paper|trees).{0,40}print|"
    r"\W{0,4}(?:bitte )?(?:denken|prüfen) sie.{0,60}(?:umwelt|ausdruck)|\W{0,4}(?:pensez|"
    r"merci de penser).{0,60}imprimer|"
    r"\W{0,4}(?:virus-free|virenfrei|sans virus|libre de virus)\b|\W{0,4}(?:this|diese|cet|ce|este|questa).{0,30}"
    r"(?:scanned|checked|überprüft|geprüft).{0,30}(?:virus|avast|avg)",
    re.IGNORECASE,
)
SECRET = re.compile(
    r"confiden|vertraulich|riservat|vertrouwelijk|poufn|konfidenti|fortrolig|luottamuksel|důvěrn|конфиденциальн|"
    r"конфіденційн|"
    r"gizli|機密|保密|机密|기밀|privileged|prohibited",
    re.IGNORECASE,
)
RECIPIENT = re.compile(
    r"(?:intended|solely|only) (?:solely |only )?for|(?:intended )?recipient|addressee|in error|empfänger|"
    r"adressat|irrtümlich|"
    r"destinat|par erreur|por error|per errore|bestemd|ten onrechte|adresat|omyłkow|mottagare|modtager|mottaker|"
    r"vastaanottaj|"
    r"příjemc|получател|адресат|alıcı|受信者|收件人|수신자",
    re.IGNORECASE,
)
LIST_FOOTER = re.compile(
    r"\bmailing[ -]?list\b|you (?:have )?received this (?:message|email|e-mail) because|you are receiving this|"
    r"to unsubscribe(?:,| from (?:this|the)| send| visit| click|:)|(?:um sich )?(?:vom newsletter )?abzumelden|"
    r"se désabonner|"
    r"darse de baja|unsubscribe:|list-unsubscribe|mailman/listinfo",
    re.IGNORECASE,
)
CONTACT = re.compile(
    r"@|www\.|https?:|\b(?:tel|phone|fon|fax|mob(?:ile|il)?|cell|handy|тел)\b\W|\+\d{1,3}[ (\d]|[|·•]|\b(?:ltd|"
    r"inc|gmbh|llc|bv|ab|oy)\b",
    re.IGNORECASE,
)
SMALL = frozenset(
    "of and the for in at on de du des la le del di da do dos das e y et und der die für im am von van zu i w".split()
)
POLITE = re.compile(
    r"(?:please|pls|kindly|bitte|s'il|merci de|por favor|per favore|proszę|prosím|alstublieft|пожалуйста|lütfen)\b",
    re.IGNORECASE,
)
POSTSCRIPT = re.compile(r"\s*(?:P\.?\s?P?\.?S\b|N\.?B\.?\s?:)", re.IGNORECASE)
ASKS = re.compile(r"[?？؟](?:\W|$)|[かのね]。|吗|嗎")
NUMBERED = re.compile(
    r"\b(?:order|invoice|case|ticket|customer|account|tracking|bestell|rechnung|kunden|auftrag|commande|facture|"
    r"pedido|factura|"
    r"ordine|fattura|bestelling|zamówien)\w*\b.*\d|^\W*\d[\d-]{0,8}\W*$|#\d",
    re.IGNORECASE,
)


def says(line: str) -> bool:
    """Whether a line below a valediction is more than a name, a position or an address: words that must be kept."""
    line = re.sub(r"https?:\S+", "", line[:LOOK]).strip()
    if POSTSCRIPT.match(line) or NUMBERED.search(line) or ASKS.search(line):
        return True
    words = line.split()
    small = [word for word in words if word[0].islower() and "@" not in word and word.strip(".,") not in SMALL]
    if CONTACT.search(line):
        return len(small) >= 4
    if len(small) >= 3 or (small and POLITE.match(line)):
        return True
    if len(words) >= 4 and line[-1] in ".!…" and len(words[-1]) > 4:
        return True
    return len(words) >= 9 or (len(line) >= 10 and line[-1] in "。！요다") or (len(line) >= 20 and len(words) == 1)


def paragraph(lines: Sequence[str], end: int) -> tuple[int, int]:
    """The last paragraph before `end`: its first line and the line after its last."""
    while end and blank(lines[end - 1]):
        end -= 1
    start = end
    while start and end - start < LOOK_BACK and not blank(lines[start - 1]):
        start -= 1
    return start, end


def sent_by_phone(line: str) -> bool:
    """ "Sent from my iPhone" and its likes, also as a joke; not a sentence about where something was sent from."""
    line = line.strip()
    if not line or len(line) > 160 or ASKS.search(line):
        return False
    head = re.split(r"[,;–]| - |[.!](?:\s|$)", line, maxsplit=1)
    rest = head[1].strip() if len(head) > 1 else ""
    if rest and not EXCUSE.search(rest):
        return False
    if len(head[0].split()) > 12:
        return False
    return bool(PHONE.search(head[0]) or JOKE.match(head[0]) or GET.search(head[0]))


def opens_with_phone(line: str) -> bool:
    """Clear enough to be no part of the sentence on the line above."""
    line = line.strip()
    return line[0].isupper() and len(line.split()) <= 8 and PHONE.match(line) is not None


def boilerplate(text: str) -> bool:
    """A disclaimer or a line of a mail program: never a person's own words."""
    text = text[:LONGEST_PARAGRAPH]
    if DISCLAIMER_OPENING.match(text):
        return True
    return bool(len(text) > 80 and SECRET.search(text) and RECIPIENT.search(text) and not ASKS.search(text))


def trim_end(lines: Sequence[str], cut: list[bool], end: int) -> int:
    """Cut what stands below a person's last words and is nobody's: disclaimers, phones' lines, list footers."""
    for _ in range(MOST_TRIMS):
        start, stop = paragraph(lines, end)
        if start == stop:
            return stop
        last = lines[stop - 1][:LOOK]
        rule = next((n for n in range(start, stop) if RULE.match(lines[n])), None)
        if boilerplate(" ".join(line.strip() for line in lines[start:stop])):
            end = start
        elif (
            rule is not None
            and stop - rule <= 10
            and LIST_FOOTER.search("\n".join(lines[rule:stop])[:LONGEST_PARAGRAPH])
        ):
            end = rule
        elif stop - start <= 8 and LIST_FOOTER.match("\n".join(lines[start:stop])[:LONGEST_PARAGRAPH]):
            end = start
        elif (sent_by_phone(last) and (stop - 1 == start or opens_with_phone(last))) or RULE.match(last):
            end = stop - 1
        else:
            return stop
        cut[end:stop] = [True] * (stop - end)
    return end


def cut_signature(lines: Sequence[str], first: bool) -> list[bool]:
    """Which of a person's own lines are signature. `first`: nothing of theirs stands above, so words must come."""
    cut = [False] * len(lines)
    end = trim_end(lines, cut, len(lines))
    for n in range(max(0, end - LOOK_BACK), end):
        if DELIMITER.match(lines[n]):
            below = [line for line in lines[n + 1 : end] if not blank(line)]
            # Without its blank the delimiter may be a rule between two parts of what is said.
            more = not lines[n].endswith("-- ") and any(says(line) and len(line.split()) >= 8 for line in below)
            if (
                len(below) <= MOST_BELOW_DELIMITER
                and not more
                and not any(ASKS.search(line[-4:]) for line in below[-1:])
            ):
                cut[n:end] = [True] * (end - n)
                end = trim_end(lines, cut, n)
                break
    start = valediction(lines, end, first)
    if start is not None:
        keep = False
        for n in range(start, end):
            keep = not blank(lines[n]) and (keep or (n > start and says(lines[n])))
            cut[n] = not keep
        return cut
    name = paragraph(lines, end)[1] - 1
    if name > 0 and DASHED_NAME.match(lines[name][:LOOK]) and blank(lines[name - 1]):
        above = lines[paragraph(lines, name)[1] - 1].strip()
        if above and above[-1] not in ":,：" and not above.startswith(("-", "*", "–", "•")):
            cut[name:end] = [True] * (end - name)
            trim_end(lines, cut, name)
    return cut


def valediction(lines: Sequence[str], end: int, first: bool) -> int | None:
    """The line on which the last greeting stands, if a signature and nothing much else follows it."""
    opened = next((n for n in range(end) if not blank(lines[n])), end)
    for n in range(max(opened + 1 if first else opened, end - LOOK_BACK), end):
        line = lines[n][:LOOK]
        regards = len(line) < 120 and REGARDED.match(line)
        if not (regards or (len(line) < 80 and THANKED.match(line))):
            continue
        below = [each for each in lines[n + 1 : end] if not blank(each)]
        if below and says(below[0]):
            continue  # it goes on: "Thanks," and then what for
        named = below and len(below[0].split()) <= 5
        if not regards and not named and not THANKED_BY.match(line):
            continue
        if sum(not says(each) for each in below) <= MOST_LINES:
            return n
    return None
