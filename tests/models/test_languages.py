"""Languages: told on clear sentences, never guessed on short ones, and what a record says of itself is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.languages import MIN_LETTERS, detect

CLEAR = {
    "en": [
        "I have been waiting for two weeks and nobody has answered any of my messages.",
        "Terrible customer service, rude staff, parcel damaged, refund refused outright.",
    ],
    "de": [
        "Ich warte seit zwei Wochen auf meine Bestellung und niemand antwortet mir.",
        "Unverschämte Mitarbeiter, beschädigtes Paket, Rückerstattung verweigert.",
    ],
    "fr": [
        "J'attends ma commande depuis deux semaines et personne ne me répond.",
        "Personnel désagréable, colis endommagé, remboursement refusé, jamais vu ailleurs.",
    ],
    "es": [
        "Llevo dos semanas esperando mi pedido y nadie me ha contestado todavía.",
        "Empleados maleducados, paquete dañado, reembolso rechazado, jamás volveré.",
    ],
    "pt": [
        "Estou há duas semanas à espera da minha encomenda e ninguém me responde.",
        "Funcionários mal-educados, encomenda danificada, reembolso recusado.",
    ],
    "it": [
        "Aspetto il mio ordine da due settimane e nessuno mi ha ancora risposto.",
        "Personale maleducato, pacco danneggiato, rimborso rifiutato, pessima esperienza.",
    ],
    "nl": ["Ik wacht al twee weken op mijn bestelling en niemand geeft antwoord."],
    "pl": ["Czekam na moje zamówienie już dwa tygodnie i nikt mi nie odpowiada."],
    "sv": ["Jag har väntat på min beställning i två veckor och ingen har svarat."],
    "tr": ["İki haftadır siparişimi bekliyorum ve hala kimse bana cevap vermedi."],
    "ar": ["أنتظر طلبي منذ أسبوعين ولم يرد علي أحد حتى الآن"],
    "hi": ["मैं दो हफ्ते से अपने ऑर्डर का इंतज़ार कर रहा हूँ और किसी ने जवाब नहीं दिया"],
    "ru": ["Жду свой заказ уже две недели, и никто мне так и не ответил."],
    "ja": ["注文した商品がまだ届きません。もう二週間も待っています。"],
    "zh": ["我的订单还没有到，我已经等了两个星期了，没有人回复我的消息。"],
    "ko": ["주문한 상품이 아직 도착하지 않았고 두 주 동안 아무도 답장하지 않았습니다."],
}
DIRT = st.text(st.characters(), max_size=300)  # halves of emoji included: they must not stop a night


@pytest.mark.parametrize("code", CLEAR)
def test_a_clear_sentence_is_told(code: str) -> None:
    assert detect(CLEAR[code]) == [code] * len(CLEAR[code])


@pytest.mark.parametrize(
    "text",
    ["", "ok", "no me", "merci beaucoup !", "danke, alles gut", "😡" * 40, "12345678901234567890 12:30",
     "@a_user @another_user https://example.com/eine/seite/mit/vielen/worten [EMAIL]", "kkkkkkkk " * 40, "\ud83d" * 40],
)  # fmt: skip
def test_where_nothing_can_be_told_nothing_is_said(text: str) -> None:
    assert detect([text]) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "@user @user der die das https://t.co/und the parcel that you sent me is broken, what now?",
        "Bon appétit was not what I had in mind when the waiter came to us with that face.",
        "THE APP DOES NOT WORK AND NO ONE CARES",
        "It’s a joke. I’ve paid twice and you don’t answer.",
    ],
)
def test_foreign_names_marks_and_case_do_not_disguise_english(text: str) -> None:
    assert detect([text]) == ["en"]


def test_a_long_text_is_told_by_its_beginning() -> None:
    assert detect([CLEAR["it"][0] * 3 + CLEAR["en"][0] * 50]) == ["it"]


@pytest.mark.parametrize(
    ("said", "told"),
    [("de", "de"), ("en-GB", "en"), ("PT_br", "pt"), (" fr ", "fr"), ("da", "da"), ("zh-Hant-TW", "zh")],
)
def test_what_a_record_says_is_believed(said: str, told: str) -> None:
    assert detect([CLEAR["es"][0], ""], [said, said]) == [told, told]


@pytest.mark.parametrize("said", [None, "", "  ", "xx", "und", "english", "-", "e n", "1"])
def test_what_is_no_language_code_is_not(said: str | None) -> None:
    assert detect([CLEAR["es"][0], ""], [said, said]) == ["es", None]


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        detect(["one", "two"], ["en"])


@given(st.lists(DIRT, max_size=5))
def test_any_text_has_an_entry_and_a_short_one_no_language(texts: list[str]) -> None:
    found = detect(texts)
    assert len(found) == len(texts)
    for text, code in zip(texts, found, strict=True):
        assert code is None or (len(code) == 2 and sum(map(str.isalpha, text)) >= MIN_LETTERS)


@given(st.lists(st.sampled_from([text for texts in CLEAR.values() for text in texts]) | DIRT, max_size=8))
def test_a_text_is_told_alike_alone_and_among_others(texts: list[str]) -> None:
    assert detect(texts) == [code for text in texts for code in detect([text])]
