"""What people and mail programs of twenty languages close a mail with: the words that signatures are known by."""

import re

DEVICE = (
    r"(?:i(?:Phone|Pad|Pod|OS)|Android|Samsung|Galaxy|Huawei|Xiaomi|Redmi|OnePlus|Oppo|Pixel|HTC|Motorola|LG|"
    r"Nokia|Sony|Xperia|"
    r"Black[Bb]erry|Windows|Outlook|Yahoo|AOL|GMX|WEB\.DE|T-Online|freenet|Gmail|Spark|Airmail|Mail|BlueMail|"
    r"Proton ?Mail|Proton|"
    r"[Mm]obile?|[Mm]obil\w*|[Ss]mart[- ]?[Pp]hones?|[Hh]andy|[Tt]el[eé]fon\w*|[Tt]el[eé]fono|[Pp]hone|"
    r"[Tt]ablet|Tutanota|Tuta|"
    r"Thunderbird|Apple Watch|celular|móvil|cell(?:ulare|phone)|telefoon|puhelim\w+|komór\w+|Gerät|appareil|"
    r"dispositivo|Mac(?:Book)?|смартфон\w*|телефон\w*|Почт\w*|手机|手機|邮箱|信箱|スマートフォン|携帯)"
)
SENT = (
    r"(?:[Ss]ent|[Gg]esendet|[Gg]eschickt|[Vv]erschickt|[Vv]ersandt|[Ee]nvoyé\w*|[Ee]nviad[oa]|[Mm]andado|"
    r"[Ii]nviat[oa]|"
    r"[Vv]erzonden|[Vv]erstuurd|[Ww]ysłan[eoay]|[Ss]kickat|[Ss]endt|[Ll]ähetetty|[Oo]desláno|[Pp]osláno|"
    r"[Oo]dosl[aá]n[eé]|"
    r"[Оо]тправлен\w*|[Нн]адіслано|[Вв]ідправлено|gönderildi|送信|发自|發自|发送|傳送|보냄|보낸|"
    r"[Tt]rimis|[Kk]üldve|[Ee]lküldve|Poslano|[Σσ]τάλθηκε)"
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
    r"\W{0,4}(?:confidential(?:ity)?(?: notice| statement)?\s*[:.-]|legal notice|disclaimer\b|"
    r"important notice\s*:|privacy notice\s*:|"
    r"avis de confidentialité|aviso (?:legal|de confidencialidad)|avviso di riservatezza|vertraulichkeitshinweis|"
    r"haftungsausschluss)|\W{0,4}(?:p )?(?:please consider|think of|save) .{0,30}(?:environment|paper|"
    r"trees).{0,40}print|"
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
