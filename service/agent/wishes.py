"""Whether a customer wishes for a person, or for none after all, in any spelling (pure)."""

import re

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[?!.,;:\n]")
#: Words that calls for a person are made of: their misspellings are mended before the patterns are tried.
_MENDED = (
    "human",
    "person",
    "people",
    "agent",
    "representative",
    "operator",
    "somebody",
    "someone",
    "speak",
    "support",
)
_SLIPS = {
    "tlak": "talk",
    "takl": "talk",
    "talkk": "talk",
    "humam": "human",
    "hooman": "human",
    "custmer": "customer",
    "sombody": "somebody",
}
_NOT_MENDED = frozenset(
    [
        "humane",
        "personal",
        "persona",
        "steak",
        "agents",
        "urgent",
        "agency",
        "parson",
        "prison",
        "poison",
        "spear",
        "speaks",
        "persons",
    ]
)

_NOT_PEOPLE = re.compile(
    r"\b(?:(?:cleaning|descaling|travel|estate|letting|delivery|real estate|insurance|shipping|user) agents?"
    r"|(?:another|other|different|second|third|each|per|one|same|authori[sz]ed) (?:person|people|human|user)s?"
    r"|personal|person['’]s|in person|human (?:resources|error|rights))\b"
)
_WHO = (
    r"(?:humans?|human beings?|(?:real|actual|live|living|human|proper|physical) (?:person|people|one|agent|human"
    r"|being|"
    r"support|chat|operator)|persons?|people|agents?|representatives?|reps?|operators?|advis[oe]rs?|supervisors?"
    r"|managers?|"
    r"someone|somebody|anyone|anybody|staff(?: member)?|member of (?:staff|the team)|team member|employees?"
    r"|colleagues?|"
    r"support(?: team| agent| staff| person)?|customer (?:service|care|support|services)(?: team| agent| "
    r"representative| rep)?|"
    r"service (?:desk|agent)|your team|the team|helpdesk|help desk)"
)
_TALK = (
    r"(?:speak|talk|chat|spoke|write|connect(?:ed)?|transfer(?:red)?|transferr?|escalate(?:d)?|forward(?:ed)?|"
    r"put (?:me|us) (?:through|on)|pass(?:ed)? (?:me|us|this|it)(?: on| over)?|hand(?:ed)? (?:me|us|this)(?: over)?|"
    r"redirect(?:ed)?|switch(?:ed)?|refer(?:red)?|get (?:me )?through|get in (?:touch|contact)|in touch|deal)"
)
_SOME = r"(?:(?:a|an|the|some|any|your|one of your|real|actual|live|living|human|proper|another|right|now) )*"
#: What these talk about is someone of the customer's own.
_TO = r"(?: (?:me|us|this|it|my case|my question|the chat))?(?: over| on| through| directly| straight)? (?:to|with) "
_CALLS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_TALK}{_TO}{_SOME}{_WHO}\b",
        r"\b(?:i (?:want|need|demand|require|prefer|would like|'d like|wish)|i'd (?:like|prefer|rather have)|get "
        r"me|give me|"
        r"find me|send me|bring me|fetch me|let me have|can i (?:have|get)|could i (?:have|get)) "
        r"(?:a |an |some |the |one of your )*(?:real |actual |live |living |proper )*"
        r"(?:human|humans|human being|representative|rep|operator|live agent|human agent|support agent|real agent|"
        r"real person|actual person|live person|real people|supervisor|manager|human support|real one|live chat)\b",
        r"\b(?:want|need|prefer|like|get me|give me|get|have|with) (?:a |an )?(?:person|agent|someone real"
        r"|somebody real)"
        r"(?: (?:please|pls|plz|now|here|instead|asap|to (?:help|talk|speak|chat|answer|look|reply|contact|call"
        r"|deal)\b.*))?"
        r" ?(?:$|[?!.,;\n])",
        r"\b(?:human|real person|actual person|live person|live agent|human agent|real human|someone real|somebody "
        r"real|"
        r"real people|representative|operator|human being) (?:please|pls|plz|now|asap|instead|needed|wanted"
        r"|required)\b",
        r"\b(?:is|are|isn't) there (?:a|an|any|anyone|anybody|some|someone|somebody)?(?: )?"
        r"(?:real |actual |live |human )*(?:human|person|people|humans|real|one|agent)s?"
        r" (?:there|here|available|around|i can|that i can|who|who can|to talk|to speak|on|in this chat|i could)\b",
        r"\b(?:don't|dont|do not|not|stop|no more|tired of|sick of|fed up with|hate|instead of|rather than|enough of|"
        r"won't|refuse to) (?:want to |wanna |going to |like |wish to )?(?:talk(?:ing)?|speak(?:ing)?"
        r"|chat(?:ting)?|deal(?:ing)?|"
        r"type|typing|write|writing)?(?: )?(?:to |with )?(?:a |an |the |this |your |these |any )?(?:stupid |dumb "
        r"|useless |silly |"
        r"bloody )?(?:bot|bots|robot|robots|chatbot|chatbots|chat bot|ai|automated (?:system|reply|replies|answers))\b",
        r"\b(?:talk(?:ing)?|speak(?:ing)?|chat(?:ting)?) (?:to|with) (?:a |another )?(?:machine|computer)\b",
        r"\bno (?:more )?(?:bots|robots|chatbots|ai)\b",
        r"\b(?:please|can you|could you|just) (?:phone|ring) me\b|\b(?:call|phone|ring) me back\b"
        r"|\b(?:please |can you |could you |just )call me(?: please| now| asap| today| on \d.*)? ?(?:$|[?!.,;\n])",
        r"\b(?:can|could|have|get|let|want|need|ask|please) (?:someone|somebody|a person|a human|anyone|anybody|a "
        r"colleague|your team|"
        r"a member of staff|one of your team|a manager) (?:please )?(?:else )?(?:to )?(?:please )?"
        r"(?:contact|call|phone|ring|get back to|reply to|talk to|speak to|speak with|chat with|take over)\b",
        r"\b(?:take over|hand over|handover|escalate) (?:this|to|the|my|please|now|it)\b",
        r"\bescalate(?: please| now)? ?(?:$|[.!?])",
        r"\bspeak (?:to|with) (?:a |an )?(?:man|woman|guy|lady)\b",
    )
)
_ALONE = re.compile(
    r"(?:(?:please|pls|plz|just|no|yes|hi|hello|hey|ok|so|i said|can i|may i|could i|get|give me|need|want|i want"
    r"|i need|"
    r"talk to|speak to|speak with|chat with|connect me to|transfer me to|transfer to) )*"
    r"(?:a |an |the |any |some )?(?:real |actual |live |living |human )*"
    r"(?:human|humans|person|persons|agent|agents|representative|rep|human being|operator|supervisor|manager"
    r"|someone real|"
    r"somebody real|customer (?:service|support|care)|real people|live chat|human support|human help|staff|person real)"
    r"(?: (?:please|pls|plz|now|asap|thanks|thank you|here|agent|support))*"
)

#: Calls for a person in other languages: a verb of talking near a word for a person, or a set phrase.
_ABROAD = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:mit|zu|an) (?:\w+ ){0,3}(?:mensch(?:en)?|mitarbeiter(?:in|s)?|person|berater(?:in)?|kundenservice"
        r"|kundendienst|"
        r"jemande[mn])\b.{0,80}\b(?:sprech|red|chatt|schreib|verb[iu]nd|telefonier|weiterleit)\w*",
        r"\b(?:sprech|red|verbind)\w*\b.{0,80}\b(?:mensch(?:en)?|mitarbeiter(?:in)?|kundenservice|echte[nr]? person)\b",
        r"\b(?:echte[nr]?|richtige[nr]?) (?:mensch(?:en)?|person|mitarbeiter(?:in)?)\b",
        r"\b(?:parler|discuter|échanger|parle|contacter|joindre|transf[eé]re\w*|passe[rz]?)\b.{0,80}\b(?:humain"
        r"|personne|quelqu['’]un|"
        r"conseill[eè]re?|agent|opérateur|op[ée]ratrice|responsable|vrai[e]? personne)\b",
        r"\b(?:hablar|habla|chatear|comunicar\w*|contactar|pasar\w*|transferir\w*|páseme|paseme)\b.{0,80}\b(?:persona"
        r"|humano|humana|agente|operador|"
        r"operadora|representante|alguien|asesor|asesora)\b",
        r"\b(?:parlare|parlo|chattare|contattare|passatemi|passami)\b.{0,80}\b(?:persona|umano|umana|operatore"
        r"|operatrice|qualcuno|"
        r"addetto|assistente|responsabile)\b",
        r"\b(?:falar|conversar|fala|contactar|contatar|transferir)\b.{0,80}\b(?:pessoa|humano|humana|atendente|alguém"
        r"|alguem|operador|agente|"
        r"assistente)\b",
        r"\b(?:met|naar) (?:\w+ ){0,2}(?:mens|medewerker|persoon|iemand|echt persoon|collega)\b.{0,80}\b(?:spreken"
        r"|praten|chatten|verbind\w*|contact)\b",
        r"\b(?:spreken|praten|chatten|verbind\w*)\b.{0,80}\b(?:mens|medewerker|persoon|iemand)\b",
        r"\b(?:rozmawiać|porozmawiać|rozmowa|rozmowę|połącz\w*|skontaktować|pogadać|kontakt)\b.{0,80}\b(?:człowiek\w*"
        r"|konsultant\w*|kimś|osob\w*|"
        r"pracownik\w*|doradc\w*)\b",
        r"(?:поговор|говор|зв['ʼ’]?яж|з['ʼ’]?єдн|связ|соедин|позов|переключ|поклич|перевед|спілкува|общат)\w*.*"
        r"(?:людин|человек|оператор|менеджер|консультант|кимось|кем-то|співробітник|сотрудник|людьми)\w*",
        r"(?:оператор|живая людина|живой человек|жива людина)\w*[!.? ]*$",
        r"\b(?:insan|temsilci|yetkili|operatör|canlı|müşteri (?:hizmet|temsilci))\w*\b.{0,80}\b(?:görüş|konuş|bağla"
        r"|bağlan|istiyorum|yaz|destek)\w*",
        r"(?:أتحدث|اتحدث|التحدث|اتكلم|أتكلم|التكلم|أكلم|اكلم|تحويل|حولني|الحديث|التواصل|أتواصل|اتواصل).*(?:شخص"
        r"|موظف|إنسان|انسان|بشري|ممثل|مندوب|وكيل|أحد|احد)",
        r"人工|真人|转接|轉接|客服人员|客服人員",
        r"(?:人間|オペレーター|担当者|スタッフ|有人).*(?:話|代わ|つな|繋|対応|チャット|お願い)",
        r"(?:상담원|사람|직원).*(?:연결|통화|대화|얘기|바꿔|상담)",
        r"(?:इंसान|व्यक्ति|एजेंट|आदमी|प्रतिनिधि|किसी).*बात",
        r"\b(?:prata|tala|chatta|kontakt) med (?:en |ett |någon )*(?:människa|person|medarbetare|någon|handläggare)\b",
        r"\b(?:snakke|tale|chatte|prate) med (?:et |en |ei )*(?:menneske|person|medarbejder|medarbeider|nogen|noen"
        r"|kundeservice)\b",
        r"\b(?:mluvit|hovořit|spojit|spojte|hovoriť)\b.{0,80}\b(?:člověk\w*|operátor\w*|osob\w*|někým|pracovník\w*)\b",
        r"\b(?:vorbesc|vorbi|discut)\b.{0,80}\b(?:persoan[ăa]|om|operator|cineva|agent)\b",
        r"\b(?:puhua|jutella)\b.{0,80}\b(?:ihmise\w*|henkilö\w*|asiakaspalvel\w*)\b|\bihmisen kanssa\b",
    )
)

#: Words that mean something beside "never mind".
MOST_OTHER_WORDS = 2
_NEVER_MIND = re.compile(
    r"\b(?:ne?ver ?mind|nvm|nevermind|forget (?:it|about it|that)|don't (?:worry|bother)(?: about it)?|dont "
    r"(?:worry|bother)|no need(?: any ?more)?|"
    r"not needed(?: any ?more)?|scratch that|disregard(?: that| this)?|ignore (?:that|this|me|my (?:last )?message)|"
    r"(?:all |already |i'm |im |it's |its |now |been )*(?:sorted|solved|resolved|fixed)|sorted (?:it|now|out)|"
    r"(?:i|we)(?:'ve| have)? (?:just )?(?:found|got|figured|worked|sorted|solved|fixed) (?:it|that|the answer|my "
    r"answer)(?: out)?|"
    r"it(?:'s| is) (?:ok|okay|fine|all right|alright|good) now|it works(?: now)?|works now|no longer "
    r"need(?:ed)?(?: (?:help|it|a person|anyone|this))?|"
    r"don't need (?:a |any ?)?(?:person|human|help|one|it|agent|anyone|anymore|any more)(?: any ?more)?|"
    r"(?:i'll|i will|let me) (?:just )?(?:ask|try) (?:you|the bot|the assistant|it myself) instead|changed my mind)\b"
)
#: What may stand beside "never mind" and add nothing.
_FILLER = frozenset(
    "thanks thank you ty thx cheers ok okay oh ah hi hey hello please pls sorry yes yeah yep no it its it's i "
    "i'm im i've ive we all now anyway actually just so and then for the your help a lot everything good "
    "great fine myself got have this that already was really much any more anymore guys folks".split()
)
#: What says that something is still wanted.
_WANTS_MORE = re.compile(
    r"[?]|\b(?:but|however|still|though|want|wants|can|could|would|will|is|are|has|does|do|did|where|when|how|why|what|"
    r"which|broken|missing|refund|cancel|instead of)\b"
)
_NOT_SETTLED = re.compile(
    r"\b(?:not|isn't|wasn't|never been|hasn't|haven't|still|unless|until|when|want it|needs? to be|be|get)\b(?: "
    r"\w+){0,2} (?:sorted|solved|resolved|fixed)\b"
)


_NO_PERSON = re.compile(
    r"\b(?:don't|dont|do not) (?:want|need)(?: to (?:talk|speak|chat) (?:to|with))?(?: (?:a|an|any|the|real|another))* "
    r"(?:person|human|agent)s?\b|^ ?no (?:person|human|agent)s?\b"
)


#: A talk that was is told, not asked for.
_TOLD = re.compile(
    r"(?<!can )(?<!could )(?<!may )\b(?:i|we)(?:'ve| have|'d| had)?(?: \w+ly| just| already| once| also| even)?"
    r" (?:spoke|spoken|talked|chatted|wrote|written) (?:to|with)(?: (?:a|an|the|your|some))? \w+"
)


def asks_for_person(text: str) -> bool:
    """Whether the customer wants a person instead of the agent, in English of any spelling or another main language."""
    if any(pattern.search(text) for pattern in _ABROAD):
        return True
    plain = _TOLD.sub(" ", _NO_PERSON.sub(" ", _NOT_PEOPLE.sub(" ", mended(text))))
    if _ALONE.fullmatch(re.sub(r"[?!.,;:\n ]+", " ", plain).strip()):
        return True
    asked_of_us = re.sub(r"\b(?:am i|are you|is this) [^?!.\n]*", " ", plain)
    return any(pattern.search(asked_of_us) for pattern in _CALLS)


def never_mind(text: str) -> bool:
    """Whether a customer who waits for a person says that none is needed any more."""
    plain = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip()
    if len(plain.split()) > 25 or asks_for_person(_NEVER_MIND.sub(" ", plain)):
        return False
    if not _NEVER_MIND.search(plain) or _NOT_SETTLED.search(plain) or "?" in plain:
        return False
    # In doubt the call stands: somebody who waits and says more is still waiting.
    left = _NEVER_MIND.sub(" ", plain)
    more = [word for word in re.findall(r"[\w']+", left) if word not in _FILLER]
    return len(more) <= MOST_OTHER_WORDS and not _WANTS_MORE.search(left)


def mended(text: str) -> str:
    """Lower case, words apart, the misspelt words of a call for a person spelt right."""
    tokens = [token.replace("’", "'") for token in _TOKEN.findall(text.lower())]
    return " ".join(_mend(token) for token in tokens)


def _mend(token: str) -> str:
    if token in _SLIPS:
        return _SLIPS[token]
    if len(token) < 5 or token in _NOT_MENDED or token in _MENDED:
        return token
    return next((word for word in _MENDED if _one_slip(token, word)), token)


def _one_slip(written: str, meant: str) -> bool:
    """Whether one letter is wrong, missing, too many, or two have changed places; long words may have two slips."""
    allowed = 2 if len(meant) >= 12 else 1
    if abs(len(written) - len(meant)) > allowed or written[0] != meant[0]:
        return False
    before: list[int] = []
    row = list(range(len(meant) + 1))
    for i, a in enumerate(written, 1):
        before, last, row = row, before, [i] + [0] * len(meant)
        for j, b in enumerate(meant, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if last and i > 1 and j > 1 and a == meant[j - 2] and written[i - 2] == b:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1] <= allowed
