"""What of a message are the user's own words about themselves: not quotations, pasted text, fiction, or texts to work on.

All of them are replaced by NUL characters, so that offsets stay and no rule matches them.
"""

from __future__ import annotations

import re
from typing import Final

from shared.learning.injected import without_injected

_FLAGS: Final = re.IGNORECASE | re.MULTILINE
# Blocks and quotations, wherever they are. A quotation mark that nothing closes quotes the rest.
_BLOCK: Final = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|<!--.*?(?:-->|\Z)|\[\[.*?(?:\]\]|\Z)|</?[a-z][^<>\n]*>|`[^`\n]*`"
    r"|^---+[ \t]*\n.*?(?:^---+[ \t]*$|\Z)|^[ \t]*[>|][^\n]*|^ {4,}\S[^\n]*"
    r"|^[ \t]*(?:from|to|subject|von|an|betreff|de|para|asunto|objet|oggetto|date|sent|begin forwarded message)[ \t]*:[^\n]*"
    r'|"(?<!\d")[^"]*(?:"|\Z)|“[^”“]*(?:[”“]|\Z)|„[^“”"]*(?:[“”"]|\Z)|«[^»]*(?:»|\Z)|»[^«]*«|‹[^›]{0,300}›|「[^」]*(?:」|\Z)|『[^』]*(?:』|\Z)'
    r"|‘[^’‘]{0,300}’(?!\w)|(?<![\w'])'(?=\S)[^'\n]{2,300}(?<=\S)'(?!\w)"
    r"|[{\[][^{}\[\]]{0,2000}[}\]]",
    _FLAGS | re.DOTALL,
)
# An e-mail's headers: the rest is the e-mail.
_MAIL: Final = re.compile(
    r"^[ \t]*(?:from|von|de|da|od)[ \t]*:[^\n]*\n[ \t]*(?:to|an|à|a|para|do|subject|betreff)[ \t]*:.*",
    _FLAGS | re.DOTALL,
)
# A line of a dialogue, of YAML, of a form or of a log: a label or a name of few words before a colon.
_LABEL: Final = re.compile(
    r"^[ \t*•-]*(?!(?:(?:from now|from here|going forward|in (?:the )?future|ab jetzt|ab sofort|à l.avenir|de ahora|d.ora|a partir|vanaf nu|od teraz|(?:ok|okay|so|well|heads up|some|one|quick|fun fact|full disclosure|actually)\b[\w ]*|my (?:\w+ )?(?:preferences?|settings|style|rules?)|ps|fyi|btw|note|info|context|background|about|sorry|remember|for|re|also|für|pour|para|per|voor|dla|por"
    r"|hinweis|zur|zu|kontext|contexte|contexto|nota|wichtig|important|hi|hello|hey|reminder|quick|update|correction|preferences?)\b))"
    r"[\w.'’#&/-]+(?: [\w.'’#&/-]+){0,2} ?:(?!//)(?=\s|\w*$|[\"«“]).*$"
    r"|^[ \t]*[\w.-]+ ?=.*$|^\[?\d{4}-\d\d-\d\d[T ]\d\d:.*$|^[^\s,;]+(?:[,;][^\s,;]*){3,}$|^[\w ]+\|.*$",
    _FLAGS,
)
# Work on a text: all that follows is the text.
_STRONG_TASK: Final = re.compile(
    r"\b(?:translat(?:e|ion)|summari[sz]e|sum up|tl;?dr|re-?write|rephrase|paraphrase|proof-?read|conjugate|transcribe|transcript|spell-?check"
    r"|übersetz\w*|korrigier\w*|formulier\w* .{0,20}\bum|fass\w* .{0,40}\bzusammen|zusammenfass\w*|umformulier\w*|konjugier\w*|verbesser\w* (?:den|diesen|das|die)"
    r"|tradui[st]\w*|traduire|résume[rz]?|corrige[rz]?\b|reformule[rz]?|conjugue[rz]?"
    r"|traduce\w*|traducir|traduzca|resume\w*|resumir|corrige\w*|corregir|conjuga\w*|reescrib\w*"
    r"|traduci|tradurre|riassumi|riassumere|correggi|correggere|coniuga|riscrivi"
    r"|traduz\w*|resuma\w*|reescrev\w*|corrija|corrigir|vertaal|vertalen|vat .{0,30}\bsamen|samenvat\w*|herschrijf"
    r"|przetłumacz|tłumacz\w*|streść|podsumuj|popraw\b|odmień|переведи\w*|перевод|исправь|перескажи|перефразируй)"
    r"|翻译|翻譯|总结|總結|概括|改写|润色|校对|改错|翻訳|要約|添削|校正|言い換え|訳して|अनुवाद|ترجم",
    re.IGNORECASE,
)
_WEAK_TASK: Final = re.compile(
    r"\b(?:fix|edit|correct|improve|convert|review|continue|complete|finish|extract|analy[sz]e|classify|parse|polish|shorten|expand|turn|change|make"
    r"|check|explain|format|tighten|reply to|respond to|answer|read|comment on|debug|grade|rate|highlight|list|find|write a reply)\b"
    r"[^.!?\n]{0,40}?(?:\b(?:this|these|the following|below|the (?:text|sentence|paragraph|mail|message|candidate|letter|cv|story|poem)|first person"
    r"|in (?:the )?(?:1st|first) person)\b|[:\"“]\s*$|:\s)",
    re.IGNORECASE | re.MULTILINE,
)
_HERE: Final = re.compile(
    r"\b(?:this|these|following|below|here(?:'s| is| are)|dies\w*|folgend\w*|unten|ce|cette|suivant\w*|ci-dessous|voici|este|esta|siguiente|questo|questa"
    r"|seguente|deze|dit|volgende|ten|ta|poniższ\w*|esse|essa|seguinte|это\w*|the reviewer|the candidate)\b[^.!?\n]{0,30}"
    r"\b(?:message|mail|e-?mail|text|texte|texto|testo|tekst|letter|note|review|comment|post|paragraph|abstract|cv|resume|interview|quote|want here|sentence|bio|draft"
    r"|nachricht|brief|satz|lettre|phrase|mensaje|carta|frase|messaggio|lettera|bericht|zin|wiadomość|zdanie|mensagem|anzeige|ad|profile|transcript|excerpt"
    r"|section|passage|article|clause|speech|story|poem|answer)\b|\b(?:reviewer|candidate|applicant|author|customer|sender) (?:want|mean|say)",
    re.IGNORECASE,
)
_ABOVE: Final = re.compile(r"^[ \t]*\^|\b(?:the (?:text|mail|e-?mail|message|letter) above|the above)\b", _FLAGS)
# Invented worlds: all that follows is one.
_FICTION: Final = re.compile(
    r"\b(?:role-?play\w*|rollenspiel\w*|pretend|imagine|suppose|supposing|let's (?:say|play|assume|imagine)|assume (?:i|that|we|you)|hypothetical\w*|hypothetically|scenarios?"
    r"|in character|persona|as if|act as|what if|say i(?:'m| am)|song|lyrics?|verse|chorus|screenplay|monologue|fan ?fic\w*|fanfiction|limerick"
    r"|first[- ]person|you(?:'re| are)(?: now)? (?:the|a|an|my) (?!(?:best|great|life|star|legend|genius|gem))\w+"
    r"|stell dir vor|angenommen|nehmen wir an|tu so|spiel(?:en wir)?\b.{0,30}\brolle|szenario"
    r"|imagine[zr]?|imaginons|supposons|admettons|fais comme si|mettons que|imagin[ae]\w*|supongamos|supón|pongamos|finge|hagamos como|mettiamo|supponiamo|immagin\w+|fai finta"
    r"|suponha\w*|imagine que|faz de conta|vamos supor|finja|digamos que|stel (?:dat|je voor|,)|doe alsof|wyobraź sobie|załóżmy|udawaj|przypuśćmy|представь|допустим|предположим"
    r"|interviewer for)\b"
    r"|\b(?:write|tell|compose|make up|create|continue|draft|give me|invent|finish|schreib\w*|erzähl\w*|dicht\w*|écri[st]\w*|raconte\w*|invente\w*|escrib\w*|cuent\w*|cuéntame|sigue|continúa|inventa"
    r"|scrivi\w*|racconta\w*|continua|escrev\w*|conte|conta|schrijf|vertel|verzin|napisz|opowiedz|wymyśl|напиши|сочини|расскажи)\b[^.!?\n]{0,60}"
    r"\b(?<!my )(?<!our )(?:story|tale|poem|rap|novel|dialogue|dialog|diary|script|scene|play|skit|joke|sketch|ballad|haiku|character|speech|blog post|testimonial|geschichte|gedicht|lied|märchen|tagebuch|rede|witz"
    r"|histoire|poème|chanson|conte|discours|journal|relato|cuento|historia|poema|canción|discurso|diario|racconto|storia|poesia|canzone|discorso|história|conto|verhaal|gedicht|liedje"
    r"|opowiadanie|historię|wiersz|piosenkę|bajkę|рассказ|стих\w*|сказку|песню|first person|primera persona|ich-form|première personne|prima persona)\b"
    r"|假设|假如|想象|扮演|写一(?:个|篇|首)|编一|もし|仮に|ロールプレイ|なりきって|物語|小説|のふり",
    re.IGNORECASE,
)
_CLOSING: Final = re.compile(r"^---+[ \t]*$", re.MULTILINE)
_START: Final = re.compile(r"[.!?\n。！？]")
_VISIBLE: Final = re.compile(r"[^\n]+")
_APOSTROPHES: Final = str.maketrans({"’": "'", "ʼ": "'", "´": "'", "\u00a0": " ", "\u202f": " ", "\t": " ", "\r": " "})


def plain(text: str) -> str:
    """Return a text with plain apostrophes and spaces at the places of typographic ones."""
    return text.translate(_APOSTROPHES)


def own_words(message: str) -> str:
    """Return a message with NUL characters in place of all that are not the user's own words.

    Line ends stay, typographic apostrophes and spaces become plain ones, and offsets are the same.
    """
    text = plain(without_injected(message))
    if (above := _ABOVE.search(text)) is not None:
        text = _hide(text, 0, above.start())
    text = _hide_fiction(text)
    text = _hide_tasks(text)
    text = _MAIL.sub(_blank, text)
    text = _BLOCK.sub(_blank, text)
    return _LABEL.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    return _VISIBLE.sub(lambda line: "\0" * len(line[0]), match[0])


def _hide(text: str, start: int, end: int) -> str:
    """Return the text without what is between two offsets."""
    return text[:start] + _VISIBLE.sub(lambda line: "\0" * len(line[0]), text[start:end]) + text[end:]


def _hide_fiction(text: str) -> str:
    """Hide from the sentence on that begins an invented world."""
    found = _FICTION.search(text)
    if found is None:
        return text
    starts = [match.end() for match in _START.finditer(text, 0, found.start())]
    return _hide(text, starts[-1] if starts else 0, len(text))


def _hide_tasks(text: str) -> str:
    """Hide the text that the user gives to work on, up to a line that closes it."""
    tasks = (pattern.search(text) for pattern in (_STRONG_TASK, _WEAK_TASK))
    starts = [found.start() for found in tasks if found is not None]
    if (found := _HERE.search(text)) is not None and (paragraph := text.find("\n", found.end())) >= 0:
        starts.append(paragraph)
    if not starts:
        return text
    lines = [match.end() for match in _CLOSING.finditer(text, min(starts))]
    return _hide(text, min(starts), lines[-1] if lines else len(text))
