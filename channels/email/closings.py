"""What people and mail programs of twenty languages close a mail with: the words that signatures are known by."""

import re

DEVICE = (
    r"(?:i(?:Phone|Pad|Pod|OS)|Android|Samsung|Galaxy|Huawei|Xiaomi|Redmi|OnePlus|Oppo|Pixel|HTC|Motorola|LG|"
    r"Nokia|Sony|Xperia|"
    r"Black[Bb]erry|Windows|Outlook|Yahoo|AOL|GMX|WEB\.DE|T-Online|freenet|Gmail|Spark|Airmail|(?<=from )Mail\b|"
    r"BlueMail|"
    r"Proton ?Mail|Proton|"
    r"[Mm]obile?|[Mm]obil\w*|[Ss]mart[- ]?[Pp]hones?|[Hh]andy|[Tt]el[eé]fon\w*|[Tt]el[eé]fono|[Pp]hone|"
    r"[Tt]ablet|Tutanota|Tuta|"
    r"Thunderbird|Apple Watch|celular|móvil|cell(?:ulare|phone)|telefoon|puhelim\w+|komór\w+|Gerät|appareil|"
    r"dispositivo|Mac(?:Book)?|смартфон\w*|телефон\w*|Почт\w*|手机|手機|邮箱|信箱|スマートフォン|携帯)"
)
PROGRAM = (
    r"(?:Superhuman|Mailspring|Shortwave|Missive|Canary|Spike|Edison|Newton|Boxer|Mailbird|eM Client|HEY|Fastmail|"
    r"Polymail|Front|Nine|K-9|FairEmail|Posteo|Mailo)"
)
FROM = (  # how the line opens that a phone or a program adds
    r"Sent (?:from|via|with|using|by|on)|Gesendet (?:von|mit|vom|aus|über)|Envoyée? (?:de|depuis|avec|à partir|"
    r"via|par|du)|"
    r"Enviad[oa] (?:desde|do|da|de|com|con|a partir|via|pel[oa])|Mandado desde|Inviat[oa] (?:da|dal|dall|con|"
    r"tramite)|"
    r"(?:Verzonden|Verstuurd) (?:vanaf|van|met|via|vanuit)|Wysłan[eoay] (?:z|ze|za|przez)|Skickat (?:från|med|via)|"
    r"Sendt (?:fra|med|via)|Lähetetty|(?:Odesláno|Posláno|Odosl[aá]n[eé]|Poslano) (?:z|ze|s|iz)|"
    r"Отправлено (?:с|из|от|через)|(?:Надіслано|Відправлено) (?:з|із|від|через)|Trimis de pe|"
    r"(?:Diese (?:E-?Mail|Mail|Nachricht) wurde|This (?:e-?mail|message) was sent|Ce message a été envoyé)|"
    r"(?:Von|Vom|Mit|Mobil|Unterwegs)(?= .{0,50}gesendet\W*$)|发自|發自|"
    r"(?=.{0,30}(?:から送信|傳送|发送|에서 보냄|gönderildi|küldve))"
)
GET = (
    r"(?:Get|Download|Holen Sie sich|Hol dir|Téléchargez|Télécharger|Obtenez|Obtener|Obtén|Obter|Obtenha|Ottieni|"
    r"Scarica|Haal|Skaffa|Hämta|Hent|Skaff deg|Få|Hanki|Pobierz|Získat|Stáhnout|Скачать|Получить|Отримати|"
    r"Завантажити|获取|取得) (?:\w+ )?(?:Outlook|Yahoo Mail|Proton Mail|Gmail)\b.{1,12}?"
    r"\b(?:iOS|Android|Mac|iPhone|iPad|Windows)\b\W{0,3}(?:https?\S*)?\W*$|"
    r"Outlook.{1,30}(?:aka\.ms|edinin|downloaden|をダウンロード|다운로드)"
)
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
CURT = r"best|lg|vg|br|kr|att|ty|love|xo(?:xo)?"  # also words and brands: a name on their line needs a comma before it
AND = r"\s?(?:/|\||,|&|und|and|et|y|e|en|och|og|i|и)\s?"
SMALL = frozenset(
    "of and the for in at on de du des la le del di da do dos das e y et und der die für im am von van zu i w".split()
)
POLITE = re.compile(
    r"(?:please|pls|kindly|bitte|s'il|merci de|por favor|per favore|proszę|prosím|alstublieft|пожалуйста|lütfen)\b",
    re.IGNORECASE,
)
DISCLAIMER_OPENING = re.compile(
    r"\W{0,4}(?:(?:confidentiality|legal|privacy) (?:notice|statement)|e-?mail disclaimer|avis de confidentialité|"
    r"aviso (?:legal|de confidencialidad)|avviso di riservatezza|vertraulichkeitshinweis|haftungsausschluss)\b|"
    r"\W{0,4}(?:p )?(?:please consider|think of|save) .{0,30}(?:environment|paper|trees).{0,40}print|"
    r"\W{0,4}(?:bitte )?(?:denken|prüfen) sie.{0,60}(?:umwelt|ausdruck)|"
    r"\W{0,4}(?:pensez|merci de penser).{0,60}imprimer|"
    r"\W{0,4}(?:virus-free|virenfrei|sans virus|libre de virus)\b|"
    r"\W{0,4}(?:this|diese|cet|ce|este|questa) (?:e-?mail|message|nachricht|courriel|correo).{0,30}"
    r"(?:scanned|checked|überprüft|geprüft|vérifié|analizad).{0,30}(?:virus|avast|avg)",
    re.IGNORECASE,
)
MAIL = re.compile(
    r"\be-?mails?\b|\bmessage\b|\btransmission\b|nachricht|courriel|correo|mensaje|mensagem|messaggio|bericht|"
    r"wiadomo|"
    r"meddeland|melding|viesti|zpráv|сообщени|письм|повідомлен|лист|mesaj|ileti|メール|邮件|郵件|메일|메시지",
    re.IGNORECASE,
)
MINE = re.compile(r"\b(?:I|[Mm]y|[Ii]ch|[Mm]ein\w*|[Jj]e|[Mm]on|[Mm]a)\b")
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
    r"\W{0,4}(?:you (?:have )?received this (?:message|e-?mail) because|you are receiving this|"
    r"to unsubscribe(?:,? (?:from th|send|visit|click|go)|:)|um sich (?:vom newsletter )?abzumelden|unsubscribe:)",
    re.IGNORECASE,
)
LIST = re.compile(
    rf"\bmailing[ -]?list\b|list-unsubscribe|mailman/listinfo|unsubscribe|abzumelden|désabonner|darse de baja|"
    rf"(?m:^{LIST_FOOTER.pattern})",
    re.IGNORECASE,
)
