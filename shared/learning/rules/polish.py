"""The patterns of Polish."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = r"żona|mąż|partner(?:ka)?|dziewczyna|chłopak|narzeczon[aey]|matka|mama|ojciec|tata|syn|córka|brat|siostra|babcia|dziadek|wnuk|wnuczka|ciocia|ciotka|wujek|kuzyn(?:ka)?|siostrzenica|siostrzeniec|teściowa|teść|córeczka|synek"
_PET: Final = r"pies|piesek|suka|suczka|kot|kotka|kotek|królik|chomik|papuga|ptak|koń|klacz|kucyk|żółw|ryba|rybka|wąż|szczur|mysz|kura|koza|osioł|szczeniak|świnka morska|fretka|kanarek"

POLISH: Final = Language(
    code="pl",
    cue=r"znoszę|cierpię|przeprowadzam|mieszkam|mieszkamy|jestem|mam|mój|moja|moje|moim|moją|mojej|pracuję|nazywam|używam|lubię|nienawidzę|uwielbiam|mówię|studiuję|urodziłe[mś]|urodziłam|pochodzę|piszę|mnie|mi|nasz|nasza|jem|programuję|przeprowadz\w+|kocham|mów|zwracaj|znam|korzystam|prowadzę|wolę|gram|zajmuję|interesuję|zaczynam|zdaję|biorę|jadę|przeszł[ea]m|czasie|czas|cierpię",
    leads=r"cześć|hej|dzień dobry|dobry wieczór|witam|siema|a|i|ale|bo|ponieważ|więc|poza tym|też|również|tak|ok|dobra|dzięki|dziękuję|proszę|przepraszam|sorry|poprawka|sprostowanie|dla informacji|tak dla informacji|swoją drogą|przy okazji|ja|w sumie|szczerze mówiąc|szczerze|osobiście|niestety|obecnie|teraz|aktualnie|uwaga|pamiętaj,? że|zapamiętaj,? że|słuchaj|jak (?:już )?mówił[ea]m|dobra wiadomość|nowość|ps|skoro|ponadto|od niedawna|od dziecka|że|no|otóż",
    joints=r"i|a|ale|bo|ponieważ|więc|dlatego|że|skoro|chociaż|jednak|gdyż|oraz",
    blocked=r"gdyby\w*|jeśli|jeżeli|chciał\w*bym|był\w*bym|miał\w*bym|mieszkał\w*|pracował\w*|kiedyś|dawniej|był[ea]m|jako dziecko|wtedy|powiedział\w*|mówi|mówił\w*|mówią|twierdzi|pisze|napisał\w*|według|podobno|pyta|wyobraź|załóżmy|marzę|chciał\w*|jasne,|super,|świetnie,|ironia|przykład|na przykład|np|czy|może|chyba|prawdopodobnie|hasło|pewnego dnia|nie to,? że|szkoda",
    passing=r"dzisiaj|dziś|wieczorem|w tym tygodniu|w ten weekend|w tym miesiącu|na razie|w tej chwili|chwilowo|tymczasowo|przejazdem|na wakacjach|na urlopie|do (?:jutra|piątku|niedzieli)",
    stops=r"i|a|ale|bo|ponieważ|więc|od|lub|albo|który|która|które|teraz|obecnie|dzięki|też|również|bardzo|nie|gdzie|co|jak|jaki|jakie|czy|z (?:moim|moją|dwoma)|dla|że|najbardziej|już|oraz|w|na|przy",
    rejected=r"to|ten|ta|te|tego|tej|tym|twój|twoja|twoje|twojego|ciebie|jak|co|kiedy|gdy|wszystko|wszyscy|wszystkich|ludzi|być|mieć|czekać|że|nic|nikogo|bardzo|tak|tutaj|tu|tam|on|ona|go|ją|ich|się|nie|na bieżąco|pomysł",
    subject=r"(?:ja )?(?:mam|muszę|chcę|zamierzam|planuję)?(?= )",
    macros={
        "rel": _RELATION,
        "pet": _PET,
        "adv": r"(?: (?:teraz|obecnie|aktualnie|głównie|zawsze|zwykle|też|również|tylko|od \w+ lat|na co dzień|przede wszystkim|najczęściej|już|bardzo))*",
        "adj": r"(?:(?:mały|mała|starsza|starszy|młodsza|młodszy|kochana|kochany) )*",
    },
    table=r"""
name name      | (?:mam na imię|nazywam się|(?:moje )?(?:pełne )?imię to|na imię mi)
name name      | (?:mów mi|mówcie mi|możesz mi mówić|możesz mówić do mnie|mów do mnie)(?! na )(?: po prostu)?
name greeted   | (?:jestem|tu|z tej strony)
pronouns pronouns | moje zaimki to
form_of_address informal | (?:(?:mów|możesz (?:mówić|zwracać się)|proszę mówić|zwracaj się)(?: do mnie| mi)? (?:per ty|na ty)|(?:możemy )?przej(?:ść|dźmy) na ty)(?=\W|$)
form_of_address formal | (?:zwracaj się do mnie|proszę zwracać się do mnie|mów do mnie)(?: per)? (?:pani|pan|panie|na pan|na pani)(?=\W|$)
-home place    | (?:już )?nie mieszkam już (?:w|we|na)
home place     | mieszkam(?:y)?{adv} (?:w|we|na|pod|koło|obok)
home place     | (?:przeprowadził[ea]m się|przeprowadziliśmy się)(?: \w+ \w+ temu| w zeszłym \w+)? do
home place     | (?:moje mieszkanie|mój dom) (?:jest|znajduje się) (?:w|we|na)
origin place   | (?:pochodzę|jestem){adv} (?:z|ze)(?= [A-ZĄĆĘŁŃÓŚŹŻ])
origin place   | (?:urodził[ea]m się|wychował[ea]m się|dorastał[ea]m) (?:w|we|na)
-workplace org | nie pracuję już (?:w|dla)
workplace org  | pracuję{adv} (?:w|we|dla|na)(?= )
workplace org  | pracuję{adv} jako [\w ]{3,30}? (?:w|we|dla)
workplace staff | jestem (?P<j>[\w ]{3,40}?) w (?=[A-ZĄĆĘŁŃÓŚŹŻ])
role role      | pracuję{adv} jako
role listed_job | jestem{adv}(?: z zawodu)?
role listed_job | z zawodu jestem
role whole     | jestem (?P<v>(?:na emeryturze|bezrobotn[ya]|freelancerem|emeryt(?:em|ką)))(?=\W|$)
role whole     | (?P<v>prowadzę (?:mał[ąy] |własn[ąy] |swoj[ąe] )*(?:piekarnię|firmę|sklep|restaurację|kawiarnię|warsztat|księgarnię|gospodarstwo|salon|gabinet|działalność))
field subject  | studiuję
field subject  | pracuję{adv} w (?:branży|dziedzinie|sektorze)
time_zone zone | moja strefa czasowa to
allergy thing  | (?:jestem{adv} uczulon[ya]|mam (?:alergię|uczulenie)|cierpię na alergię) na
allergy thing  | (?:mam nietolerancję|nie toleruję)
allergy whole  | mam (?P<v>celiakię)(?=\W|$)
-diet diet     | nie jestem już
diet diet      | (?:jestem|jem|został[ea]m){adv}(?: (?:ścisłym|ścisłą|na diecie))*
diet noeat     | nie (?:jem|piję|jadam)
birthday date  | (?:mam urodziny|moje urodziny są|moje urodziny to|urodziny mam)
birthday date  | urodził[ea]m się
anniversary date | (?:nasza rocznica(?: ślubu)? (?:jest|to)|rocznicę ślubu mamy)
family related | (?:mój|moja|nasz|nasza) {adj}(?P<r>{rel}) (?:ma na imię|nazywa się|to)
~family related | (?:mój|moja|nasz|nasza) {adj}(?P<r>{rel}),?(?= [A-ZĄĆĘŁŃÓŚŹŻ])
pet petname    | (?:mój|moja|nasz|nasza) {adj}(?P<r>{pet}) (?:ma na imię|nazywa się|wabi się|to)
pet petname    | (?:mam|mamy) (?P<r>psa|kota|kotkę|sukę|królika|chomika|papugę|konia|żółwia)(?: o imieniu| imieniem|,)
~pet petname   | (?:mój|moja|nasz|nasza) {adj}(?P<r>{pet}),?(?= [A-ZĄĆĘŁŃÓŚŹŻ])
editor editor  | (?:moim edytorem jest|mój edytor to)
editor editor  | (?:używam|korzystam z|piszę w|pracuję w|programuję w){adv}
operating_system system | (?:używam|korzystam z|pracuję na|mam|siedzę na|przeszł[ea]m na|przesiadł[ea]m się na){adv}
operating_system system | (?:mój|na moim) (?:laptop|laptopie|komputer|komputerze)(?: \w+)? (?:działa na|ma|to|mam)
programming_language code | (?:programuję|piszę|koduję){adv}(?: kod)? w
programming_language code | (?:używam|korzystam z){adv}
tool tool      | (?:używam|korzystam z|pracuję w|notatki (?:robię|trzymam) w|trzymam (?:\w+ )*w){adv}
skill whole    | (?:mówię|znam) (?P<v>(?:płynnie|biegle|trochę|dobrze) (?:po )?\w+)
skill whole    | mówię (?P<v>po \w+ (?:płynnie|biegle))
skill whole    | jestem (?P<v>(?:początkując[yaą]\w*|ekspertem|zaawansowan\w+) w \w+)
hobby hobby    | w wolnym czasie
hobby hobby    | (?:moje hobby to|moim hobby jest|moje zainteresowania to)
dislikes thing | (?:nienawidzę|nie lubię|nie znoszę|nie cierpię|nie trawię)
likes thing    | (?:lubię|uwielbiam|kocham){adv}
likes thing    | jestem (?:wielkim |wielką )?(?:fanem|fanką|miłośnikiem|miłośniczką)
goal goal      | (?P<v>(?:we?|za) [\w ]{3,20}? (?:przeprowadzam się|zaczynam|lecę|jadę|biorę ślub|zdaję|biegnę|otwieram|mam)\b.*)
goal goal      | (?P<v>(?:przeprowadzam się|mam|zaczynam|biorę ślub|lecę|jadę|muszę|chcę|zdaję|biegnę|otwieram|bronię|wyjeżdżam|bierzemy ślub)\b.*)
""",
)
