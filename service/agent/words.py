"""What the agent says that is in no article: the same words every time, and never more than it can keep."""

from collections.abc import Sequence

_LANGUAGES = {
    "de": "Ich kann nur auf Englisch antworten. Ich habe eine Person von {company} gebeten, hier zu übernehmen.",
    "fr": "Je ne peux répondre qu’en anglais. J’ai demandé à une personne de {company} de prendre le relais ici.",
    "es": "Solo puedo responder en inglés. He pedido a una persona de {company} que continúe aquí la conversación.",
    "it": "Posso rispondere solo in inglese. Ho chiesto a una persona di {company} di proseguire qui la conversazione.",
    "pt": "Só consigo responder em inglês. Pedi a uma pessoa de {company} que continue aqui a conversa.",
    "nl": "Ik kan alleen in het Engels antwoorden. Ik heb iemand van {company} gevraagd het hier over te nemen.",
    "pl": "Mogę odpowiadać tylko po angielsku. Poprosiłem osobę z {company} o przejęcie tej rozmowy.",
    "uk": "Я можу відповідати лише англійською. Я передав цю розмову людині з {company}, вона відповість тут.",
    "ru": "Я могу отвечать только на английском. Я передал этот разговор сотруднику {company}, он ответит здесь.",
    "sv": "Jag kan bara svara på engelska. Jag har bett en person på {company} att ta över här.",
    "da": "Jeg kan kun svare på engelsk. Jeg har bedt en person hos {company} om at tage over her.",
    "no": "Jeg kan bare svare på engelsk. Jeg har bedt en person hos {company} om å ta over her.",
    "tr": "Yalnızca İngilizce yanıt verebiliyorum. {company} ekibinden bir kişiden burada devralmasını istedim.",
    "ar": "لا أستطيع الرد إلا بالإنجليزية. طلبت من شخص في {company} أن يتولى المحادثة هنا.",
    "zh": "我只能用英语回答。我已请 {company} 的工作人员在这里接手。",
    "ja": "英語でしかお答えできません。{company} の担当者にここで引き継ぐよう依頼しました。",
    "ko": "저는 영어로만 답변할 수 있습니다. {company} 담당자에게 이 대화를 이어 달라고 요청했습니다.",
    "hi": "मैं केवल अंग्रेज़ी में उत्तर दे सकता हूँ। मैंने {company} के एक व्यक्ति से यहाँ बातचीत सँभालने को कहा है।",
}
_HANDED_OVER = "I've asked a person from {company} to take over; they'll reply here."


def small_talk(kind: str, company: str) -> str:
    """The reply to a greeting, a thank-you, a good-bye, an open offer, or the question who answers."""
    return {
        "hello": f"Hello! I'm the AI assistant of {company}. What would you like to know?",
        "thanks": "You're welcome. If there is anything else, just ask.",
        "bye": "Goodbye! You can write here again at any time.",
        "offer": f"I answer questions from the help centre of {company}. Please tell me in a sentence what it is, "
        'or write "a person" and I\'ll call one.',
        "bot": f"I'm an AI assistant, not a person. I answer from the help centre of {company}. "
        'If you would rather have a person, write "a person" and I\'ll call one.',
        "never mind": "All right, no person is called for any more. If there is anything else, just ask me.",
    }[kind]


def say_more(company: str) -> str:
    return (
        "I can't tell what you would like to know. Could you write it in a sentence? "
        f'You can also write "a person" and I\'ll call one from {company}.'
    )


def person_called(company: str) -> str:
    return f"Of course. {_HANDED_OVER.format(company=company)}"


def other_language(language: str, company: str) -> str:
    """In the customer's language where we have the sentence, and in English."""
    english = f"I can only answer in English. {_HANDED_OVER.format(company=company)}"
    own = _LANGUAGES.get(language)
    return f"{own.format(company=company)}\n\n{english}" if own else english


def not_sure(company: str) -> str:
    return f"I don't want to guess at the answer. {_HANDED_OVER.format(company=company)}"


def not_both(company: str) -> str:
    return f"I can't answer all of that with certainty. {_HANDED_OVER.format(company=company)}"


def not_helped(company: str) -> str:
    return f"I'm sorry that did not help. {_HANDED_OVER.format(company=company)}"


def serious(company: str) -> str:
    return f"This should be looked at by a person. {_HANDED_OVER.format(company=company)}"


def too_long(company: str) -> str:
    return f"That is more than I can answer reliably. {_HANDED_OVER.format(company=company)}"


def broken(company: str) -> str:
    return f"I'm sorry, I can't answer right now. {_HANDED_OVER.format(company=company)}"


def secrets_seen(names: Sequence[str]) -> str:
    """What a customer is told who sent a secret."""
    return f"Please don't send a {' or a '.join(names)} here: we never need it."
