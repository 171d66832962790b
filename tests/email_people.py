"""Mails that people write and that come near to what machines write: none of them may be taken for automatic."""

BOUNCE = """This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not be delivered.

<anna@example.org>: host mx.example.org said: 550 5.1.1 User unknown

Return-Path: <me@example.net>
Message-ID: <abc@example.net>
Subject: Order
"""


def mail(
    subject: str, text: str, sender: str = "Ana Vidal <ana.vidal@example.net>", *lines: str, to: str = ""
) -> bytes:
    head = [
        f"From: {sender}",
        f"To: {to or 'support@shop.example'}",
        f"Subject: {subject}",
        "Message-ID: <m1@example.net>",
    ]
    kind = (
        ["Content-Type: text/plain; charset=utf-8"]
        if not any(line.startswith("Content-Type") for line in lines)
        else []
    )
    return "\n".join([*head, *lines, "MIME-Version: 1.0", *kind, "", text, ""]).encode()


ANSWERS = ("In-Reply-To: <fl.0123@shop.example>", "References: <a@x.example> <fl.0123@shop.example>")
EXCHANGE = (
    "X-Auto-Response-Suppress: All",
    "X-MS-Exchange-Organization-SCL: -1",
    "X-MS-Has-Attach:",
    "Thread-Index: AdT=",
)
ME = "Ana Vidal <ana.vidal@example.net>"


def with_attached(subject: str, words: str, attached: str, kind: str = "message/rfc822") -> bytes:
    """A person's words, and a whole mail of a machine's as an attachment."""
    text = f"--b1\nContent-Type: text/plain; charset=utf-8\n\n{words}\n--b1\nContent-Type: {kind}\n\n{attached}\n--b1--"
    return mail(subject, text, ME, 'Content-Type: multipart/mixed; boundary="b1"')


REPORT = f"""From: MAILER-DAEMON@mx.example.net
Return-Path: <>
Auto-Submitted: auto-replied
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="r"

--r
Content-Type: text/plain

{BOUNCE}
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; anna@example.org
Action: failed
Status: 5.1.1

--r--
"""
AWAY = """From: bob@example.org
Auto-Submitted: auto-replied
Subject: Automatic reply: Order

I am out of the office until Monday.
"""
QUOTED = "\n".join(f"> {line}" for line in BOUNCE.splitlines())

# Subject and text, from an ordinary sender and without any particular header.
SAID = {
    "AUTO: Ersatzteil": "Ich suche ein Ersatzteil für mein Auto.",
    "Abwesenheit": "Ich bin nächste Woche im Urlaub, bitte die Lieferung verschieben.",
    "Non-delivery of order 99": "I complain about the non-delivery of order 99.",
    "My mail to you bounced": "Hello, I wrote to you on Monday and got an undeliverable message back. Why?",
    "FW: Undeliverable: Order 4411": "\n\nFrom: Microsoft Outlook\nSent: Monday\nSubject: Undeliverable: Order "
    "4411\n\nYour message to anna@example.org couldn't be delivered.",
    "Delivery failed again": "The courier says delivery failed. Where is my parcel?",
    "Delivery failure": "Your driver could not deliver my parcel yesterday. Nobody rang. When will you come again?",
    "Undeliverable parcel 4411": "The tracking says that my parcel is undeliverable. Please return my money.",
    "Returned to sender?": "My parcel was returned to sender. Please send it again to the address below.",
    "Delivery notification wrong": "I received a delivery notification but no parcel.",
    "Delivery report missing": "We need the delivery report for order 4411.",
    "Mail delivery system": "Do you sell a mail delivery system for offices? We have three floors.",
    "Paket unzustellbar": "Guten Tag, mein Paket konnte nicht zugestellt werden. Wann kommt es noch einmal?",
    "Zustellung fehlgeschlagen": "Laut Sendungsverfolgung ist die Zustellung fehlgeschlagen. Ich war aber zu Hause!",
    "Colis non remis": "Bonjour, mon colis n'a pas été livré. Que faire ?",
    "Pedido no entregado": "Hola, mi pedido no ha sido entregado. ¿Dónde está?",
    "Mancata consegna": "Buongiorno, il corriere segnala mancata consegna. Io ero a casa.",
    "Pakket niet bezorgd": "Mijn pakket is niet bezorgd. Waar blijft het?",
    "Encomenda não entregue": "A minha encomenda não foi entregue. Podem ajudar?",
    "Nie dostarczono paczki": "Dzień dobry, nie dostarczono mojej paczki.",
    "Заказ не доставлен": "Здравствуйте, мой заказ не доставлен. Где он?",
    "商品が届きません": "注文した商品がまだ届きません。確認をお願いします。",
    "订单未送达": "你好,我的订单显示未送达,请帮我查询。",
    "Out of office furniture": "Are you out of office furniture? The page says sold out.",
    "Out of office: how do I set it up?": "Hello, how do I set up an out of office message in your app?",
    "Delivery while I am away": "I will be out of the office next week. Can you deliver on the 12th instead?",
    "Out of office": "I am out of the office next week. Could you deliver the week after?",
    "Automatic reply does not work": "The automatic reply in your app sends nothing. I have switched it on twice.",
    "Automatic reply: does not work": "Since the update nothing is sent when I switch it on. Please help.",
    "Is anybody there": "I only ever get automatic replies. This is an automated message, says your mail, please "
    "do not reply. I want a person.",
    "Automatische Antwort abschalten": "Wie schalte ich die automatische Antwort ab?",
    "Abwesenheitsnotiz einrichten": "Wie richte ich eine Abwesenheitsnotiz ein?",
    "Urlaub": "Wir fahren in Urlaub und möchten das Abo zwei Wochen aussetzen. Geht das?",
    "Réponse automatique": "Bonjour, comment activer la réponse automatique ?",
    "Absence": "Je suis absente lundi, pouvez-vous livrer mardi ?",
    "Respuesta automática": "¿Cómo desactivo la respuesta automática?",
    "Vacation - booking 7781": "We want to change the dates of our booking. We arrive on the 4th.",
    "On holiday": "I'm on holiday and my card was refused. What can I do?",
    "Auto: brake pads": "Do you have brake pads for a 2014 Golf?",
    "自動返信について": "自動返信の設定方法を教えてください。",
    "外出": "我下周外出,可以改天送货吗?",
    "Unsubscribe": "Please unsubscribe me from your newsletter.",
    "Ticket 88123": "You wrote that my request has been received, but nobody answers. It's been a week.",
    "Case 778123": "Hello, I have received your letter. When do you send the part?",
    "Please confirm your message": "You asked me to confirm my address. Here it is: Elm Road 4.",
    "Call on Monday": "Shall we talk?\nBEGIN:VCALENDAR\nMETHOD:REQUEST",
    "": "help",
    "person": "agent",
    "My mailbox is full": "Your app says 552 mailbox full, quota exceeded. How do I make room?",
    "Message rejected": "When I press send the app shows 'message rejected'. What now?",
    "Mail rejected": "Your shop's contact form says that my mail was rejected as spam.",
    "Order": "Where is it?\n\n-- \nAna\nPlease do not reply to this address after 5 pm.",
    "Ihre Mail": "Diese Nachricht wurde automatisch an mich gesendet, was soll das?",
}
PEOPLE: dict[str, bytes] = {subject: mail(subject, text) for subject, text in SAID.items()} | {
    "pastes a bounce": mail("What does this mean?", "Hi, I sent my order to you and this came back:\n\n" + BOUNCE),
    "pastes a bounce at once": mail("550 5.1.1", BOUNCE + "\nWhat am I doing wrong?"),
    "quotes a bounce": mail("Undelivered", "What is this?\n\n" + QUOTED),
    "forwards a bounce": mail(
        "Fwd: Undelivered Mail Returned to Sender",
        "See below, what does it mean?\n\n---------- Forwarded message ---------\nFrom: Mail Delivery System "
        "<MAILER-DAEMON@mx.example.net>\n\n" + BOUNCE,
    ),
    "attaches a bounce": with_attached("Can you explain this?", "I get this each time I write to you.", REPORT),
    "attaches a bounce, subject kept": with_attached("Fwd: Undelivered Mail Returned to Sender", "?", REPORT),
    "attaches a delivery status as a file": with_attached(
        "Your server refuses my mail",
        "Here is the report.",
        "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.7.1\n",
        "message/delivery-status",
    ),
    "attaches a vacation reply": with_attached("Is anybody there?", "I only get this from Bob.", AWAY),
    "answers a bounce's subject": mail(
        "Re: Undeliverable: Invoice 12", "I have corrected the address, please send it again.", ME, *ANSWERS
    ),
    "answers a vacation reply": mail("Re: Automatic reply: Order 4411", "I'm back. Yes, please send it.", ME, *ANSWERS),
    "answers in German": mail(
        "AW: Automatische Antwort: Bestellung", "Bin wieder da. Bitte liefern Sie.", ME, *ANSWERS
    ),
    "by Exchange": mail("Invoice 4411", "Please send the invoice again.", "Kim Berg <kim@corp.example>", *EXCHANGE),
    "by Exchange, an answer": mail(
        "RE: Your order", "Thanks, that works.", "Kim Berg <kim@corp.example>", *EXCHANGE, *ANSWERS
    ),
    "Auto-Submitted: no": mail("Order", "Where is it?", ME, "Auto-Submitted: no (a person)"),
    "quotes our headers": mail(
        "Re: Your order",
        "Why does your mail say this?\n\n> Auto-Submitted: auto-replied\n> Precedence: bulk\n> X-Autoreply: yes",
        ME,
        *ANSWERS,
    ),
    "a man named Postmaster": mail("Order 12", "Where is my order?", "Hans Postmaster <hans.postmaster@example.net>"),
    "a postmaster with a question": mail(
        "Your mail server refuses ours",
        "Hello, your server refuses our mail with 550 5.7.1 since Monday. Can you look?",
        "Postmaster <postmaster@example.net>",
    ),
    "an administrator": mail("Licences", "We need ten more licences.", "System Administrator <admin@example.net>"),
    "root": mail("Invoice", "Please send me the invoice for May.", "Jo Root <root@jo.example>"),
    "Mr. Daemon": mail("Order", "Is it on its way?", "Matt Daemon <matt.daemon@example.net>"),
    "named Bounce": mail("Trampoline", "The trampoline has no bounce.", "Bounce Ltd <bounce@play.example>"),
    "precedence normal": mail("Order", "Where is it?", ME, "Precedence: normal"),
    "provider adds unsubscribe": mail(
        "Order 4411",
        "Where is my parcel?",
        ME,
        "List-Unsubscribe: <https://mailer.example/u/1>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ),
    "provider adds unsubscribe, an answer": mail(
        "Re: Order", "Yes please.", ME, "List-Unsubscribe: <mailto:u@mailer.example>", *ANSWERS
    ),
    "answers a newsletter of ours": mail(
        "Re: 40% off", "Does this hold for Ireland?\n\n> Unsubscribe | View in browser", ME, *ANSWERS
    ),
    "over our own group": mail(
        "Order",
        "Where is it?",
        ME,
        "List-ID: <support.shop.example>",
        "Precedence: list",
        "Mailing-list: list support@shop.example; contact support+owners@shop.example",
        "List-Post: <mailto:support@shop.example>",
        "X-Google-Group-Id: 1234",
        "List-Unsubscribe: <mailto:x@shop.example>",
    ),
    "marked with a List-Id on its way": mail("Order", "Where is it?", ME, "List-Id: <relay.forward.example>"),
    "by SendGrid": mail(
        "Order",
        "Where is it?",
        ME,
        "Return-Path: <bounces+12-ab=x.example@em.example.net>",
        "X-SG-EID: abc",
        "Feedback-ID: 1:SG",
    ),
    "a person at another desk": mail(
        "Re: [Acme] Order 4411",
        "Hello, we have sent the part. Best, Lee",
        "Lee (Acme) <support@acme.zendesk.com>",
        "X-Mailer: Zendesk Mailer",
        "X-Zendesk-From-Account-Id: 12",
        *ANSWERS,
    ),
    "keeps a ticket's number": mail(
        "Re: [Ticket#2024051] Order", "We have received your message, but the part is still missing.", ME, *ANSWERS
    ),
    "named Nora Reply": mail("Order", "Where is it?", "Nora Reply <nora.reply@example.net>"),
    "not@": mail("Order", "Where is it?", "Notify Ltd, Ida <ida@notify.example>"),
    "news desk": mail(
        "Question from the press", "Do you have a comment on the recall?", "Newsroom <news@paper.example>"
    ),
    "thanks for your message": mail(
        "Re: Order", "Thank you for your message. I am at home on Friday, come then.", ME, *ANSWERS
    ),
    "read receipt wanted": mail(
        "Order",
        "Please confirm.",
        ME,
        "Disposition-Notification-To: ana.vidal@example.net",
        "Return-Receipt-To: ana.vidal@example.net",
    ),
    "X-Loop of theirs": mail("Order", "Where is it?", ME, "X-Loop: ana@example.net"),
    "a postmaster about undeliverable mail": mail(
        "Undeliverable mail from your shop",
        "Hello, your mail to our users could not be delivered: 550 5.7.26. Please mend your SPF record.",
        "Postmaster <postmaster@example.net>",
    ),
    "a postmaster answers": mail(
        "Re: Undeliverable: Order",
        "It could not be delivered because of our filter. Try again.",
        "postmaster@x.example",
    ),
    "a bounce under its own subject": mail("Undelivered Mail Returned to Sender", BOUNCE),
    "away, and no question": mail("Out of office", "I am out of the office next week. Please come the week after."),
    "rents out": mail("Booking", "When do you come?", ME, "X-Mailer: Vacation Rentals Mailer 2"),
    "wants to leave, from marketing": mail("List", "Please unsubscribe us.", "Mo <marketing@corp.example>"),
    "wants to leave, marked by the provider": mail(
        "Stop", "How do I unsubscribe?\nUnsubscribe me now please.", ME, "List-Unsubscribe: <mailto:u@mailer.example>"
    ),
    "owns a shop": mail(
        "Order", "Where?", "Jo <jo@x.example>", "Return-Path: <shop-owner@x.example>", "Sender: x@x.example"
    ),
    "by an alias service": mail(
        "Order",
        "Where?",
        "Ana <ana.x12@alias.example>",
        "X-SimpleLogin-Type: Reply",
        "List-Unsubscribe: <mailto:u@a.example>",
    ),
    "cites us at the beginning": mail(
        "Re: Order",
        "On Monday, Shop wrote:\n> This is an automated message. Please do not reply.\n\nWhy?",
        ME,
        *ANSWERS,
    ),
    "behind a filter that marks its users' mail": mail(
        "Order", "Where?", ME, "X-TMDA-Fingerprint: a", "X-Mailinblack: 1"
    ),
    "over our own group, with its footer": mail(
        "Order",
        "Where is it?\n\nTo unsubscribe from this group, send an email to support+unsubscribe@shop.example.",
        ME,
        "List-ID: <support.shop.example>",
        "List-Unsubscribe: <mailto:support+unsubscribe@shop.example>",
        "Precedence: list",
    ),
    "waits for the shoes": mail("Returned mail?", "Did you get my returned mail? I sent the shoes on Monday.", ME),
    "an IT department": mail(
        "Mail delivery problem", "Your mail could not be delivered to us. Please fix DKIM.", "IT <it@corp.example>"
    ),
    "is back": mail(
        "RE: [EXTERNAL] Automatic reply: Order 12", "I'm back, I was out of the office.", ME, *ANSWERS, *EXCHANGE
    ),
}
