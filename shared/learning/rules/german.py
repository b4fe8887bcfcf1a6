"""The patterns of German."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = r"frau|mann|ehefrau|ehemann|partner(?:in)?|freundin|freund|verlobte[r]?|mutter|mama|mutti|vater|papa|sohn|tochter|bruder|schwester|oma|opa|großmutter|großvater|enkel(?:in)?|tante|onkel|cousine?|nichte|neffe|baby|kind|schwiegermutter|schwiegervater"
_PET: Final = r"hund|hündin|katze|kater|kaninchen|hamster|meerschweinchen|papagei|wellensittich|vogel|pferd|pony|schildkröte|fisch|schlange|ratte|maus|huhn|henne|ziege|esel|welpe|kätzchen|stute|hengst|wallach|dackel|pudel"

GERMAN: Final = Language(
    code="de",
    cue=r"ich|wir|wohnen|geboren|mein[e]?|meine[rnms]|mich|mir|unser[e]?|bin|wohne|komme|arbeite|heiße|heisse|duzen|siezen|nenn|duz|siez",
    leads=r"hallo|hi|hey|moin|servus|guten (?:tag|morgen|abend)|grüß gott|also|übrigens|btw|und|aber|denn|ja|nein|nee|ach|ok|okay|gut|na|so|ps|nur zur info|zur info|kurz zu mir|zu mir|wie gesagt|eigentlich|leider|außerdem|zusammen|liebe[sr]?|danke|bitte|info|achtung|sorry|entschuldigung|korrektur|update|neuigkeit(?:en)?|ehrlich gesagt|vorab|für die reise|weißt du|da|weil|jetzt|inzwischen|mittlerweile|aktuell|seit kurzem|ursprünglich|nochmal|hinweis|kontext|merk dir(?:,? dass)?",
    joints=r"und|aber|denn|weil|da|also|sondern|deshalb|daher|sodass|während|obwohl",
    blocked=(
        r"würde|würd|wäre|wär|hätte|hätt|könnte|wenn ich|falls|angenommen|als ob|ob|früher|damals|einst|als kind|als ich|sagt|sagte|meint|meinte|schreibt|schrieb|erzählt|erzählte|laut|behauptet|fragt|fragte|hieß es|wünsch\w*|träum\w*"
        r"|na toll|na super|ja klar|haha|ironie|sarkasmus|beispiel|z\.b|zum beispiel|stell dir|nicht dass|soll ich|sollte ich|muss ich|kann ich|habe ich|passwort|vielleicht|wahrscheinlich|vermutlich|glaube|möchte mal|eines tages"
    ),
    passing=r"heute|gerade|grad|im moment|momentan|diese woche|dieses wochenende|diesen monat|bis (?:morgen|freitag|montag|sonntag|\w+tag|ende)|vorübergehend|zu besuch|im urlaub|auf dienstreise|kurz",
    stops=r"und|aber|denn|weil|da|also|oder|sondern|seit|schon|jetzt|gerade|aktuell|bitte|danke|lol|haha|nicht|auch|sehr|total|gern|gerne|immer|noch|wo|was|wie|welche[rsn]?|der|die|das|dass|damit|deshalb|daher|wenn|falls|ob|ich|mit (?:meine[mrn]?|zwei|drei)|am meisten|über alles|kannst|gibt|gibts|für|bei|am|an|im|in|auf|aus|zusammen",
    rejected=r"lieber|es|das|dies\w*|dich|dein\w*|sie|ihn|ihr\w*|uns|euch|wie|was|wenn|dass|zu|alles|alle|jeden|leute|menschen|mein leben|nicht|kein\w*|so|sehr|nur|einen?|eine[rmn]?|hier|dort|da|nie|der idee|die idee|den ansatz|deine|deinen|diese[nrsm]?|mich|selbst|niemanden|dieser|gar",
    subject=r"(?:ziehe|fange|beginne|starte|heirate|heiraten|fliege|schreibe|laufe|mache|muss|ziehen|fliegen|habe) (?:ich|wir)|(?:ich|wir)(?: muss| will| möchte| werde| habe| hab| müssen| wollen| werden| haben)?(?: meine?n?| eine?n?)?|(?:mein|unser)e? (?:ziel|plan) ist(?: es)?",
    macros={
        "i": r"(?:ich |i )?",
        "rel": _RELATION,
        "pet": _PET,
        "adj": r"(?:(?:kleine[rn]?|große[rn]?|ältere[rn]?|jüngere[rn]?|liebe[rn]?|alte[rn]?|neue[rn]?|beste[rn]?) )*",
        "very": r"(?:sehr |wirklich |total |echt |absolut |besonders |über alles |auch |einfach )*",
    },
    table=r"""
name name      | mein (?:voller |vollständiger |richtiger )?name(?: ist| lautet)
name name      | ich (?:heiße|heisse)
name name      | (?:nenn|nennt|nennen sie) mich(?: einfach| bitte| doch)*
name name      | (?:du kannst|sie können) mich (?P<v>[A-ZÄÖÜ]\w+) nennen
name greeted   | ich bin(?: der| die)?
pronouns pronouns | meine pronomen sind
form_of_address informal | (?:(?:du|sie|ihr) (?:kannst|können|könnt|darfst|dürfen) mich (?:ruhig |gerne? |bitte |auch )*duzen|(?:bitte )?duz(?:e|en sie)? mich(?: bitte)?|wir können uns (?:ruhig |gerne? )*duzen|sag(?:en sie)? (?:ruhig |bitte |einfach )*du zu mir)(?=\W|$)
form_of_address formal | (?:(?:bitte )?(?:siez(?:e|en sie)? mich|sag(?:en sie)? (?:bitte )?sie zu mir)(?: bitte)?|ich möchte (?:bitte )?gesiezt werden|ich werde (?:lieber )?gesiezt)(?=\W|$)
form_of_address title | (?:sprich|sprechen sie) mich (?:bitte )?(?:immer )?(?:mit|als) (?=dr|prof|frau|herr)
-home place    | ich wohne nicht mehr in
-home place    | ich bin (?:aus|von) (?P<v>[A-ZÄÖÜ]\w+) weggezogen
home place     | (?:ich |wir )?(?:wohne|lebe|wohnen|leben)(?: jetzt| seit \w+| aktuell| schon lange| schon immer| selbst| hier| übrigens| noch)* (?:in|bei|nahe)
home place     | ich bin (?:vor \w+ \w+ |letzte \w+ |letzten \w+ |seit \w+ |vor kurzem |kürzlich |gerade |jetzt |neulich )*nach (?P<v>[A-ZÄÖÜ][\w-]+) (?:um)?gezogen
home place     | in (?P<v>[A-ZÄÖÜ][\w-]+(?: [A-ZÄÖÜ]\w+)?) (?:wohne|lebe) ich
home place     | (?:mein|unser)e? (?:wohnung|haus|zuhause|wohnort|heimatort) (?:ist|liegt|steht)(?: in)?
origin place   | {i}komme (?:ursprünglich |eigentlich |gebürtig )?aus
origin place   | (?:ursprünglich|eigentlich|gebürtig) komme ich aus
origin place   | ich stamme (?:ursprünglich )?aus
origin place   | ich bin in (?P<v>[A-ZÄÖÜ][\w-]+) (?:aufgewachsen|geboren|groß geworden)
origin whole   | ich bin (?P<v>gebürtiger? [A-ZÄÖÜ]\w+)
-workplace org | ich arbeite nicht mehr (?:bei|für)
workplace org  | {i}arbeite (?:jetzt |seit \w+ |zurzeit |derzeit |aktuell )*(?:bei|für|an|in) (?=[A-ZÄÖÜ]|einem |einer |der |dem )(?:der firma )?
workplace org  | ich arbeite als [\w\- ]{3,30}? (?:bei|für|in|an) (?=[A-ZÄÖÜ]|einem |einer |der |dem )
workplace org  | ich bin (?:jetzt )?(?:\w+ )?(?:bei|angestellt bei) (?=[A-Z])(?P<v>[A-ZÄÖÜ][\w& -]+?) (?:angestellt|beschäftigt|tätig)
workplace org  | mein arbeitgeber ist
workplace staff | ich bin (?P<j>[A-ZÄÖÜ]\w+) (?:bei|an|in) (?=[A-ZÄÖÜ]|einem |einer |der |dem )
role role      | ich arbeite (?:jetzt |seit \w+ )*als
role listed_job | {i}bin (?:selbst |von beruf |selbständiger? |freiberufliche[r]? |gelernte[r]? |eine? |seit \w+ |jetzt |übrigens |ja )*
role listed_job | (?:von beruf|beruflich) bin ich
role listed_job | als (?P<v>[A-ZÄÖÜ]\w+) (?:bin|habe|hab|muss|brauche|kenne|sehe|arbeite|weiß) ich
role role      | mein (?:beruf|job) ist
role whole     | ich (?:bin )?(?P<v>(?:rentner(?:in)?|selbständig|selbstständig|arbeitslos|in elternzeit|in ausbildung))(?=\W|$)
role whole     | ich (?P<v>(?:führe|leite|betreibe|habe) (?:ein|eine|einen) (?:kleine[ns]? |eigene[ns]? )?(?:\w*firma|\w*laden|\w*geschäft|\w*praxis|\w*café|\w*bäckerei|\w*betrieb|\w*werkstatt|\w*abteilung|\w*agentur|\w*hof))
field subject  | ich studiere
field subject  | ich (?:arbeite|bin) (?:in der |im bereich |im )(?=[A-ZÄÖÜ]\w+(?:branche|wesen|bereich|industrie|bau|technik|wirtschaft|verwaltung|forschung|entwicklung)|(?:bereich ))
time_zone zone | meine zeitzone ist(?: die)?
allergy thing  | {i}bin (?:stark |leider |sehr |hoch)*allergisch (?:gegen|auf)
allergy thing  | ich (?:vertrage|vertrag) (?:leider )?kein(?:e|en)?
allergy thing  | ich (?:habe|hab) (?:eine|ne|'ne) (?P<v>\w+?)[- ]?(?:allergie|intoleranz|unverträglichkeit)
allergy thing  | ich habe eine allergie (?:gegen|auf)
allergy whole  | ich bin (?P<v>(?:laktose|gluten|fruktose|histamin)intolerant)
-diet diet     | ich bin (?:kein |keine )(?=\w+ mehr)
diet diet      | {i}(?:bin|lebe|ernähre mich|esse) (?:jetzt |seit \w+ |überzeugte[r]? |strikt |streng |nur |komplett |rein |auch |eine? )*
diet noeat     | ich esse (?:gar |überhaupt )?(?:kein(?:e|en)?)(?! mehr)
birthday date  | mein geburtstag ist(?: am| der)?
birthday date  | geboren (?:bin|wurde) ich am
birthday date  | (?:ich )?(?:habe|hab) (?=am .{3,20} geburtstag)am
birthday date  | ich (?:bin|wurde) (?=am .{3,25}geboren)am
anniversary date | unser (?:hochzeitstag|jahrestag) ist(?: am| der)?
anniversary date | wir haben am (?=.{3,25} geheiratet)
family related | (?:meine?|unsere?) {adj}(?P<r>{rel}) (?:heißt|heisst|ist der name|namens)
family related | ich habe (?:eine?n?) {adj}(?P<r>{rel}),? (?:namens|der heißt|die heißt|er heißt|sie heißt|heißt)
~family related | (?:meine?[nmr]?|unsere?[nmr]?) {adj}(?P<r>{rel})(?= [A-ZÄÖÜ])
pet petname    | (?:meine?|unsere?) {adj}(?P<r>{pet}) (?:heißt|heisst)
pet petname    | (?:ich habe|wir haben) (?:eine?n?) {adj}(?P<r>{pet}),? (?:namens|der heißt|die heißt|heißt)
~pet petname   | (?:meine?[nmr]?|unsere?[nmr]?) {adj}(?P<r>{pet})(?= [A-ZÄÖÜ])
editor editor  | mein (?:haupt)?editor ist
editor editor  | ich (?:nutze|benutze|verwende|arbeite (?:mit|in)|programmiere (?:mit|in)|schreibe (?:mit|in))(?: immer| meist| nur| hauptsächlich| den| das)*
operating_system system | ich (?:nutze|benutze|verwende|arbeite (?:mit|unter|auf)|habe)(?: immer| meist| nur| hauptsächlich| ein| einen| das)*
operating_system system | (?:auf )?(?:mein|meinem|mein|unser) (?:\w+ )?(?:laptop|rechner|computer|pc|notebook|betriebssystem)(?: läuft| ist| hat)(?: mit| unter)?
programming_language code | ich (?:programmiere|code|entwickle|schreibe)(?: meist| hauptsächlich| vor allem| nur| alles| fast alles| meinen code| überwiegend)* (?:in|mit)
programming_language code | ich (?:nutze|benutze|verwende)(?: meist| hauptsächlich| vor allem)*
tool tool      | ich (?:nutze|benutze|verwende|arbeite mit|plane (?:\w+ )?(?:mit|in)|notiere (?:\w+ )?(?:mit|in)|schreibe (?:\w+ )*in|mache (?:\w+ )*(?:mit|in))(?: meist| immer| dafür)*
skill whole    | ich (?:spreche|kann) (?P<v>(?:fließend|fliessend|gut|ein bisschen|etwas|kaum|perfekt) [A-ZÄÖÜ]\w+)
skill whole    | ich bin (?:absoluter |totaler )?(?P<v>(?:anfänger(?:in)?|profi|expert(?:e|in)|fortgeschritten(?:e|er)?) (?:in|mit|bei) \w+)
hobby hobby    | in meiner freizeit
hobby hobby    | (?:mein hobby ist|meine hobbys sind|meine hobbies sind)
hobby hobby    | ich (?P<v>\w+ [\w ]{0,30}?)in meiner freizeit
-likes thing   | ich mag (?=[^,.;!?]{2,40} nicht mehr)
dislikes thing | ich (?:mag|liebe) (?=[^,.;!?]{2,40} (?:gar |überhaupt |wirklich )?nicht(?: |[,.;!?]|$))(?!.*nicht mehr)
dislikes thing | ich (?:mag|esse) (?:absolut |gar |überhaupt )?kein(?:e|en) (?=[A-ZÄÖÜa-zäöü]+(?:[,.;!?]|$| und| aber))
dislikes thing | ich (?:hasse|verabscheue){very}(?= )
dislikes thing | ich kann (?=[^,.;!?]{2,40} nicht (?:leiden|ausstehen|ab\b))
likes thing    | ich (?:mag|liebe)(?! kein| nicht)(?![^,.;!?]{2,60}\bnicht\b) (?:am liebsten |sehr |wirklich |total )*
likes thing    | ich bin (?:ein |eine )?(?:großer |große |riesiger |absoluter )*fan von
likes thing    | ich (?:stehe|steh) (?:total |sehr )?auf
likes thing    | (?:mein|meine) lieblings\w+ (?:ist|sind)
goal goal      | (?P<v>(?:nächste[nrs]?|im|am) [\w. ]{3,20}? (?:ziehe|fange|beginne|starte|heirate|heiraten|fliege|schreibe|laufe|mache|muss|ziehen|fliegen|habe) (?:ich|wir)\b.*)
goal goal      | (?P<v>(?:ich|wir) (?:ziehe|ziehen|fange|beginne|starte|heirate|heiraten|fliege|reise|schreibe|habe|laufe|mache|muss|will|möchte|werde|eröffne|präsentiere|gehe|wechsle|müssen|wollen|fliegen|haben)\b.*)
""",
)
