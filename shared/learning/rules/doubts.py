"""What makes a statement doubtful: invented works, reports of others, and liking what hardly anybody likes."""

from __future__ import annotations

import re
from typing import Final

# What is true in a film or a game only: `I love Paris in the movie`.
_IN_WORK: Final = re.compile(
    r"[^,;.!?]*?\b(?:in|from|of|during|im|in dem|in der|aus dem|dans|en|nel|nella|del|della|no|na|do|da|in de|in het|w)(?: |(?<='))(?:the |this |that |my |diesem |dem |der |le |la |ce |cette |l'|el |este |il |lo |de |het |tym )?(?:\w+ )?"
    r"(?:movies?|films?|book|novel|story|role[- ]?play|scenario|(?:video )?games?|tv show|sitcom|anime|comic|episode|musical|sims|minecraft|spiel|serie|série|buch|roman|jeu|livre|película|peli|libro|novela|juego|gioco|romanzo|filme|jogo|livro|boek|filmie|grze|książce|dream|traum|rêve|sueño|sogno|sonho|droom)(?!\w| industry| business| sector| shop| club)",
    re.IGNORECASE,
)
# The speaker is named behind the statement: `I hate jazz, says my wife`.
_REPORTED: Final = re.compile(
    r"[\s,–—-]*(?:(?:he|she|they|my \w+|the \w+|(?-i:[A-Z]\w+)) (?:said|says|told me|claims?|claimed|wrote|insists?|thinks?|keeps? (?:saying|telling))\b(?= ?(?:[,.;!?]|\Z|me\b|so\b|all\b|that\b|too\b|every))"
    r"|(?:said|says|claims|sagt|sagte|meint|meinte|behauptet|dit|disait|dice|dijo|disse|diz|zegt|zei|mówi|powiedział\w*|говорит|сказал\w*)(?:-\w+)? (?!i\b|ich\b|je\b|yo\b)\w)",
    re.IGNORECASE,
)
# What hardly anybody likes: a sentence that says so means the opposite.
_IRONIC: Final = re.compile(
    r"\b(?:(?:stand|wait|sit|stuck|queu)(?:ing|e)? (?:in|for|on)\b|queu(?:e|es|ing)|traffic(?: jams?)?|rush hour|paperwork|taxes|tax returns?|parking (?:tickets?|fines?)|spreadsheets at|on hold|unpaid (?:overtime|work)|overtime|commut(?:e|ing)|(?:back-to-back|pointless|endless|useless) \w+|working (?:\w+ )?(?:weekends|nights|late|holidays|sundays|for free)|meetings? (?:that|which|about)|emails? (?:that|at)|(?:at|until) [2-5] ?am|for free|hangovers?|root canals?|spam|hidden fees"
    r"|(?:fill|filling) (?:in|out)|being (?:ignored|woken|yelled|late|stuck|on hold|charged)|(?:getting|losing|paying|debugging|cleaning up|redoing|rewriting|merge conflicts?|power cuts?|dead batter\w+|flat tyres?|delays?|delayed \w+|cancel\w+ (?:trains?|flights?))"
    r"|stau|schlange stehen|warteschlange\w*|steuererklärung\w*|behördengänge?|formulare|überstunden|zahnschmerzen|embouteillages?|bouchons?|faire la queue|la queue|impôts|paperasse|heures sup\w*|atasc\w+|hacer cola|papeleo|impuestos|horas extra\w*|fare la (?:coda|fila)|fila|filas|traffico|tasse|burocrazia"
    r"|trânsito|engarrafament\w+|impostos|burocracia|hora extra|horas extras|cartório|in de rij|wachtrij\w*|belasting\w*|overwerk\w*|korki|korkach|kolejk\w+|podatk\w+|nadgodzin\w*|пробк\w+|очеред\w+|налог\w+)\b",
    re.IGNORECASE,
)


# German and Dutch negate behind the value: `ich benutze Emacs nicht`.
_NEGATED_BEHIND: Final = re.compile(
    r" (?:gar |überhaupt |eigentlich |leider |helemaal |echt )?(?:nicht|niet)\b(?! (?:nur|alleen|mehr|meer))",
    re.IGNORECASE,
)
_NO_ALLERGEN: Final = re.compile(
    r"\b(?:meetings?|nonsense|bullshit|bs|mondays?|work|drama|stupidity|idiots?|people|morning\w*|commitment|responsibility|exercise|sport|effort|bad \w+|javascript|java|php|python|excel|jargon|buzzwords?|bureaucracy|paperwork|deadlines?|housework|cleaning|cooking|fun|hype|small talk"
    r"|arbeit|montage?|dummheit|bürokratie|unsinn|travail|lundis?|réunions?|bêtise|trabajo|lunes|reuniones|tonterías|lavoro|lunedì|riunioni|trabalho|segundas?|reuniões|werk|maandag\w*|vergader\w+|prac[aęy]|poniedziałk\w+)\b",
    re.IGNORECASE,
)


# The words before a statement by which it is about another person, or invented: `In my novel, I live in Prague`.
_NOT_OWN: Final = re.compile(
    r"\b(?:(?:in|for|from) (?:my|the|this|our|a) (?:novel|story|book|screenplay|script|game|play|test|demo|example|sake of)"
    r"|if (?:any(?:one|body)|somebody|someone|they) asks?|(?:his|her|their|friend's|colleague's|someone's|customer's|client's|user's) (?:profile|bio|intro|cv|resume|résumé)"
    r"|(?:input|prompt|example|output|test case|sample|quote)s?:|i (?:lied|was lying)|is (?:this|that|it) (?:correct|right|grammatical))\b[^\n]{0,50}\Z"
    r"|(?:input|prompt|example|output|sample)s?:\s*\Z",
    re.IGNORECASE,
)
_TAKEN_BACK: Final = re.compile(
    r"[\s,.…!:;)(-]*(?:(?:ha)+,? |lol,? |haha,? )?(?:(?:just|only) (?:kidding|joking)|kidding\b|jk\b|actually,? no\b|no,? wait|wait,? no|scratch that|not really|i lied|never ?mind"
    r"|(?:nur |war nur )?(?:spaß|scherz)\b|quatsch|je plaisante|je rigole|es broma|era broma|scherzo|sto scherzando|brincadeira|grapje|żart)",
    re.IGNORECASE,
)
_JOKE: Final = re.compile(r"\b(?:just|only) (?:kidding|joking)\b|[\s,]jk\b", re.IGNORECASE)


# The user has moved on: `moved to Berlin but moved back to Hamburg`, `moved to Paris and then to Rome`.
_MOVED_ON: Final = re.compile(
    r"[^.!?\n]{0,60}?\b(?:(?:moved|came|went|returned|zog|zogen|ging|bin|kam) (?:\w+ ){0,3}?(?:back|again|away|on|zurück|wieder|weg)\b"
    r"|(?:then|later|afterwards|dann|später|danach|puis|ensuite|luego|después|poi|depois|daarna|later|potem) (?:\w+ ){0,2}?(?:to|nach|à|a|en|para|naar|do) (?-i:[A-ZÀ-Þ]))",
    re.IGNORECASE,
)


def is_taken_back(before: str, sentence: str, after: str) -> bool:
    """Return whether the words around a sentence say that it is not the user's own, or not true."""
    opening = re.split(r"\bi(?:'m| am| live| work)?\b|\bmy name\b", sentence, maxsplit=1, flags=re.IGNORECASE)[0]
    return (
        _NOT_OWN.search(before + opening) is not None
        or _TAKEN_BACK.match(after) is not None
        or _JOKE.search(sentence) is not None
    )


def is_doubtful(text: str, start: int, end: int, key: str) -> bool:
    """Return whether what surrounds a statement makes it doubtful.

    Args:
        text: The sentence.
        start: Where the statement begins.
        end: Where its value ends.
        key: What the statement is about.
    """
    if _IN_WORK.match(text, start, end + 60) or _REPORTED.match(text, end):
        return True
    if key != "dislikes" and _NEGATED_BEHIND.match(text, end):
        return True
    if key == "home" and _MOVED_ON.match(text, end):
        return True
    if key == "allergy" and _NO_ALLERGEN.search(text, start, end):
        return True
    return key in {"likes", "hobby"} and _IRONIC.search(text, start, end + 40) is not None
