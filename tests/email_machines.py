"""Mails that machines write, in the forms that their programs give them, with what each is taken for."""

from tests.email_people import ANSWERS, ME, mail

NULL = "Return-Path: <>"


def away(subject: str, text: str, *lines: str) -> tuple[str, bytes]:
    return "out of office", mail(subject, text, ME, *lines)


# How the large programs answer for people who are away, where no header says so.
AWAY = {
    "Out of Office AutoReply: Order 12": "I am out of the office until 3 June.",
    "AUTO: Jane Doe is out of the office (returning 06/03/2024)": "I am out of the office until "
    "06/03/2024.\n\nNote: This is an automated "
    'response to your message "Order"',
    "Jane Doe is out of the office.": "I am out of the office until Monday.",
    "Automatische Antwort: Bestellung": "Guten Tag,\nich bin bis zum 3. Juni nicht im Büro.",
    "Réponse automatique : Commande": "Je suis absent du bureau jusqu'au 3 juin.",
    "Respuesta automática: Pedido": "Estoy fuera de la oficina hasta el lunes.",
    "Risposta automatica: Ordine": "Sono fuori ufficio fino a lunedì.",
    "Automatisch antwoord: Bestelling": "Ik ben tot maandag afwezig.",
    "Resposta automática: Pedido": "Estou fora do escritório até segunda-feira.",
    "Automatyczna odpowiedź: Zamówienie": "Jestem poza biurem do poniedziałku.",
    "Autosvar: Beställning": "Jag är inte på kontoret förrän måndag.",
    "Automatisk svar: Ordre": "Jeg er ikke på kontoret før mandag.",
    "Automatisk svar: Bestilling": "Jeg har ferie til mandag.",
    "Automaattinen vastaus: Tilaus": "Olen poissa maanantaihin asti.",
    "Automatická odpověď: Objednávka": "Jsem mimo kancelář do pondělí.",
    "Автоматический ответ: Заказ": "Я в отпуске до понедельника.",
    "自動応答: 注文": "月曜日まで不在にしております。",
    "自动答复: 订单": "我正在休假,将于周一返回。",
}
# One header is enough: RFC 3834 with its parameters and comments, and what programs wrote before it.
MARKS = (
    "Auto-Submitted: auto-replied",
    'Auto-Submitted: Auto-Generated (by "cron") ; owner-email="a@b.example"',
    "AUTO-SUBMITTED: auto-notified; owner-token=af3; foo=bar",
    "X-Autoreply: yes",
    "X-Autorespond: Order",
    "X-Autorespond:",
    "Precedence: auto_reply",
    "Precedence: bulk",
    "X-FC-MachineGenerated: true",
    "Return-Path: <>",
)
# How desks say that they have a mail, where only their words say it.
DESKS = {
    "[Ticket#4711] Bestellung": "Guten Tag,\nwir haben Ihre Anfrage erhalten und bearbeiten sie.",
    "[#4711] Commande": "Bonjour,\nNous avons bien reçu votre demande.",
    "Ticket #4711: Pedido": "Hola,\nHemos recibido su solicitud.",
    "[#4711] 注文": "お問い合わせを受け付けました。",
}
MACHINES: dict[str, tuple[str, bytes]] = {subject: away(subject, text) for subject, text in AWAY.items()}
MACHINES |= {subject: ("another desk", mail(subject, text)) for subject, text in DESKS.items()}
MACHINES |= {line: ("auto-reply", mail("Order", "Thanks.", ME, line)) for line in MARKS}
MACHINES |= {
    "precedence junk": (
        "out of office",
        mail("Re: Order", "I am away from my desk until the 3rd.", ME, "Precedence: junk"),
    ),
    "Exchange with a header": away(
        "Automatic reply: Order 12",
        "Hello, see you soon.",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        *ANSWERS,
    ),
    "Gmail": away(
        "Out of office Re: Order 12",
        "I'm on vacation until the 5th.",
        "Precedence: bulk",
        "X-Autoreply: yes",
        "Auto-Submitted: auto-replied",
        *ANSWERS,
    ),
    "OTRS of old": (
        "another desk",
        mail(
            "Order", "Hello", ME, "X-Mailer: Open-Ticket-Request-System Mail Service (2.4)", "X-OTRS-Loop: a@b.example"
        ),
    ),
    "de, Abwesenheit": away("Abwesenheitsnotiz: Bestellung", "Ich bin derzeit im Urlaub.", *ANSWERS),
    "fr, absence": away("Absence du bureau : Commande", "Bonjour, je suis en congés.", *ANSWERS),
    "a tag in brackets": (
        "auto-reply",
        mail("[Auto-Reply] Order", "Thanks. This is an automated reply.", ME, *ANSWERS),
    ),
    "a subject alone, of an answer": ("auto-reply", mail("Automatic reply: Order 12", "Thank you, Jane", ME, *ANSWERS)),
    "an answer that says so": (
        "auto-reply",
        mail("Re: Order", "This is an automated response. We are closed until Monday."),
    ),
    "read receipt": (
        "auto-reply",
        mail(
            "Read: Order",
            "--r\nContent-Type: text/plain\n\nRead.\n--r\nContent-Type: "
            "message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed\n--r--",
            ME,
            'Content-Type: multipart/report; report-type=disposition-notification; boundary="r"',
        ),
    ),
    "feedback report": (
        "feedback report",
        mail(
            "complaint",
            "--r\nContent-Type: text/plain\n\nSpam.\n--r\nContent-Type: message/feedback-report\n\nFeedback-Type: "
            "abuse\n--r--",
            "FBL <fbl@isp.example>",
            'Content-Type: multipart/report; boundary="r"; report-type=feedback-report',
        ),
    ),
    "calendar": (
        "auto-reply",
        mail(
            "Accepted: Call",
            "--r\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR\n--r--",
            ME,
            'Content-Type: multipart/alternative; boundary="r"',
        ),
    ),
    "Spam Arrest": (
        "auto-reply",
        mail("Re: Order", "To complete the delivery of your message, click this link.", "Bob <b@spamarrest.com>"),
    ),
    "challenge": (
        "auto-reply",
        mail(
            "Please confirm your message",
            "Your message to bob@example.org is being held. Click here to prove that you are human.",
        ),
    ),
    "noreply": ("auto-reply", mail("Your invoice", "Attached.", "Acme <no-reply@acme.example>")),
    "noreply in the middle": (
        "auto-reply",
        mail("Your invoice", "Attached.", "Acme <billing.noreply+12@acme.example>"),
    ),
    "notifications": ("auto-reply", mail("Ana commented", "Hi", "Git <notifications@code.example>")),
    "nicht-antworten": ("auto-reply", mail("Rechnung", "Anbei.", "Acme <nicht-antworten@acme.example>")),
    "Mailman": (
        "list",
        mail(
            "[dev] Patch",
            "Hi all",
            ME,
            "List-Id: Developers <dev.lists.example.org>",
            "Precedence: list",
            "List-Post: <mailto:dev@lists.example.org>",
            to="dev@lists.example.org",
        ),
    ),
    "List-Id alone": (
        "list",
        mail("Patch", "Hi all", ME, "List-Id: <dev.lists.example.org>", to="dev@lists.example.org"),
    ),
    "ListServ": (
        "list",
        mail(
            "Patch",
            "Hi all",
            ME,
            "Sender: List <DEV-L@lists.example.org>",
            "Return-Path: <owner-dev-l@lists.example.org>",
        ),
    ),
    "Precedence: list": ("list", mail("Patch", "Hi all", ME, "Precedence: list")),
    "bulk with unsubscribe": (
        "list",
        mail("Offers", "Hello", ME, "Precedence: bulk", "List-Unsubscribe: <https://x.example/u>"),
    ),
    "newsletter": (
        "list",
        mail(
            "40% off",
            "Sale!\n\nUnsubscribe | View in browser",
            "Shop <hello@shop2.example>",
            "List-Unsubscribe: <https://x.example/u>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ),
    ),
    "newsletter by its sender": ("list", mail("June", "Hello\nHier abmelden", "Shop <newsletter@shop2.example>")),
    "from our address": ("own mail", mail("Order", "Hello", "Shop <Support+f0@Shop.example>")),
    "our Message-ID": (
        "own mail",
        mail("Order", "Hello", ME).replace(
            b"<m1@example.net>", b"<fl.0b0f2a6e-6a0e-4a53-9d9c-1d3a52f4c001.abcdefghijklmnopqrst@shop.example>"
        ),
    ),
    "our X-Loop": ("own mail", mail("Order", "Hello", ME, "X-Loop: support@shop.example")),
    "Zendesk": (
        "another desk",
        mail(
            "[Request received] Order",
            "Hello",
            "Acme <support@acme.zendesk.com>",
            "X-Mailer: Zendesk Mailer",
            "Auto-Submitted: auto-generated",
        ),
    ),
    "Freshdesk": (
        "another desk",
        mail(
            "Ticket Received - Order",
            "Hi, we would like to acknowledge. Your request has been received.",
            "Acme <support@acme.example>",
            "X-Freshdesk-Ticket: 12",
        ),
    ),
    "OTRS": (
        "another desk",
        mail(
            "[Ticket#2024052810000017] Order",
            "Danke",
            "Acme <help@acme.example>",
            "X-Mailer: OTRS Mail Service (6.0)",
            "X-OTRS-Loop: True",
            "Precedence: bulk",
        ),
    ),
    "RT": (
        "another desk",
        mail(
            "[acme.example #123] AutoReply: Order",
            "Greetings,",
            "Acme via RT <rt@acme.example>",
            "RT-Ticket: acme.example #123",
            "Managed-by: RT 4.4 (http://www.bestpractical.com/rt/)",
            "Precedence: bulk",
        ),
    ),
    "FreeScout": (
        "another desk",
        mail("Re: Order", "Hi", "Acme <help@acme.example>", "X-FreeScout-Mail-Type: auto.reply"),
    ),
    "Jira": (
        "another desk",
        mail(
            "[JIRA] (HELP-12) Order",
            "Created",
            "Jira <jira@acme.example>",
            "X-JIRA-FingerPrint: ab12",
            "Precedence: bulk",
            "Auto-Submitted: auto-generated",
        ),
    ),
    "osTicket": (
        "another desk",
        mail(
            "Order [#482913]",
            "Dear Ana,\nA request for support has been created and assigned #482913.",
            "Acme <help@acme.example>",
        ),
    ),
    "Exchange": (
        "bounce",
        mail(
            "Undeliverable: Order",
            "Your message did not reach some or all of the intended recipients.",
            "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@acme.example>",
        ),
    ),
    "Exchange, a null sender": (
        "bounce",
        mail(
            "Unzustellbar: Bestellung",
            "Fehler bei der Nachrichtenzustellung an folgende Empfänger.",
            "Outlook <x@acme.example>",
            NULL,
        ),
    ),
    "postmaster": (
        "bounce",
        mail(
            "Mail delivery failed",
            "Your message could not be delivered to a@b.example: 550 no such user",
            "postmaster@acme.example",
        ),
    ),
    "Mail Delivery System": (
        "bounce",
        mail(
            "Non remis : Commande",
            "Votre message n'a pas pu être remis à a@b.example.",
            "Mail Delivery System <system@acme.example>",
        ),
    ),
    "a content gateway": (
        "bounce",
        mail(
            "MailMarshal has rejected an email message",
            "MailMarshal has not delivered the following message: Order",
            "MailMarshal <postmaster@acme.example>",
        ),
    ),
    "failed recipients": ("bounce", mail("Order", "It failed.", ME, "X-Failed-Recipients: a@b.example")),
}
