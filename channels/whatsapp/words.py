"""The words by which customers say that they want no more messages, or want them again (pure)."""

import unicodedata

from channels.base import Kind

#: Who is taken to have said stop is answered no more, so only words are here that nobody who writes to a support desk
#: means anything else by. Left out on purpose, although SMS networks take some of them for it: "cancel", "end", "quit"
#: and "exit", and the same elsewhere (cancelar, annuler, abbestellen, sair, отмена, iptal and two words of Chinese):
#: they are said of an order, a booking, a subscription or a step one is at. "Abmelden" and "afmelden" are said of a
#: login, "alto" answers a question, "para" begins a sentence. STOP itself is known everywhere.
STOP = frozenset(
    "stop stopp stopall unsubscribe optout stoppen στοπ "  # English, German, Dutch, Nordic languages, Greek
    "parar pare detener baja descadastrar "  # Spanish, Portuguese
    "arrêt arrêter arrêtez désabonner désinscrire "  # French
    "ferma fermare disiscrivimi "  # Italian
    "wypisz zatrzymaj avregistrera afmeld avmeld "  # Polish, Swedish, Danish, Norwegian
    "dur durdur стоп отписаться відписатися "  # Turkish, Russian, Ukrainian
    "توقف إيقاف ايقاف הסר הפסק עצור "  # Arabic, Hebrew
    "रोकें berhenti หยุด dừng "  # Hindi, Indonesian and Malay, Thai, Vietnamese
    "停止 取消订阅 取消訂閱 配信停止 ストップ 수신거부 중지 그만".split()  # Chinese, Japanese, Korean
)
#: Not among them: "yes" and other words that answer a question, and what is said of a login or a subscription.
START = frozenset(
    "start unstop iniciar reanudar começar démarrer inizia wznów başlat başla "
    "старт почати ابدأ ابدا התחל शुरू mulai เริ่ม 开始 開始 再開 スタート 시작".split()
)
#: No such message is longer, with whatever signs stand around the word.
LONGEST = 60


def stop_or_start(text: str) -> Kind | None:
    """Whether the whole message is such a word. Capitals, spaces, punctuation and emoji do not count."""
    word = _bare(text) if len(text) <= LONGEST else ""
    if word in _STOP:
        return Kind.STOP
    return Kind.START if word in _START else None


def _bare(text: str) -> str:
    """Its letters and digits in lower case, and the marks that are parts of letters in many scripts."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # Of the marks these make an emoji or a key of the sign before them.
    return "".join(
        each for each in folded if unicodedata.category(each)[0] in "LMN" and each not in "\ufe0e\ufe0f\u20e3"
    )


_STOP, _START = (frozenset(_bare(word) for word in words) for words in (STOP, START))
