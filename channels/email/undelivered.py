"""The words of bounces, in the languages that mail servers write."""

import re

from channels.email.wording import any_of

BOUNCE_SUBJECTS = {
    "en": "undeliver(?:able|ed)\\b|mail delivery (?:fail|problem|error|delayed|status)|(?:e-?mail |"
    "message )?delivery (?:status notification|failure|notification|report|delayed|problem|error|"
    "has (?:failed|been delayed))|delivery status\\b|failure notice|returned (?:mail|to sender|e-?mail)|"
    "returning (?:message|mail) to sender|(?:mail|message|e-?mail) (?:could not be|not|was not|"
    "couldn't be) delivered|mail system error|mail failure|non-?delivery|could not send message for|"
    "(?:message|mail) (?:undeliverable|delivery (?:has been )?delayed|rejected|bounced?)|postmaster notify|"
    "mail bounced|bounce notification|considered unsolicited bulk|nondeliverable|unable to deliver|"
    "notice: mail delivery status|address(?:ee)? unknown|e-?mail not delivered|"
    "message status - undeliverable|mail returned|dead letter|banned contents? from you|virus .{0,60}from you|"
    "smtp server: errors from|has rejected an? (?:e-?mail|message)|"
    "message you sent (?:was )?(?:blocked|rejected|quarantined)",
    "de": "unzustellbar|nicht zugestellt|nicht zustellbar|zustellung (?:fehlgeschlagen|verzögert|nicht möglich)|"
    "zustellungs?(?:fehler|bericht)|unzustellbarkeit|konnte nicht zugestellt werden|"
    "fehler bei der (?:nachrichten)?zustellung|rückgesandte nachricht",
    "fr": "non remis|non distribu|échec de la remise|échec (?:de )?(?:la )?(?:livraison|distribution|remise)|"
    "remise (?:différée|retardée)|n'a pas (?:pu )?être (?:remis|distribu|délivr)|courrier (?:non délivré|retourné)",
    "es": "no se puede entregar|no entregad[oa]|no se (?:ha podido|pudo) entregar|error (?:de|en la) entrega|"
    "entrega (?:fallida|retrasada)|correo devuelto|mensaje devuelto|notificación de (?:estado de )?entrega",
    "it": "non recapitabile|non recapitat|mancat[ao] (?:recapito|consegna)|impossibile (?:recapitare|consegnare)|"
    "consegna (?:fallita|ritardata)|notifica (?:di|dello stato di) (?:mancato )?recapito|errore di consegna",
    "nl": "onbestelbaar|niet bezorgd|kan niet worden (?:bezorgd|afgeleverd)|bezorging (?:mislukt|vertraagd)|"
    "niet afgeleverd",
    "pt": "não (?:é possível|foi possível|pôde ser) entreg|não entregue|não entregável|falha na entrega|"
    "entrega (?:falhou|atrasada)|impossível entregar|mensagem devolvida",
    "pl": "niedostarcz|nie można dostarczyć|nie dostarczono|niedoręcz|zwrot (?:wiadomości|poczty)|błąd doręczenia",
    "sv": "oleverer|kan inte levereras|kunde inte levereras|leverans(?:en)? misslyckades|gick inte att leverera|"
    "ej levererat",
    "da": "kan ikke leveres|kunne ikke leveres|ikke leveret|levering (?:mislykkedes|mislyktes|forsinket)|"
    "ikke levert|kunne ikke levere|ulever",
    "fi": "toimitus epäonnistui|ei voi(?:tu|da)? toimittaa|toimittamaton|perille toimittamaton|viesti palautettu|"
    "toimitusvirhe",
    "cs": "nedoručiteln|nedoručen|nelze doručit|nepodařilo se doručit|nedoruč",
    "ru": "не доставлен|недоставлен|не уда(?:лось|ется|ётся) доставить|невозможно доставить|ошибка доставки|"
    "сообщение возвращено|не може бути доставлен",
    "ja": "配信不能|配信不可|配信エラー|配信できません|未配信|"
    "メールエラー通知|送信できませんでした|配送できません|不達|エラーメール|メールを配信",
    "zh": "无法(?:送达|传递|投递)|未送达|未传递|無法傳遞|無法送達|退信|投递失败|邮件被退回|发送失败|傳遞失敗|未能送达",
    "other": "kézbesíthetetlen|teslim edilemedi|배달되지(?: 않음)?|배달할 수 없|전송 실패|nelivrat|ανεπίδοτ|"
    "αδύνατη η παράδοση|לא ניתן למסור",
}
BOUNCE_SUBJECT = re.compile("|".join(BOUNCE_SUBJECTS.values()))
BOUNCE_OPENING = any_of(
    r"^(?:error: ?)?(?:unknown|invalid|no such|nonexistent|bad|undeliverable) (?:final |delivery |user |e-?mail |"
    r"recipient )*(?:user(?:id)?|recipients?|address(?:es)?|mailbox|account|host|domain|to)\b",
    r"this is the .{1,60}?(?:program|mail system|mailer-daemon|mail delivery|mail server|postfix|sendmail|"
    r"mail agent)",
    r"this is (?:a|an automatically generated) delivery status notification",
    r"this message was (?:created|generated) automatically by (?:the )?(?:mail|smtp)",
    r"(?:delivery|transcript) (?:to the following recipients?|of session follows|status notification|has failed)",
    r"(?:could not|couldn't|cannot|can ?not|was not|wasn't able to|unable to|were unable to|not able to|"
    r"failed to) (?:be )?(?:deliver|sen[dt] (?:your|the|this) (?:message|mail))",
    r"(?:the following|these) (?:address|recipient|addressee|user)(?:es|s|\(e?s\))? .{0,40}(?:fail|reject|had |"
    r"not |problem|fatal|undeliver|unknown)",
    r"(?:addresses|recipients) had (?:delivery problems|permanent fatal errors|transient)",
    r"(?:error|problem) (?:occurred )?(?:while|delivering|in delivering|has occurred while)",
    r"did not reach the following recipient|(?:has|was) not delivered the following (?:message|mail|e-?mail)",
    r"(?:your|the|this) (?:message|mail|e-?mail) .{0,80}(?:undeliverable|undelivered|rejected|bounced|was blocked|"
    r"has not been delivered|was not delivered|did not reach)",
    r"delivery (?:to|of|for) .{0,80}(?:fail|delayed|unsuccessful|not possible)",
    r"(?:konnte|kann) .{0,80}(?:nicht|leider nicht) .{0,30}(?:zugestellt|ausgeliefert|übermittelt)|"
    r"zustellung .{0,60}(?:fehlgeschlagen|nicht möglich)",
    r"(?:n'a (?:pas )?pu être|n'a pas été|impossible de) .{0,10}(?:remis|distribu|délivr|livr|remettre)|"
    r"échec de la remise",
    r"no (?:se )?(?:ha podido|pudo|puede|fue posible) .{0,12}entreg",
    r"(?:impossibile|non è stato possibile) .{0,12}(?:recapit|consegn)|mancato recapito",
    r"(?:kan|kon) niet .{0,12}(?:bezorgd|afgeleverd)|niet (?:worden )?(?:bezorgd|afgeleverd)",
    r"não (?:foi possível|pôde|é possível) .{0,12}entreg",
    r"nie (?:można|udało się|mogła zostać|została) .{0,14}d(?:ostarcz|oręcz)",
    r"(?:kunde|kan) inte levereras|(?:kunne|kan) ikke leveres|ei voitu toimittaa|(?:nelze|nebylo možné|"
    r"nepodařilo se) doručit",
    r"не (?:может быть|было|удалось|доставлен).{0,14}(?:доставлен|доставить|доставка)|не доставлено",
    r"(?:送信|配信|配送|送達)(?:が|は|する(?:こと)?が)?(?:でき(?:ません|なかった)|に?失敗)|(?:送信|配信)に失敗|自動的に生成して送信",
    r"(?:无法|未能|不能)(?:成功)?(?:送达|投递|发送|传递)|(?:無法|未能)(?:傳遞|送達|遞送)|退信|发送失败",
)
DELAYED = any_of(
    r"\bdelay(?:ed)?\b|could not send message for (?:past|the last)|warning message only|will (?:be retried|"
    r"keep trying|continue (?:to try|trying))|still being tried|will try again|not yet been delivered|verzögert|"
    r"retard|ritard|vertraagd|forsinket|försenad|opóźni|atrasad|задерж|遅延|延迟|延遲|do not need to resend",
)
GIVEN_UP = any_of(
    r"permanent (?:error|failure|fatal)|given up|giving up|not going to try again|failed permanently|"
    r"could not be delivered|unable to deliver|cannot send message for|returned (?:mail|to sender)|"
    r"permanenter fehler|failure|error has occurred|expired|undeliver"
)
FOR_GOOD = re.compile(r"permanent|given up|giving up")
