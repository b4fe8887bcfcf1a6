"""The patterns of Dutch."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = r"vrouw|man|echtgenote|echtgenoot|partner|vriendin|vriend|verloofde|moeder|mama|vader|papa|zoon|dochter|broer|broertje|zus|zusje|oma|opa|kleinzoon|kleindochter|tante|oom|nicht|nichtje|neef|neefje|baby|schoonmoeder|schoonvader|tweelingbroer|tweelingzus"
_PET: Final = r"hond|hondje|teef|kat|kater|poes|konijn|hamster|cavia|papegaai|parkiet|vogel|paard|pony|schildpad|vis|slang|rat|muis|kip|geit|ezel|puppy|kitten|fret"

DUTCH: Final = Language(
    code="nl",
    cue=r"ik|wij|we|mijn|me|mij|m'n|onze|noem|tutoyeren|tutoyeer|ons",
    leads=r"hoi|hallo|hey|hi|dag|goedemorgen|goedemiddag|goedenavond|trouwens|overigens|en|maar|want|omdat|dus|ja|nee|oké|ok|goed|nou|bedankt|dank je|alsjeblieft|graag|sorry|correctie|ter info|even ter info|voor de duidelijkheid|zoals gezegd|eerlijk gezegd|persoonlijk|helaas|ook|daarnaast|tegenwoordig|nu|momenteel|inmiddels|let op|onthoud dat|onthoud|allemaal|oorspronkelijk|goed nieuws|nieuws|ps|aangezien|nog even",
    joints=r"en|maar|want|omdat|dus|aangezien|terwijl|hoewel|dus",
    blocked=r"als ik|zou|zouden|had ik|was ik|wou dat|wilde dat|stel dat|stel|vroeger|destijds|toen|ooit|als kind|zegt|zei|zeggen|volgens|schrijft|schreef|beweert|vraagt|wens|droom|droomde|ja hoor|geweldig,|fijn,|ironie|bijvoorbeeld|voorbeeld|bv|ben ik|moet ik|zal ik|kan ik|misschien|waarschijnlijk|denk dat|wachtwoord|op een dag|niet dat|of ik|graag zou",
    passing=r"vandaag|vanavond|vanmorgen|deze week|dit weekend|deze maand|voorlopig|op dit moment|even|tijdelijk|tot|op bezoek|op vakantie|op doorreis",
    stops=r"en|maar|want|omdat|dus|of|sinds|al|nu|momenteel|bedankt|alsjeblieft|aub|haha|ook|erg|heel|echt|graag|niet|die|dat|waar|wat|hoe|welke|met (?:mijn|twee|drie)|toch|nog|als|voor|het liefst|kun|kan|om|bij|in|op|aan|naar|ik",
    rejected=r"het|dit|dat|deze|die|je|jouw|jou|u|uw|hoe|wat|wanneer|als|alles|iedereen|mensen|te|ervan|niet|geen|er|zo|heel|hem|haar|hun|ons|hier|daar|zijn|van je|van jouw|van dit|van deze|van dat|mij|me|niemand|niets|wachten",
    subject=r"(?:ik|we|wij)(?: ga| moet| wil| heb| gaan| moeten| hebben)?(?: mijn| een| het| de)?(?= )",
    macros={
        "rel": _RELATION,
        "pet": _PET,
        "adv": r"(?: (?:nu|momenteel|tegenwoordig|ook|vooral|meestal|altijd|hoofdzakelijk|zelf|al \w+ jaar|sinds kort|eigenlijk|gewoon|alleen|nog|altijd al|echt|heel|erg|volledig|strikt))*",
        "adj": r"(?:(?:kleine|grote|oudere|jongere|oudste|jongste|lieve|oude) )*",
    },
    table=r"""
name name      | (?:ik heet|mijn (?:volledige )?naam is)
name name      | (?:noem me|noem mij|je mag me|je kunt me)(?: maar| gerust| gewoon)*(?! tutoyeren)
name greeted   | ik ben
pronouns pronouns | mijn voornaamwoorden zijn
form_of_address informal | (?:(?:je|u) (?:mag|kunt) me (?:gerust |gewoon )?tutoyeren|tutoyeer me(?: maar| gerust)*|zeg (?:maar|gerust) (?:je|jij)(?: tegen me)?)(?=\W|$)
form_of_address formal | (?:zeg (?:maar |alsjeblieft )?u tegen (?:me|mij)|spreek me aan met u|vousvoyeer me)(?=\W|$)
form_of_address title | spreek (?:me|mij) (?:altijd )?aan (?:met|als)
-home place    | ik woon niet meer in
home place     | (?:ik woon|ik leef|wij wonen|we wonen){adv}(?: sinds \w+| al \w+ \w+)? (?:in|bij|op)
home place     | ik ben (?:\w+ \w+ |pas |net |onlangs )?naar (?P<v>[A-Z][\w'-]+(?: [A-Z][\w'-]+)?) verhuisd
home place     | mijn (?:huis|appartement|flat) (?:is|staat|ligt) in
origin place   | ik (?:kom|ben){adv}(?: oorspronkelijk)? (?:uit|afkomstig uit)
origin place   | ik ben (?:geboren en )?(?:getogen|opgegroeid|geboren)(?: en getogen)? in
-workplace org | ik werk niet meer (?:bij|voor)
workplace org  | ik werk{adv} (?:bij|voor|op|in) (?=[A-Z]|een |het |de )
workplace org  | ik werk{adv} als [\w ]{3,30}? (?:bij|voor|op|in) (?=[A-Z]|een |het |de )
workplace staff | ik ben (?:een )?(?P<j>[\w ]{3,40}?) bij (?=[A-Z])
workplace org  | mijn werkgever is
role role      | ik werk{adv} als(?: een)?
role listed_job | ik ben{adv}(?: een)?
role listed_job | van beroep ben ik
role role      | mijn (?:beroep|baan|functie) is(?: die van)?
role whole     | ik (?:ben )?(?P<v>(?:gepensioneerd|zzp'er|werkloos|zelfstandige|huisvrouw|huisman))(?=\W|$)
role whole     | ik (?P<v>(?:run|heb|leid) (?:een|mijn eigen) (?:kleine |eigen )*(?:bakkerij|winkel|bedrijf|café|restaurant|praktijk|garage|boekhandel|zaak|boerderij|salon))
field subject  | ik studeer
field subject  | ik werk{adv} in de (?=\w+(?:sector|zorg|bouw|branche|logistiek|techniek)|zorg\b|bouw\b|logistiek\b|horeca\b|ict\b|it\b)
time_zone zone | mijn tijdzone is(?: die van)?
allergy thing  | ik ben{adv} allergisch (?:voor|tegen)
allergy thing  | ik heb een (?:allergie voor|(?P<v>\w+?)[- ]?(?:allergie|intolerantie))(?=\W|$)
allergy thing  | ik (?:kan|verdraag) (?:geen |slecht tegen )(?=gluten|lactose|melk|fructose|noten)
-diet diet     | ik ben geen (?=\w+ meer)
diet diet      | ik (?:ben|eet|leef){adv}(?: een| geworden)*
diet noeat     | ik (?:eet|drink|lust) geen
birthday date  | mijn verjaardag is(?: op)?
birthday date  | ik ben (?:geboren|jarig) op
birthday date  | ik ben op (?=.{3,25} (?:jarig|geboren))
anniversary date | onze trouwdag is(?: op)?
anniversary date | we zijn (?:getrouwd )?op (?=.{3,25}(?: getrouwd)?)
family related | (?:mijn|m'n|onze) {adj}(?P<r>{rel}) (?:heet|genaamd)
family related | ik heb een {adj}(?P<r>{rel})(?: die| genaamd|,)(?: heet)?
~family related | (?:mijn|m'n|onze) {adj}(?P<r>{rel})(?= [A-Z])
pet petname    | (?:mijn|m'n|onze) {adj}(?P<r>{pet}) heet
pet petname    | (?:ik heb|we hebben) een {adj}(?P<r>{pet})(?: die| genaamd|,)(?= [A-Z])
~pet petname   | (?:mijn|m'n|onze) {adj}(?P<r>{pet})(?= [A-Z])
editor editor  | mijn editor is
editor editor  | ik (?:gebruik|werk (?:in|met)|programmeer (?:in|met)|schrijf (?:in|met)){adv}
operating_system system | ik (?:gebruik|werk (?:op|met)|draai|ben overgestapt (?:op|naar)|zit op){adv}
operating_system system | mijn (?:laptop|computer|pc|besturingssysteem)(?: \w+)? (?:draait(?: op)?|is|heeft)(?: een)?
programming_language code | ik (?:programmeer|code|codeer|ontwikkel|schrijf|werk){adv} (?:in|met)
programming_language code | ik gebruik{adv}
tool tool      | ik (?:gebruik|werk met|houd (?:\w+ )*bij in|hou (?:\w+ )*bij in|maak (?:\w+ )*(?:in|met)|plan (?:\w+ )*(?:in|met)){adv}
skill whole    | ik spreek (?P<v>(?:vloeiend|een beetje|goed|gebrekkig) \w+)
skill whole    | ik ben (?P<v>(?:beginner|expert|gevorderd\w*|een beginner|een expert) (?:in|met) \w+)
hobby hobby    | in mijn vrije tijd(?: ga ik| doe ik| speel ik)?
hobby hobby    | (?:mijn hobby is|mijn hobby's zijn)
dislikes thing | ik (?:haat|heb een hekel aan|verafschuw|hou niet van|houd niet van|kan niet tegen|kan slecht tegen)
dislikes thing | ik vind (?=[^,.;!?]{2,30} (?:niet lekker|vies|vreselijk))
likes thing    | ik (?:hou|houd){adv}(?: veel)? van
likes thing    | ik ben (?:een )?(?:grote |groot )?(?:fan|liefhebber|dol|gek) (?:van|op)
likes thing    | mijn (?:favoriete|lievelings)[\w ]{2,25}? is
goal goal      | (?P<v>(?:ik|we) (?:verhuis|begin|start|trouw|vlieg|reis|heb|loop|moet|wil|ga|open|presenteer|verhuizen|trouwen|gaan|moeten|hebben|doe)\b.*)
""",
)
