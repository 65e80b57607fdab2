"""Prose: made-up articles that share a vocabulary, and texts in scripts other than Latin."""

from __future__ import annotations

import random
import unicodedata
from typing import Final

__all__ = ["SCRIPTS", "article", "script_text"]

_SMALL: Final = tuple(
    "the of to a and in for is on that by with or be are as this at from it an not if may your "
    "when you we will can must any all has have which after before no more than only".split()
)
_LARGE: Final = tuple(
    "account address advice agent agreement amount annual application approval audit authority "
    "balance bank benefit bill board branch budget business buyer capital card case cash charge "
    "claim client code collection comment company complaint condition consent contract cost court "
    "credit currency customer damage data date debt decision default deposit detail director "
    "discount dispute document draft duty employee error estate evidence exchange exemption "
    "expense export extension factory failure fee file finance form fraud freight fund growth "
    "guarantee harbour health history holder holiday house identity import income increase "
    "index industry insurance interest invoice issue journey judge labour land law leave ledger "
    "letter liability licence limit list loan loss mail manager margin market measure meeting "
    "member merger minute mortgage notice number offer office officer opinion option order owner "
    "package partner party payment penalty pension percentage permit person plan policy post "
    "power premium price procedure process product profit project promise property proposal "
    "protection provider purchase quality quarter question range rate reason rebate receipt "
    "record reduction refund region register release remedy rent repair repayment report request "
    "reserve response result return review right risk rule safety salary sale saving schedule "
    "season section security seller service settlement share signature site staff standard "
    "statement station stock storage supplier supply support surplus system target tariff tax "
    "team term theft ticket title trade transfer transport treasury trial trust union unit "
    "vehicle vendor version visit voucher wage waiver warehouse warning water week witness work "
    "writing year zone".split()
)
_VERBS: Final = tuple(
    "accept allow apply approve ask assign cancel cause change check choose close collect confirm "
    "consider contact cover decide delay deny describe differ end ensure expect explain expire "
    "follow give hold include inform keep know lose make mean mention need obtain open owe pay "
    "provide raise reach receive recover refer refuse reject remain remove renew reply require "
    "save seek sell send settle show sign state stay stop submit take tell use verify wait".split()
)
_TOPIC_WORDS: Final = 90
"""Large words of one topic: few enough that its articles keep saying the same things."""

SCRIPTS: Final = {
    "Chinese": (
        "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得"
        "于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天"
        "分还进好小部其些主样理心她本前开但因只从想实退款审批流程客户员工内部资料保管更"
        "新银行账户费用利率贷款合同签署通知"
    ),
    "Arabic": (
        "هذا الدليل مخصص للموظفين فقط ولا يجوز إطلاع العملاء على إجراءات الموافقة عند "
        "طلب استرداد المبلغ من الحساب قبل نهاية السنة المالية يجب على المدير توقيع "
        "العقد وإرسال الإشعار إلى الفرع الرئيسي خلال ثلاثة أيام"
    ),
    "Hindi": (
        "यह पुस्तिका केवल कर्मचारियों के लिए है और ग्राहकों को नहीं दिखाई जानी चाहिए "
        "शाखा प्रबंधक लिखित रूप में धन वापसी की अनुमति देता है खाते का शुल्क वर्ष के "
        "अंत में लिया जाता है तथा सूचना तीन दिन पहले भेजी जाती है"
    ),
    "Cyrillic": (
        "это руководство предназначено только для сотрудников банка и не для клиентов "
        "возврат средств утверждает управляющий отделением в письменной форме комиссия "
        "по счёту списывается в конце года уведомление направляется за три дня до срока "
        "договор подписывают клиент и банк"
    ),
    "emoji": (
        "approve 👍🏽 the refund 💶 above forty euros 🏦 only in writing 👩‍💻 never by phone "
        "📵 and tell the customer 🙋 that the branch 🏢 manager decides 📝 within three 3️⃣ "
        "days of the request ⏳"
    ),
    "combining": (
        "résumé of the café manager mañana über all naïve façade crème brûlée señor "
        "piñata jalapeño smörgåsbord déjà vu Ångström coöperate fiancé protégé rôle "
        "tête-à-tête"
    ),
}
"""Words, or characters where words are not set apart, that ``script_text`` draws from."""


def article(dice: random.Random, topic: int, length: int = 1_100) -> str:
    """About ``length`` characters of sentences on a topic, sharing its words and no sentence."""
    own = random.Random(topic).sample(_LARGE, _TOPIC_WORDS)
    said: list[str] = []
    size = 0
    while size < length:
        sentence = _sentence(dice, own)
        said.append(sentence + ("\n\n" if dice.random() < 0.15 else " "))
        size += len(said[-1])
    return "".join(said).strip()


def _sentence(dice: random.Random, own: list[str]) -> str:
    words = []
    for place in range(dice.randint(7, 24)):
        pool = (_SMALL, own, _SMALL, _VERBS, _SMALL, _LARGE)[place % 6]
        # Squaring makes the words at the head of a list far commoner, as in any language.
        words.append(pool[int(len(pool) * dice.random() ** 2)])
    if dice.random() < 0.2:
        words.insert(len(words) // 2, f"{dice.randint(2, 9_999):,}")
    text = " ".join(words)
    return f"{text[0].upper()}{text[1:]}{dice.choice('....?')}"


def script_text(dice: random.Random, script: str, length: int = 400) -> str:
    """About ``length`` characters in one of SCRIPTS, in sentences; composed (NFC)."""
    words = list(SCRIPTS[script]) if script == "Chinese" else SCRIPTS[script].split()
    space, stop = ("", "。") if script == "Chinese" else (" ", ". ")
    out: list[str] = []
    while sum(map(len, out)) < length:
        out.append(space.join(dice.choices(words, k=dice.randint(8, 20))) + stop)
    return unicodedata.normalize("NFC", "".join(out).strip())
