"""Which language each text is written in, told offline; None rather than a guess.

A model answers for the languages that it was evaluated on and hands the others to a person, so an alarm that is false
costs a customer their place in the list, while a miss costs what it cost before. Two steps: the words that every
sentence is made of settle seven English tweets in eight within microseconds; only the others are put to lingua, whose
answer those same words may veto.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import repeat
from typing import Any

MIN_LETTERS = 20  # at 15, English was taken for another language three times as often
READ = 200  # characters of a text that are read: enough to tell, and a long letter costs no more than a short one
# A text is settled by frequent words where there are three, one word in four is one, and half as many again are of
# this language as of any other.
MIN_WORDS, MIN_SHARE, MIN_LEAD = 3, 0.25, 1.5
MIN_CONFIDENCE = 0.9  # of lingua: at 0.5, English was taken for another language five times as often

_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv
    ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne
    ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss
    st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_ISO_639_1 = frozenset(_CODES.split())
# The frequent words of every language in Latin letters that is told apart. A word stands under each that has it, or
# "me" and "no" would make English of Spanish.
_FREQUENT = {
    "en": """
        a about after again all also always am an and any are aren't as ask at back be because been before being but
        by can can't could couldn't day did didn't do does doesn't don't down each even ever every few for from get
        getting go going good got had has have haven't he her here him his how i i'd i'll i'm i've if in into is isn't
        it it's its just like me more most much my need never no not now of off on one only or other our out over own
        please said same she should so some still such than thank thanks that that's the their them then there these
        they they're this those through time to today too under until up us very want was wasn't way we we're well
        were what what's when where which while who why will with won't would you you're your
    """,
    "de": """
        ab aber alle als also am an auch auf aus bei beim bin bis bitte da danke dann das dass dem den der des die
        dies diese dieser doch dort du durch ein eine einem einen einer eines er es etwas euch euer für gar gegen gibt
        ging habe haben hat hatte hier ich ihr ihre im immer in ist ja jetzt kann kein keine können leider man mehr
        mein meine mich mir mit muss nach nicht nichts noch nun nur ob oder ohne schon sehr sein seit sich sie sind so
        um und uns unter viel vom von vor war waren warum was wegen weil wenn wer werden wie wieder wir wird wo wurde
        würde zu zum zur zwei über
    """,
    "fr": """
        a ai alors après au aucun aussi autre aux avant avec avez avoir bien bonjour c'est ce cela ces cet cette chez
        comme comment contre d'un d'une dans de depuis des deux donc du elle elles en encore entre est et eu faire
        fait faut il ils j'ai je jour l'on la le les leur lors lui ma mais me merci mes moi moins mon n'ai n'est ne
        non nos notre nous on ont ou où par parce pas peu peut plus pour pourquoi qu'il qu'on quand que quel qui rien
        s'il sa sans se ses si son sont sous suis sur ta te toi ton toujours tous tout toute trop très tu un une va
        vers veux voir vos votre vous y à ça été être
    """,
    "es": """
        a ahora al algo alguien antes aquí así aunque bien cada como con cuando cómo de del desde dice donde dos
        durante el ella ellos en entre era es esa ese eso esta estaba este esto estoy está están fue gracias ha hace
        hacer han hasta hay he hola hoy la las le les lo los me mi mis mucho muy más nada ni no nos nosotros nunca o
        otra otro para pero poco por porque puede puedo pues que quién qué se sea ser si sido siempre sin sobre solo
        son soy su sus sí sólo también tan te tener tengo tiempo tiene tienen toda todo todos tu tú un una uno usted
        va vez voy y ya yo él
    """,
    "pt": """
        a agora ainda algo além ao aos apenas aqui as assim até bem boa bom cada com como da das de dela dele depois
        do dos e ela ele eles em era essa esse esta estava este estou está estão eu faz fazer foi for há isso isto já
        lhe lá mais mas me mesmo meu meus minha muito na nada nas nem no nos nossa nosso nunca não nós o obrigada
        obrigado onde os ou para pela pelo pode por porque pra qual quando que quem se sem sempre ser seu sobre sua
        são só também te tem tenho ter teve tinha toda todo todos tu tudo um uma umas vai você vocês vou à às é
    """,
    "it": """
        a abbiamo adesso ai al alla alle allora altro anche ancora anni avere bene buongiorno c'è che chi ci ciao come
        con cosa così da dai dal dalla dei del della delle dello deve di dopo dove due e ed era essere fa fare fatto
        già gli grazie ha hai hanno ho i il in io l'ho la le lei lo loro lui ma mai me meno mi mia mio molto ne negli
        nel nella nessuno no noi non nostro nulla o oggi ogni ora per perché però più poi prima proprio può quando
        quanto quella quello questa questo qui sarà se sei sempre senza si sia siamo solo sono sta stato su sua subito
        sul sulla suo sì te ti tra tu tutta tutti tutto un una uno va vi voi vostro è
    """,
    "nl": """
        aan al alle alleen als altijd ben bij daar dan dank dat de deze die dit doen door dus een eens en er even gaan
        gaat geen goed graag haar had heb hebben heeft hem het hier hij hoe hun iets ik in is ja je jij jullie kan kon
        kunnen maar me meer met mij mijn moet moeten na naar niet niets nog nooit nu of om omdat onder ons ook op over
        pas te toch toen tot u uit uw van vanaf veel voor waar waarom wanneer want waren was wat we weer wel werd wie
        wij wil worden wordt zal ze zeer zich zij zijn zo zonder zou
    """,
    "pl": """
        a ale ani bardzo bez bo by być był była było były chcę co czy dla do dzisiaj dziękuję gdy gdzie go i ich ile
        im ja jak jako je jego jej jest jestem jeszcze jeśli już każdy kiedy która które który ma mam mi mnie może
        można mój na nad nas nawet nic nie niż o od on ona oni oraz po pod poza proszę przed przez przy się są ta tak
        tam te tego tej ten to tu tylko tym u w we wszystko z za ze znowu że żeby
    """,
    "sv": """
        alla allt att av bara blev bli blir bra de dem den denna det detta dig din du där efter ej eller en er ett
        fick finns från får för ha hade han har hej helt henne hon hos hur här i igen ingen inget inte ja jag kan
        kommer kunde man med men mer mig min mitt mot mycket måste ni nu när någon något och också om oss på redan
        sedan sig ska skulle som så tack till under upp ut utan vad var vara varför vi vid vill än är även över
    """,
    "tr": """
        ama artık ben beni bile bir biz bize bu bunu böyle da daha de defa değil diye en gibi göre hala hem her hiç
        ile ise iyi için kadar kez ki kim lütfen merhaba mi mu mü mı ne neden niye o olan olarak oldu olduğu olsun onu
        rağmen sadece siz sizin sonra tüm var ve veya ya yine yok zaman çok çünkü önce şey şimdi şu
    """,
}
_OTHER_LETTERS = ("ar", "hi", "ru", "zh", "ja", "ko")
_COUNTED = tuple(_FREQUENT)
_NOISE = re.compile(r"@\w+|https?\S*|www\.\S+|\[[A-Z_]+\]|[#\d_\ud800-\udfff]+")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def detect(texts: Sequence[str], given: Sequence[str | None] | None = None) -> list[str | None]:
    """Return the ISO 639-1 code of each text's language; None where the text does not tell.

    Parameters
    ----------
    given
        What a record says of its own language ("en", "en-GB"), which is believed where it is such a code.
    """
    said = [None] * len(texts) if given is None else [_code(word) for word in given]
    asked = list(dict.fromkeys(text for text, code in zip(texts, said, strict=True) if code is None))
    told = dict(zip(asked, _tell(asked), strict=True))
    return [code or told[text] for text, code in zip(texts, said, strict=True)]


def _code(word: str | None) -> str | None:
    """Return the ISO 639-1 code that `word` begins with; None where it is no language tag."""
    code = re.split("[-_]", word.strip().lower(), maxsplit=1)[0] if word else ""
    return code if code in _ISO_639_1 else None


def _tell(texts: Sequence[str]) -> list[str | None]:
    found: list[str | None] = [None] * len(texts)
    open_: list[tuple[int, str, bytes]] = []
    for place, text in enumerate(texts):
        plain = _NOISE.sub(" ", text[:READ])
        words = _WORD.findall(plain.lower().replace("’", "'"))
        if sum(map(len, words)) < MIN_LETTERS:
            continue
        counts = _count(words)
        found[place] = _settled(counts, len(words))
        if found[place] is None:
            open_.append((place, plain, counts))
    answers = _ask([plain for _, plain, _ in open_])
    for (place, _, counts), answer in zip(open_, answers, strict=True):
        found[place] = None if answer is None or _vetoed(answer, counts) else answer
    return found


def _count(words: Sequence[str]) -> bytes:
    """Return how many of `words` are frequent in each language of `_COUNTED`, one byte each.

    No byte overflows: `READ` characters hold fewer than 256 words.
    """
    return sum(map(_places().get, words, repeat(0))).to_bytes(len(_COUNTED), "little")


def _settled(counts: bytes, words: int) -> str | None:
    second, first = sorted(counts)[-2:]
    enough = first >= MIN_WORDS and first >= MIN_SHARE * words and first >= MIN_LEAD * second
    return _COUNTED[counts.index(first)] if enough else None


def _vetoed(answer: str, counts: bytes) -> bool:
    """Return whether the frequent words speak for another language; other letters speak for themselves."""
    return answer in _FREQUENT and counts[_COUNTED.index(answer)] < max(counts)


def _ask(texts: list[str]) -> list[str | None]:
    """Return what lingua takes each text for; None where it is not confident."""
    if not texts:
        return []
    answers = _lingua().compute_language_confidence_values_in_parallel(texts)
    likeliest = [answer[0] if answer else None for answer in answers]
    return [
        best.language.iso_code_639_1.name.lower() if best is not None and best.value >= MIN_CONFIDENCE else None
        for best in likeliest
    ]


@cache
def _places() -> dict[str, int]:
    """Return, for every frequent word, a number with a 1 in the byte of each language that has it.

    Summing them counts a text's words for all languages at once.
    """
    places: dict[str, int] = {}
    for place, words in enumerate(_FREQUENT.values()):
        for word in set(words.split()):
            places[word] = places.get(word, 0) + (1 << 8 * place)
    return places


@cache
def _lingua() -> Any:
    """Return the detector: its low accuracy mode, for the other takes 270 MB and seconds to load."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in (*_FREQUENT, *_OTHER_LETTERS)]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_low_accuracy_mode().build()
