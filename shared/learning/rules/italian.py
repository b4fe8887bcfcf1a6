"""The patterns of Italian."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = r"moglie|marito|compagn[oa]|fidanzat[oa]|ragazz[oa]|madre|mamma|padre|papà|babbo|figli[oa]|fratello|sorella|nonn[oa]|zi[oa]|cugin[oa]|nipote|suocer[oa]|gemell[oa]|bimb[oa]|bambin[oa]"
_PET: Final = r"cane|cagn(?:a|etta|olino|olina)|gatt[oa]|gattin[oa]|coniglio|coniglietto|criceto|pappagallo|canarino|uccellino|cavallo|cavalla|pony|tartaruga|pesce|serpente|topo|ratto|gallina|capra|asino|cucciolo|furetto|porcellino d'india"

ITALIAN: Final = Language(
    code="it",
    cue=r"vivo|abito|viviamo|abitiamo|sono|mi|mio|mia|miei|mie|lavoro|ho|uso|odio|adoro|parlo|studio|chiamami|nostr[oa]|vengo|mangio|programmo|tempo libero|io|sto|dammi|dimmi|diamoci|amo|detesto|resido|scrivo|compio|faccio|utilizzo|trasferit[oa]|gestisco|suono|gioco|coltivo|bevo|tollero|sopporto|abbiamo|do",
    leads=r"ciao|salve|buongiorno|buonasera|hey|ehi|allora|comunque|a proposito|e|ma|però|perché|poiché|dato che|visto che|siccome|quindi|inoltre|anche|sì|ok|va bene|bene|grazie|per favore|scusa|scusami|correzione|per la cronaca|per tua informazione|io|in realtà|sinceramente|personalmente|purtroppo|attualmente|adesso|ora|nota|ricorda che|tieni presente che|guarda|a tutti|originariamente|come (?:ti )?ho detto|buona notizia|novità|ps|premessa|ti dico|sappi che|premetto che",
    joints=r"e|ed|ma|però|perché|poiché|quindi|dato che|visto che|siccome|mentre|anche se|inoltre|che",
    blocked=(
        r"se (?:io )?(?:fossi|vivessi|avessi|abitassi|lavorassi|sono|vivo)|fossi|vivessi|avessi|abitassi|sarei|vorrei|mi piacerebbe|magari|una volta|prima|ero|vivevo|abitavo|lavoravo|avevo|da bambin[oa]|da piccol[oa]|da ragazz[oa]|quando ero|all'epoca|dice|disse|ha detto|dicono|mi ha detto|secondo|scrive|ha scritto|racconta|chiede|immagin\w*|suppon\w*|mettiamo"
        r"|certo,|ah sì|che bello|fantastico,|ironia|esempio|per esempio|dovrei|forse|probabilmente|credo|penso|password|un giorno|non è che|sogno|sognato|sarò"
    ),
    passing=r"oggi|stasera|stamattina|questa settimana|questo (?:weekend|fine settimana|mese)|per ora|al momento|in questo momento|temporaneamente|fino|in vacanza|in viaggio|di passaggio|in trasferta",
    stops=r"e|ed|ma|però|perché|poiché|quindi|da|o|che|per|con (?:mio|mia|i miei|due|tre)|ora|adesso|attualmente|grazie|ahah|anche|molto|moltissimo|tanto|soprattutto|più|non|allora|come|cosa|quale|dove|puoi|vicino|quando|se|quanto|dal|già|sempre|in cui|un sacco",
    rejected=r"questo|quest[aei]|quell[oaei]|ciò|tu[oa]?|tuoi|tue|te|come|cosa|che|quando|tutto|tutti|la gente|essere|avere|stare|aspettare|l'idea|il modo|quello che|lo|la tua|il tuo|le tue|i tuoi|lei|niente|nessuno|molto|più|così|un po'|lui|di|a|tanto|bene|male|qui|lì|perdere|pagare|pronto|pronta|sicuro|sicura|stanco|stanca",
    subject=r"(?:io )?(?:ho|devo|voglio|vado a|stiamo per|dobbiamo)?(?: il mio| la mia| un| una| il| la)?(?= )",
    macros={
        "rel": _RELATION,
        "pet": _PET,
        "adv": r"(?: (?:ora|adesso|attualmente|soprattutto|principalmente|sempre|di solito|anche|solo|ormai|da \w+ anni|prevalentemente|già|ancora))*",
        "adj": r"(?:(?:piccol[oa]|maggiore|minore|car[oa]) )*",
    },
    table=r"""
name name      | (?:mi chiamo|il mio nome(?: completo)? è)
name name      | (?:chiamami|puoi chiamarmi|potete chiamarmi|mi puoi chiamare|tutti mi chiamano)
name greeted   | sono
pronouns pronouns | i miei pronomi sono
form_of_address informal | (?:dammi(?: pure)? del tu|puoi darmi del tu|diamoci(?: pure)? del tu|mi dia del tu|può darmi del tu)(?=\W|$)
form_of_address formal | (?:dammi del lei|mi dia del lei|preferisco (?:il lei|che mi dia del lei))(?=\W|$)
form_of_address title | (?:rivolgiti a me|si rivolga a me) (?:come|con)
-home place    | non (?:vivo|abito) più (?:a|in)
home place     | (?:vivo|abito|risiedo|viviamo|abitiamo){adv} (?:ad|a|in|nel|nella|nei|presso)
home place     | (?:mi sono|ci siamo)(?: appena)? trasferit[oaie](?: \w+ \w+ fa| il mese scorso| la settimana scorsa)? (?:ad|a|in)
home place     | (?:la mia casa|casa mia|il mio appartamento) (?:è|si trova) (?:ad|a|in)
origin place   | (?:sono|vengo){adv}(?: originari[oa])? (?:di|da|dalla|dal|dagli|dai|della|del) (?=[A-ZÀ-Þ])
origin place   | (?:sono (?:nat[oa]|cresciut[oa])(?: e cresciut[oa])?) (?:ad|a|in)
-workplace org | non lavoro più (?:per|da|presso|alla|in)
workplace org  | lavoro{adv} (?:per|da|presso|alla|alle|al|all'|in|nel|nella) ?(?=[A-ZÀ-Þ]|una? |un'|la |il |lo )
workplace org  | lavoro{adv} come [\w ]{3,30}? (?:per|da|presso|alla|al|in|nel|nella) ?(?=[A-ZÀ-Þ]|una? |un')
workplace staff | (?:sono(?: una?)?|faccio (?:il|la|l')) ?(?P<j>[\w ]{3,40}?) (?:presso|alla|al|in|da) (?=[A-ZÀ-Þ]|una? )
role role      | lavoro{adv} come
role listed_job | sono{adv}(?: un'| una?)?
role role      | faccio{adv} (?:il|la|lo|l') ?(?=\w+(?:ista|aio|aia|tore|trice|iere|iera|ico|ica|nte|ino|ologo|ologa|ogo|oga|maestr[oa]|cuoc[oa]|sart[oa]|ario|aria|gname|metra|ore|ato|ata|iano|iana)\b)
role role      | (?:la mia professione|il mio lavoro|il mio mestiere) è(?: quello d[ie]l?)?(?: il| la| lo| l')?
role whole     | sono (?P<v>(?:in pensione|pensionat[oa]|disoccupat[oa]|freelance|libero professionista|casaling[oa]))(?=\W|$)
role whole     | (?P<v>(?:gestisco|ho|dirigo) (?:una?|un'|il mio|la mia) ?(?:piccol[oa] )?(?:panetteria|panificio|negozio|azienda|ristorante|bar|officina|libreria|agriturismo|ditta|gelateria|bottega|studio|pasticceria|salone))
field subject  | (?:studio|sto studiando)(?: la| il| l'| lo| le)?
field subject  | lavoro{adv} nel (?:settore|campo|ramo) (?:dell'|della|del|delle|dei|di)
time_zone zone | il mio fuso(?: orario)? è(?: quello)?(?: di)?
allergy thing  | (?:sono|anche) (?:molto |fortemente )?allergic[oa] (?:ai|agli|alle|alla|al|all'|a)
allergy thing  | (?:ho un'allergia|la mia allergia è) (?:ai|agli|alle|alla|al|all'|a)
allergy thing  | (?:sono intollerante|ho un'intolleranza) (?:ai|agli|alle|alla|al|all'|a)
allergy thing  | non (?:tollero|digerisco|sopporto) (?:il |la |lo |l')?(?=lattosio|glutine|latte|fruttosio)
allergy whole  | sono (?P<v>celiac[oa])(?=\W|$)
-diet diet     | non sono più
diet diet      | (?:sono|sono diventat[oa]|seguo una dieta|mangio){adv}(?: (?:una?|completamente|strettamente))*
diet noeat     | non (?:mangio|bevo)(?: la| il| i| le| gli| lo)?
birthday date  | il mio compleanno è(?: il)?
birthday date  | (?:sono nat[oa]|compio gli anni|compio \d+ anni) il
anniversary date | il nostro anniversario(?: di (?:matrimonio|nozze))? è(?: il)?
anniversary date | ci siamo sposati il
family related | (?:mi[oa]|nostr[oa]|il mio|la mia) {adj}(?P<r>{rel}) {adj}si chiama
family related | ho una? {adj}(?P<r>{rel})(?: che si chiama| di nome|,)
~family related | (?:mi[oa]|nostr[oa]) {adj}(?P<r>{rel}),?(?= [A-ZÀ-Þ])
pet petname    | (?:il |la )?(?:mi[oa]|nostr[oa]) (?P<r>{pet}) si chiama
pet petname    | (?:ho|abbiamo) (?:una?|un') ?(?P<r>{pet})(?: che si chiama| di nome|,)
~pet petname   | (?:il |la )(?:mi[oa]|nostr[oa]) (?P<r>{pet}),?(?= [A-ZÀ-Þ])
editor editor  | il mio editor(?: di (?:testo|codice))? è
editor editor  | (?:uso|utilizzo|lavoro con|programmo con|scrivo in|scrivo con){adv}
operating_system system | (?:uso|utilizzo|lavoro con|lavoro su|sono passat[oa] a){adv}
operating_system system | il mio (?:computer|portatile|pc|sistema operativo|laptop)(?: \w+)? (?:usa|ha|è|gira su|monta)(?: un)?
programming_language code | (?:programmo|sviluppo|scrivo codice|scrivo){adv} (?:in|con)
programming_language code | (?:uso|utilizzo){adv}
tool tool      | (?:uso|utilizzo|lavoro con|tengo (?:\w+ )*(?:in|su)|prendo appunti (?:con|su|in)|faccio (?:\w+ )*(?:con|su)){adv}
skill whole    | parlo (?P<v>(?:\w+ (?:correntemente|fluentemente|molto bene)|(?:correntemente|fluentemente|un po' di|bene) (?:il |l'|lo )?\w+))
skill whole    | sono (?P<v>(?:principiante|espert[oa]|alle prime armi|avanzat[oa]|bilingue) (?:in|con|di) \w+)
hobby hobby    | nel (?:mio )?tempo libero,?(?: mi piace)?
hobby hobby    | (?:il mio (?:hobby|passatempo)(?: preferito)? è|i miei hobby sono)(?: il| la| l')?
dislikes thing | (?:odio|detesto|non sopporto|non mi piac(?:e|ciono)(?: per niente| proprio| affatto)?)(?: il| la| l'| lo| i| gli| le)?
likes thing    | (?:mi piac(?:e|ciono)|adoro|amo)(?: molto| tanto| davvero| moltissimo)*(?: il| la| l'| lo| i| gli| le)?
likes thing    | sono (?:un |una )?(?:grande )?(?:appassionat[oa]|fan|amante) (?:di|del|della|dei|delle|dell')
goal goal      | (?P<v>(?:mi trasferisco|ho|inizio|comincio|mi sposo|ci sposiamo|parto|devo|voglio|vado|do|discuto|mi laureo|corro|apro|ci trasferiamo|presento|partiamo)\b.*)
goal goal      | (?P<v>il mio (?:esame|matrimonio|obiettivo) .*)
""",
)
