"""Messages that are nothing but manners, or the question who answers (pure)."""

import re

from service.agent.wishes import mended

_BOT = re.compile(
    r"(?:(?:hi|hello|hey|wait|so|sorry|and|but|ok|hang on|hold on|excuse me)[ ,]+)*"
    r"(?:are you|r u|you|am i|is this|is it|is that|who are you|what are you|is anyone|do i|who am i|who is this"
    r"|is there)"
    r"(?: (?:a|an|the|just|really|actually|some|even|only|kind of|sort of|talking|speaking|chatting|writing"
    r"|texting|to|with|here|"
    r"answering|real|live|actual|human|humans|person|people|bot|robot|chatbot|chat|ai|machine|computer|automated"
    r"|automatic|assistant|program|"
    r"chatgpt|artificial|intelligence|or|not|me|now|reading|this|you|system|thing|being|agent|someone|somebody))*"
)
_BOT_WORD = re.compile(
    r"\b(?:bot|robot|chatbot|ai|machine|computer|automated|automatic|human|real|person|chatgpt|who|what|program"
    r"|artificial)\b"
)

_HELLO = (
    r"hi|hii+|hello|helo|hey|heya?|hiya|howdy|yo|hallo|hola|bonjour|ciao|good (?:morning|afternoon|evening|day)"
    r"|morning|"
    r"afternoon|evening|greetings|dear (?:sir or madam|sir|madam|all|team|support|customer service)|hi there|hello "
    r"there|hey there|"
    r"how are you(?: doing)?(?: today)?|how do you do|nice to meet you|what's up|sup|anyone there|anybody there|"
    r"is (?:anyone|anybody|someone|somebody) there|are you there|u there|hello again|hi again|team|there|sir|all"
    r"|everyone|everybody|folks|guys|mate"
)
_THANKS = (
    r"thanks|thank you|thankyou|thx|tnx|ty|tysm|thank u|cheers|ta|many thanks|much appreciated|appreciated|i "
    r"appreciate it|"
    r"merci|danke|gracias|grazie|great|perfect|brilliant|lovely|awesome|excellent|amazing|wonderful|fantastic"
    r"|super|cool|nice|"
    r"ok|okay|k|okey|alright|all right|right|fine|good|got it|understood|i see|makes sense|noted|sounds good|"
    r"that helps|that helped|this helps|very helpful|so helpful|helpful|that's helpful|that's (?:great|perfect|all"
    r"|brilliant|lovely|fine|good|it)|that is (?:great|perfect|all)|"
    r"you've been (?:very |really |so )?helpful|that answers (?:it|my question|that)|that's all i needed|that's "
    r"what i needed|"
    r"so much|very much|a lot|a million|a bunch|again|for (?:your|the|all your|all the) help|for (?:that|this|it)"
    r"|for helping(?: me)?|"
    r"for (?:the|your) (?:quick |fast |prompt )?(?:reply|answer|response|information|info)|for letting me know|in "
    r"advance|no worries|no problem|nothing else|no that's all|no thanks|"
    r"no thank you|will do|you too|you're welcome|ok then|oh|ah|yay|sorted|all sorted|all good|solved|it works now"
    r"|works now|problem solved"
)
_BYE = (
    r"bye|bye bye|byebye|goodbye|good bye|see you(?: later| soon)?|see ya|cya|ttyl|take care|good night|goodnight|"
    r"have a (?:nice|good|great|lovely|wonderful) (?:day|evening|weekend|one|night|week|afternoon)|until next time"
    r"|that's all for (?:now|today)|"
    r"adios|tschüss|au revoir"
)
_OFFER = (
    r"help|help me|help please|please help|please help me|i need help|need help|i need some help|can you help(?: "
    r"me)?(?: please)?|could you help(?: me)?(?: please)?|"
    r"can someone help(?: me)?|i have a (?:question|problem|query|issue)|i've got a (?:question|problem)|quick "
    r"question|question|"
    r"can i ask (?:you )?(?:a question|something)|i (?:want|would like|'d like) to ask (?:a question|something)|"
    r"what can you do|what can you help(?: me)? with|what do you do|how can you help(?: me)?|start|menu|hmm+|um+"
    r"|huh|what|pardon|sorry|test|testing"
)
_PIECES = {
    "hello": re.compile(_HELLO),
    "thanks": re.compile(_THANKS),
    "bye": re.compile(_BYE),
    "offer": re.compile(_OFFER),
}


def asks_whether_bot(text: str) -> bool:
    """Whether all the customer asks is who or what answers."""
    plain = re.sub(r"[?!.,;:\n ]+", " ", mended(text)).strip()
    goods = re.search(r"\b(?:this|the) (?:machine|computer|program|system)\b", plain)
    return bool(_BOT.fullmatch(plain) and _BOT_WORD.search(plain) and not goods)


def small_talk(text: str) -> str | None:
    """hello | thanks | bye | offer, if the message is nothing but that."""
    plain = re.sub(r"[^\w'’ ]+|_", " ", text.lower().replace("’", "'"))
    plain = re.sub(r"\s+", " ", plain).strip()
    found: list[str] = []
    while plain:
        best = ("", 0)
        for name, pattern in _PIECES.items():
            for end in _ends(plain):
                if end > best[1] and pattern.fullmatch(plain[:end]):
                    best = (name, end)
        if not best[1]:
            return None
        found.append(best[0])
        plain = plain[best[1] :].strip()
    for name in ("offer", "bye", "thanks", "hello"):
        if name in found:
            return name
    return None


def _ends(text: str) -> list[int]:
    """Where words end, of the first ten."""
    ends = [match.start() for match in re.finditer(" ", text)][:10]
    return [*ends, len(text)] if len(ends) < 10 else ends
