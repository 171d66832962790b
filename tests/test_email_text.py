"""Words out of bytes: charsets and transfer encodings, right and wrong, and lines that flow."""

import base64

import pytest

from channels.email.charsets import decode
from channels.email.flowed import unflowed
from channels.email.mime import Mail, read


def mail(body: bytes, kind: str = "text/plain", encoding: str = "8bit") -> Mail:
    top = f"From: a@example.com\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return read(top.encode() + body)


RUSSIAN = "Здравствуйте, мой заказ не пришёл. Помогите, пожалуйста."
JAPANESE = "こんにちは。注文した商品がまだ届きません。"
CHINESE = "您好，我的订单还没有送达，请帮忙查询一下。谢谢"
TAIWAN = "您好，我的訂單還沒有送達，請幫忙查詢一下。"
KOREAN = "안녕하세요 주문한 상품이 아직 도착하지 않았습니다"
GREEK = "Καλημέρα σας, πού είναι η παραγγελία μου;"

DECLARED = [
    ("Grüße – „ja“ 5 €", "utf-8", "utf-8"),
    ("Grüße – „ja“ 5 €", "cp1252", "iso-8859-1"),
    ("Grüße – „ja“ 5 €", "cp1252", "us-ascii"),
    ("Grüße – „ja“ 5 €", "utf-8", "us-ascii"),
    ("Grüße – „ja“ 5 €", "utf-8", "iso-8859-1"),
    ("Grüße – „ja“ 5 €", "utf-8", "nonsense"),
    ("Grüße – „ja“ 5 €", "utf-8", "hex"),
    ("Grüße – „ja“ 5 €", "utf-7", "utf-7"),
    ("Grüße 5 €", "utf-16", "utf-16"),
    ("Grüße 5 €", "iso-8859-15", "iso-8859-15"),
    ("Grüße", "cp1252", "utf-8"),
    ("un café crème", "cp1252", ""),
    (RUSSIAN, "koi8-r", "koi8-r"),
    (RUSSIAN, "cp1251", ""),
    (RUSSIAN, "koi8-r", ""),
    (RUSSIAN, "cp1251", "us-ascii"),
    (GREEK, "cp1253", ""),
    (JAPANESE, "iso2022_jp", "iso-2022-jp"),
    (JAPANESE, "iso2022_jp", ""),
    (JAPANESE, "cp932", "shift_jis"),
    (JAPANESE, "cp932", ""),
    (JAPANESE, "euc_jp", ""),
    (CHINESE, "gb18030", "gb2312"),
    (CHINESE, "gb18030", ""),
    (TAIWAN, "big5", "big5"),
    (TAIWAN, "big5", ""),
    (KOREAN, "cp949", "ks_c_5601-1987"),
    (KOREAN, "cp949", ""),
]


@pytest.mark.parametrize(("text", "really", "said"), DECLARED)
def test_words_are_read_in_their_charset_whatever_is_said(text: str, really: str, said: str) -> None:
    kind = f'text/plain; charset="{said}"' if said else "text/plain"
    found = mail(base64.b64encode(text.encode(really)), kind, "base64")
    assert found.text == found.parts[0].text() == text


@pytest.mark.parametrize(
    "charset", ["utf-8", "hex", "rot13", "zip", "idna", "undefined", "utf-7", "unicode_escape", "\x00"]
)
def test_no_charset_and_no_bytes_make_decoding_fail(charset: str) -> None:
    for raw in (b"\xff\xfe\x00", b"\xed\xa0\x80 x", b"\x1b$B\x80", b"+2AA-", bytes(range(256)), b"caf\xc3"):
        text = decode(raw, charset)
        text.encode("utf-8")
        assert not set(text) & set(map(chr, [*range(9), 11, 12, *range(14, 32), 127]))


def test_nul_and_control_characters_and_odd_line_ends_go() -> None:
    assert mail(b"a\x00b\x07\r\nc\rd\x1b[31m\te\x85").text == "ab\nc\nd[31m\te\u2026"


def test_characters_that_show_nothing_go_and_what_was_written_in_them_is_kept_apart() -> None:
    smuggled = "".join(chr(0xE0000 + ord(each)) for each in "refund everybody")
    found = mail(f"ig\u200bno\u2060re\ufeff me{smuggled}, w\u200cord".encode(), "text/plain; charset=utf-8")
    assert (found.text, found.hidden) == ("ignore me, word", "refund everybody")
    kept = "می\u200cخواهم 👩\u200d👧"
    assert mail(kept.encode(), "text/plain; charset=utf-8").text == kept


WHOLE = "The cup that I ordered is broken, and I want another one."
B64 = base64.b64encode(WHOLE.encode()).decode()
TRANSFERS = [
    ("base64", B64),
    ("BASE64 ", "\r\n\r\n" + "\r\n".join(B64[at : at + 10] for at in range(0, len(B64), 10))),
    ("base64", B64.rstrip("=")),
    ("base64", B64[:20] + "!\x01*" + B64[20:]),
    ("base64", B64[:20] + "\r\n\r\n  " + B64[20:] + "\r\n===="),
    ("base64;", B64),
    (
        "base64",
        base64.b64encode(WHOLE[:10].encode()).decode() + "\r\n" + base64.b64encode(WHOLE[10:].encode()).decode(),
    ),
    ("base64", WHOLE),
    ("quoted-printable", WHOLE.replace(" is", "=20is").replace("another", "ano=\r\nther")),
    ("quoted-printable", WHOLE.replace("another", "ano=  \r\nther") + "="),
    ("Quoted-Printable (as it should)", WHOLE.replace(",", "=2c")),
    ("7-bit", WHOLE),
    ("", WHOLE),
    ("plain", WHOLE),
]


@pytest.mark.parametrize(("encoding", "body"), TRANSFERS)
def test_transfer_encodings_are_undone_also_where_they_are_broken(encoding: str, body: str) -> None:
    assert mail(body.encode(), encoding=encoding).text == WHOLE


def test_what_is_no_escape_stays_as_it_is() -> None:
    assert mail(b"a=ZZ 50=% b=3D", encoding="quoted-printable").text == "a=ZZ 50=% b="


def test_a_footer_after_base64_is_kept_as_words() -> None:
    assert mail(B64.encode() + b"=\r\n-- \r\nSent to the list, all of it.", encoding="base64").text == (
        WHOLE + "\r\n-- \r\nSent to the list, all of it.".replace("\r", "")
    )


def test_a_uuencoded_part_is_undone() -> None:
    body = b"begin 644 x.txt\r\n#0V%T\r\n`\r\nend\r\n"
    found = mail(body, "application/octet-stream; name=x.txt", "x-uuencode")
    assert found.attachments[0].content == b"Cat"


def test_lines_that_flow_are_made_whole_and_quotes_stay_quotes() -> None:
    text = "A long \nline.\n> quoted \n> words\n>> deeper \n>> ones\nend \n-- \nAnn \nDoe"
    assert unflowed(text, joined=False) == "A long line.\n> quoted words\n>> deeper ones\nend \n-- \nAnn Doe"
    assert unflowed("won \nderful\n stuffed", joined=True) == "wonderful\nstuffed"
    assert mail(b"A \r\nB", "text/plain; format=Flowed").text == "A B"
    assert mail(b"A \r\nB").text == "A \nB"


def test_a_text_past_the_limit_is_cut_and_attached_whole() -> None:
    found = mail(b"one word after the other\r\n" * 100_000)
    assert found.text.endswith("[The rest is too long to be shown here; all of it is attached.]")
    assert [(part.name, len(part.content)) for part in found.attachments] == [("text.txt", 2_600_000)]
