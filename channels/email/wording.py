"""The words by which machines give themselves away, in the languages that they write."""

import re
import unicodedata

MOST_SUBJECT = 300  # characters of a subject that are looked at
MOST_OPENING = 1500  # characters of a text that are its opening, in at most so many lines that are not blank:
MOST_LINES = 12


def plain(text: str) -> str:
    """As it is compared: one case, one kind of apostrophe, one space between words."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("‘", "'")
    return " ".join(text.split())


def opening(text: str, lines: int = MOST_LINES) -> str:
    """How a text begins, up to the first words that are quoted."""
    found: list[str] = []
    for line in text[: MOST_OPENING * 2].splitlines():
        if FORWARDED.match(line[:200]):
            break  # a person passes it on, also without a word of their own
        if found and (line.lstrip().startswith((">", "|")) or QUOTED.match(line[:200])):
            break
        if line.strip("-=_* \t")[:1] not in ("", ">") and not SCRAP.fullmatch(line[:200]):
            found.append(line)
        if len(found) == lines:
            break
    return plain("\n".join(found))[:MOST_OPENING]


def a_reply(subject: str) -> bool:
    """Whether a person's program has answered or forwarded: what the subject says then is not the sender's own."""
    return bool(ANSWERED.match(plain(subject[:MOST_SUBJECT])))


def any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


SCRAP = re.compile(
    r"\s*(?:--\S+|content-[a-z-]+:.*|boundary=.*)", re.IGNORECASE
)  # what broken MIME leaves in the words
QUOTED = re.compile(
    r"\s{0,8}-{2,}\s*(?:original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|"
    r"message d'origine|message transféré|mensaje original|messaggio originale|oorspronkelijk bericht)|"
    r"\s{0,8}begin forwarded message|[-=_*]{10,}\s*$|(?:on|am|le|el|il|op|em|den|dnia) .{5,150}:\s*$",
    re.IGNORECASE,
)
FORWARDED = re.compile(r"\s{0,8}-{5,12} forwarded message -{5,12}\s*$", re.IGNORECASE)
ANSWERED = re.compile(
    r"(?:\[[^\]]{1,40}\] ?)?(?:re|aw|antw|antwort|sv|vs|odp|res|rif|ynt|fwd?|wg|tr|rv|enc|i|doorst|vb|vl|pd|回复|答复|"
    r"转发|返信|転送|отв|ответ|пересл|ha|továbbítás)(?:\[\d{1,3}\]|\(\d{1,3}\))? ?:"
)

# Subjects of programs that answer for a person, as they stand before a colon or alone.
AWAY_SUBJECTS = {
    "en": "automatic reply|auto[- ]?reply|automated reply|automated response|automatic response|auto[- ]?response|"
    "out of (?:the )?office(?:[- ](?:auto ?-?reply|reply|automatic reply|response|message|notification))?|"
    "ooo|auto|auto re|vacation(?: reply| response| message| notice)?|on vacation|on holiday|annual leave|"
    "on (?:annual )?leave|away(?: notice| message)?|away from (?:my )?(?:mail|e-?mail|office|desk)|"
    "absence notification|i am out of the office",
    "de": "automatische antwort|automatische rückmeldung|autom\\. antwort|(?:automatische )?abwesenheits(?:notiz|"
    "meldung|nachricht|benachrichtigung|mitteilung|info|agent|assistent)|abwesenheit|abwesend|außer haus|"
    "ausser haus|nicht im (?:büro|haus)|im urlaub|urlaub|urlaubs(?:meldung|notiz|vertretung)",
    "fr": "réponse automatique(?: d'absence(?: du bureau)?)?|absence(?: du bureau)?|absent(?:e)?(?: du bureau)?|"
    "(?:message|notification|avis) d'absence|en congés?",
    "es": "respuesta automática|respuesta automatica|(?:estoy )?fuera de (?:la )?oficina|ausencia|"
    "mensaje de ausencia|de vacaciones",
    "it": "risposta automatica|fuori (?:sede|ufficio)|assenza(?: dall'ufficio)?|messaggio di assenza|in ferie|assente",
    "nl": "automatisch antwoord|automatische reactie|automatische beantwoording|afwezig(?:heid)?|"
    "afwezigheids(?:bericht|melding|assistent)|niet (?:op kantoor|aanwezig)",
    "pt": "resposta automática|resposta automatica|fora do escritório|fora do escritorio|ausência(?: temporária)?|"
    "mensagem de ausência|de férias|ausente",
    "pl": "automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź|poza biurem|nieobecność(?: w biurze)?|nieobecny",
    "sv": "autosvar|automatiskt svar|automatsvar|frånvaro(?:meddelande)?|frånvarande|inte på kontoret|ej på kontoret",
    "da": "automatisk svar|fravær(?:ende|sbesked|smeddelelse)?|ikke til stede|ikke på kontoret|autobesvarelse",
    "no": "automatisk svar|autosvar|fraværs(?:melding|beskjed)|fraværende|ikke tilstede|ikke på kontoret|"
    "borte fra kontoret",
    "fi": "automaattinen vastaus|automaattivastaus|poissaolo(?:ilmoitus|viesti)?|poissa(?: toimistosta)?|lomavastaaja",
    "cs": "automatická odpověď|automatická odpoveď|mimo kancelář|nepřítomnost|nepřítomen|nejsem v kanceláři",
    "ru": "автоматический ответ|автоответ(?:чик)?|вне офиса|нет на месте|отсутствие на рабочем месте|в отпуске|"
    "отсутствую|автоматична відповідь",
    "ja": "自動応答|自動返信|不在通知|不在応答|不在のお知らせ|不在連絡|不在",
    "zh": "自动答复|自动回复|自動回覆|自動答覆|自動回復|外出|外出自动回复|休假|不在办公室",
    "other": "automatikus válasz|otomatik yanıt|자동 회신|부재중|răspuns automat|"
    "αυτόματη απάντηση|תשובה אוטומטית|رد تلقائي",
}
AWAY_SUBJECT = re.compile(
    r"(?:\[[^\]]{1,40}\] ?)?[*\"(\[]{0,3}(?:"
    + "|".join(AWAY_SUBJECTS.values())
    + r")[*\")!.\]]{0,3} ?(?P<after>:|-|–|\(|$|(?<=\] ))"
)
AWAY_TITLE = re.compile(
    r"^.{2,60} (?:is out of (?:the )?office|ist (?:nicht im (?:büro|haus)|außer haus|abwesend))\b.{0,60}$|"
    r"\((?:out of office|auto(?:matic|mated)?[ -]?(?:reply|response))\)$"
)
# ... and how such a mail begins: the sender about themself. A person who tells of somebody else doesn't write so.
AWAY_OPENING = any_of(
    r"\b(?:i am|i'm|i will be|i'll be) (?:currently |presently |now )?(?:out of (?:the |my )?office|"
    r"away from (?:the |my )?(?:office|desk|e-?mail)|on (?:annual |maternity |parental |sick |paternity )?(?:leave|"
    r"vacation|holiday|pto)|on a business trip|travell?ing)",
    r"\b(?:thank you|thanks) for (?:your|the) (?:e-?mail|message)\W{1,3}(?:i am|i'm) (?:currently |away|out|on )",
    r"\bich bin (?:.{0,40}?)(?:nicht im (?:büro|haus)|abwesend|im urlaub|außer haus|ausser haus|nicht erreichbar|"
    r"nicht am arbeitsplatz|in elternzeit)",
    r"\bbefinde ich mich .{0,30}(?:urlaub|elternzeit)",
    r"\bje suis (?:actuellement |présentement )?(?:absente?|en congés?|en déplacement|en vacances|hors du bureau)",
    r"\b(?:estoy|estaré|me encuentro) (?:actualmente |ahora )?(?:fuera de (?:la |mi )?oficina|ausente|de vacaciones)",
    r"\b(?:sono|sarò) (?:attualmente |al momento )?(?:fuori (?:sede|ufficio)|assente|in ferie|in vacanza)",
    r"\bik ben (?:.{0,40}?)(?:afwezig|niet aanwezig|niet op kantoor|met vakantie|op vakantie|met verlof|"
    r"buiten kantoor)",
    r"\b(?:estou|estarei|encontro-me) (?:atualmente |actualmente |de momento )?(?:fora do escritório|ausente|"
    r"de férias)",
    r"\b(?:jestem|przebywam|będę) (?:obecnie )?(?:.{0,20}?)(?:poza biurem|nieobecn[ya]|na urlopie)",
    r"\bjag (?:är|har) (?:.{0,30}?)(?:inte på kontoret|frånvarande|semester|ledig|bortrest|tjänstledig|"
    r"föräldraledig)",
    r"\bjeg (?:er|har|holder) (?:.{0,30}?)(?:ikke (?:på kontoret|til stede|tilstede)|fraværende|ferie|bortreist|"
    r"ude af huset|permisjon)",
    r"\bolen (?:.{0,30}?)(?:poissa|lomalla|vapaalla|matkoilla)",
    r"\b(?:jsem|budu|nejsem) (?:.{0,30}?)(?:mimo kancelář|nepřítom|na dovolené|v kanceláři)",
    r"(?:я (?:сейчас |временно )?(?:нахожусь|в отпуске|отсутствую|буду отсутствовать|не в офисе)|"
    r"меня нет на (?:рабочем )?месте)",
    r"(?:不在にして|不在とさせて|不在です|休暇をいただ|休暇中|出張中|外出しており|休業)",
    r"(?:我(?:现在|目前|正在)?(?:休假|外出|出差|不在办公室)|我(?:現在|目前)?(?:休假|外出|不在辦公室)|将于.{0,20}(?:返回|回来))",
    r"(?:szabadságon vagyok|nem vagyok az irodában|ofis dışındayım|부재중입니다|휴가 중)",
)
# How a mail begins that a program wrote, whatever it is about: whole sentences, for a person may speak of such a mail.
MACHINE_OPENING = any_of(
    r"^.{0,60}\bthis (?:is|was) an? (?:auto(?:mated|matic|matically generated)?|auto-generated|"
    r"system[- ]generated)[ -](?:reply|response|message|e-?mail|notification|answer|confirmation|"
    r"alert notification)(?:[.!;]|,? (?:please|so|and) |\s?-)",
    r"^.{0,60}\bdiese (?:e-?mail|nachricht|antwort) (?:wurde|ist) (?:automatisch|maschinell) (?:erstellt|erzeugt|"
    r"generiert|versendet|verschickt|gesendet)(?: worden)?[.!]",
    r"^.{0,60}\b(?:dies|das) ist eine (?:automatische|automatisch (?:generierte|erstellte|erzeugte)) (?:antwort|"
    r"nachricht|e-?mail|rückmeldung)[.!,;]",
    r"^.{0,60}\bceci est (?:une réponse|un message|un e-?mail|un courriel) (?:automatique|"
    r"généré automatiquement)[.!,;]",
    r"^.{0,60}\beste? (?:es un|es una|mensaje es|correo es) (?:mensaje|correo|"
    r"respuesta)?[^.?]{0,20}(?:automátic[oa]|generad[oa] automáticamente)[.!,;]",
    r"^.{0,60}\bquest[oa] (?:è|e-?mail è) un[a']? ?(?:messaggio|risposta|e-?mail)?[^.?]{0,20}(?:automatic[oa]|"
    r"generat[oa] automaticamente)[.!,;]",
    r"^.{0,60}\bdit is een (?:automatisch(?:e)?|automatisch gegenereerd(?:e)?) (?:antwoord|bericht|e-?mail|"
    r"reactie)[.!,;]",
    r"^.{0,60}\besta é uma (?:resposta|mensagem) automática[.!,;]",
    r"^.{0,60}\bto jest (?:automatyczna odpowiedź|wiadomość wygenerowana automatycznie)[.!,;]",
    r"^.{0,60}\b(?:detta är ett automatiskt|dette er et automatisk|dette er en automatisk) (?:svar|meddelande|"
    r"besked|melding|meddelelse)",
    r"^.{0,60}\b(?:это автоматическ(?:ий ответ|ое сообщение|ое уведомление)|письмо создано автоматически)",
    r"^.{0,60}(?:このメールは(?:、)?(?:システム(?:より|から))?自動(?:送信|返信|配信|応答)|自動返信(?:メール)?(?:です|にて))",
    r"^.{0,60}(?:这是一封自动|此(?:邮件|为)(?:系统)?自动|本邮件由系统自动|此信件由系統自動)",
)

# A desk's answer that it has the mail; counts only beside a ticket's number or a desk's header.
TICKET = re.compile(
    r"\[[^\]]{0,40}#\s?[\w-]{1,30}\]|\[(?:ticket|case|request|anfrage|demande|incident)[^\]]{1,40}\]|\b(?:ticket|"
    r"case|request|incident|anfrage|vorgang|demande|solicitud|zgłoszenie|ärende|sag|sak|заявка|обращение|工单|"
    r"チケット)(?: (?:id|no\.?|nr\.?|number|nummer|numéro))?[ :]{0,3}[#№]? ?[a-z]{0,5}-?\d{2,20}|"
    r"\([a-z]{2,10}-\d{1,9}\)|^\[?[a-z]{2,10}-\d{1,9}\b|^#\d{2,12}\b"
)
RECEIVED = any_of(
    r"(?:^|[.!,:] |that )your (?:support )?(?:request|ticket|message|case|enquiry|inquiry|e-?mail|"
    r"question)\b.{0,60}?\b(?:has been|was|is now) (?:successfully )?(?:received|created|logged|opened|registered|"
    r"submitted|added)",
    r"\bwe(?:'ve| have)? (?:just )?(?:successfully )?received your (?:request|message|e-?mail|inquiry|enquiry|"
    r"ticket|question)",
    r"(?:^|[.!,:] )(?:an? |the |this |new |support )*(?:ticket|case|request)\b.{0,40}\bhas been (?:created|opened|"
    r"logged|received|assigned|registered)",
    r"\bwir haben (?:ihre|deine) (?:anfrage|nachricht|e-?mail|mail|mitteilung) .{0,20}(?:erhalten|empfangen)",
    r"\b(?:ihre|deine) (?:anfrage|nachricht|e-?mail) .{0,40}(?:wurde|ist) .{0,30}(?:erfasst|registriert|"
    r"eingegangen|erhalten|aufgenommen|angelegt)",
    r"\bwurde ein (?:neues )?ticket .{0,30}(?:eröffnet|erstellt|angelegt)",
    r"\bnous avons bien reçu votre|\bvotre (?:demande|message|ticket) .{0,40}a (?:bien )?été (?:reçu|enregistré|"
    r"créé|pris)",
    r"\bhemos recibido (?:su|tu) |\b(?:su|tu) (?:solicitud|consulta|ticket) .{0,40}(?:ha sido|fue) (?:recibid|"
    r"cread|registrad)|se ha creado (?:un|el) ticket",
    r"\babbiamo ricevuto la (?:sua|tua|vostra) |\b(?:la sua|la tua) richiesta .{0,40}è stata (?:ricevuta|"
    r"registrata|presa)",
    r"\b(?:we|wij) hebben (?:je|uw|jouw) .{0,30}ontvangen|\b(?:je|uw) (?:aanvraag|verzoek|"
    r"bericht) .{0,30}is (?:ontvangen|geregistreerd)",
    r"\brecebemos (?:a |o )?(?:sua|seu) |\b(?:sua|seu) (?:solicitação|chamado|pedido) .{0,40}foi (?:recebid|criad|"
    r"registrad|abert)",
    r"\botrzymaliśmy (?:twoj|twój|państwa)|\b(?:zgłoszenie|wiadomość) .{0,40}został[ao]? (?:zarejestrowan|przyjęt|"
    r"otrzyman|utworzon)",
    r"\bvi har (?:tagit emot|mottagit|modtaget|mottatt|fått) (?:ditt|din|ert|er|deres|jeres)",
    r"\bolemme vastaanottaneet|\b(?:viestisi|yhteydenottosi|tukipyyntösi) on (?:vastaanotettu|kirjattu)",
    r"\bpřijali jsme (?:váš|vaši|vaše)|\bváš (?:požadavek|dotaz|e-?mail) .{0,30}byl .{0,20}(?:přijat|zaregistrován|"
    r"vytvořen)",
    r"ваш[ае]? (?:запрос|обращение|заявка|письмо) .{0,40}(?:получен|принят|зарегистрирован|создан)|мы получили ваш",
    r"(?:お問い?合わ?せ|ご質問|ご依頼|メール)を.{0,12}(?:受け?付け?|受信|承り)",
    r"(?:我们|我們)?已(?:经)?(?:收到|受理)(?:了)?(?:您|你)的",
)
# Programs that hold a mail back until its sender does something.
CHALLENGE_SUBJECT = any_of(
    r"(?:please )?(?:confirm|verify) (?:your|that you sent|this) (?:e-?mail|message)",
    r"confirmation required|verification required|message (?:held|pending|challenge)|action required.{0,20}confirm|"
    r"^challenge:|sender (?:verification|validation)",
)
CHALLENGE_OPENING = any_of(
    r"(?:your|the) (?:message|e-?mail)\b.{0,80}\b(?:is being held|is (?:on hold|waiting)|has been (?:held|"
    r"quarantined|placed on hold)|awaiting (?:verification|confirmation|approval))",
    r"(?:verify|confirm|prove) (?:that )?(?:you are|you're) (?:a )?(?:human|real|person|not a (?:spammer|robot))",
    r"(?:to|in order to) (?:release|deliver|complete the delivery of) your (?:message|e-?mail)",
    r"(?:one-?time|whitelist|allowlist|approved senders?).{0,60}(?:click|reply|link)",
)
UNSUBSCRIBE = any_of(
    r"\bunsubscribe\b|view (?:this (?:e-?mail|message) )?in (?:your |a )?(?:web )?browser|"
    r"manage (?:your )?(?:e-?mail )?(?:preferences|subscription)",
    r"\babmelden\b|\babbestellen\b|im browser (?:ansehen|anzeigen|öffnen)|se désabonner|désinscri|désinscription|"
    r"darse de baja|cancelar (?:la |tu |su )?suscripci",
    r"annulla(?:re)? (?:l')?iscrizione|disiscri|uitschrijven|afmelden|cancelar (?:a |sua )?(?:inscrição|"
    r"assinatura)|wypisz się|avregistrera|avsluta prenumeration",
    r"\bafmeld\b|meld deg av|peruuta tilaus|odhlásit|отписаться|配信停止|配信解除|退订|取消订阅",
)
GREETING = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|day|afternoon)|hallo|guten (?:tag|morgen)|sehr geehrte|liebe|bonjour|salut|"
    r"cher|hola|buenos|estimad|ciao|buongiorno|salve|gentile|olá|bom dia|caro|beste|goedendag|hej|hei|cześć|"
    r"dzień dobry|szanown|dobrý|ahoj|здравствуйте|добрый|привет|こんにちは|お世話|你好|您好)\b"
)
ASKS_TO = re.compile(r"\b(?:please|me|us|my|i|how|bitte|mich|uns|wie|moi|me|comment|por favor|come|hoe)\b")
