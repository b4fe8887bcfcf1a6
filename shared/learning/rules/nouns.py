"""Words that decide whether something is a place, a name, a food or another sort of value."""

from __future__ import annotations

import re
from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(word.strip() for line in words.splitlines() for word in line.split(",") if word.strip())


NO_PLACES: Final = _set("""
i, english, german, french, spanish, fear, hell, peace, harmony, poverty, denial, town, city, hope, dorms, apartments, apartment, house, houses, student, tents, boxes, containers, english, constant, rural
here, there, europe?, person, general, fact, bed, sin, hotels, hostels, rented, shared, excel, python, java, rust, go, javascript, monday, tuesday, wednesday, thursday, friday, saturday, sunday
january, february, march, april, june, july, august, september, october, november, december, prison, jail, school, college, work, support, accounting, sales, marketing, hr, it, finance, zone, zona, area
silence, exile, hiding, interesting, uncertain, different, small, big, modern, strange, hard, dreams, memory, now, theory, practice, town, vim, vs, outer, space, parallel, clover, luxury, squalor, aws, azure, gcp, kubernetes, github, gitlab, netlify, vercel, heroku, campus, angst, armut, frieden, scheidung, trennung, miete, wg, teilzeit, vollzeit, schichten, homeoffice, elternzeit, gleitzeit, colocation, location, banlieue, campagne, concubinage, couple
affitto, centro, campagna, città, pace, paura, akademiku, bloku, mieście, strachu, ciudad, pueblo, campo, piso, alquiler, miedo, pareja, cidade, interior, apartamento, casa, aluguel, medo, stad, dorp, vrede
wohnheim, studentenheim, spreadsheets, docs, meetings, emails, code, terminal, browser, browsers, tabs, slides, pyjamas, pajamas, chaos, squalor, regret, sweatpants, jeans, leggings, caves, castles, vans, trailers, chat, production, staging, dark mode, mode
""")
PLACES_OF_TWO: Final = _set("""
new york, san francisco, los angeles, las vegas, san diego, new orleans, hong kong, tel aviv, cape town, buenos aires, rio de janeiro, sao paulo, são paulo, mexico city, kuala lumpur, new delhi, new zealand
south africa, south korea, costa rica, sri lanka, saudi arabia, united states, united kingdom, new jersey, new mexico, north carolina, south carolina, west virginia, puerto rico, salt lake, st louis, the hague
den haag, the netherlands, the uk, the us, the usa, northern ireland, czech republic, new england, long island, palo alto, santa cruz, san jose, el paso, fort worth, baton rouge, bad homburg, la rochelle
""")
NO_NAMES: Final = _set("""
home, school, work, christmas, easter, i, german, french, english, american, italian, spanish, british, irish, scottish, welsh, dutch, polish, chinese, japanese, korean, indian, russian, canadian, australian, mexican, brazilian, portuguese, swedish
norwegian, danish, finnish, greek, turkish, ukrainian, swiss, austrian, belgian, catholic, christian, muslim, jewish, hindu, buddhist, european, asian, african, vegan, vegetarian, ok, okay, done, new, sorry
back, here, not, just, stuck, lost, trying, looking, working, happy, sad, sure, later, when, if, crazy, old-fashioned, a, an, the, in, on, at, so, very, really, maybe, tomorrow, today, monday, tuesday, wednesday
thursday, friday, saturday, sunday, january, february, march, april, may, june, july, august, september, october, november, december, batman, whatever, anything, names, by, mr, mrs, anytime, tonight, please, now
deutscher, deutsche, österreicher, schweizer, français, española, español, italiano, italiana, internal, vs, python, excel, english teacher, god, boss, gonna, going, using, having, getting, gluten, one, it, that
is, was, will, has, and, who, said, says, wants, also, always, never, would, back, sick, called, named, irish, up, out, me, you, us, them, her, him, day, of, to, from, or, but, mine, yours
""")
NO_DESKS: Final = re.compile(r"\b(?:tables?|desk|counter|sink|bench|island|window|screen|sofa|couch)\b", re.IGNORECASE)
NO_ORGS: Final = _set("""
home, night, nights, least, all, once, weekends, work, least, present, times, first, last, noon, dawn, school, height, speed, scale, money, free, hours, days, years, months, weeks, myself, peanuts, cash, a, an, the, different, multiple, fun, pleasure, tips, hire, food, nothing, rent, exposure, pay, minimum, lunch, breakfast, sea, sunrise, midnight, speed, pace, hour, christmas, easter
""")
NO_ROLES: Final = _set(
    "noche, día, tarde, mañana, madrugada, notte, giorno, noite, dia, nuit, nacht, expected, intended, usual, well, follows, planned, normal, advertised, usually, designed, one, much, fast, part, soon, hard, a team"
)
NO_SUBJECTS: Final = _set("""
shifts, teams, pairs, nights, batches, silence, person, progress, english, german, french, metric, parallel, sprints, two, three, general, different, small, several, many, various, groups, bed, pajamas, an, a, the, my, your, his, her
this, that, at, in, for, hard, every, all, abroad, here, there, late, best, better, alone, online, too, with, bursts, cafes, cafés, customer-facing, vim, it, home, public, private, secret, spurts, circles, feet, inches, town, part-time, mornings, evenings, afternoons, morning, evening, afternoon, background, dark, office, field, garden, kitchen, basement, past, future, chunks, stages, phases, increments, iterations, cycles, rotation, heels, gloves, rain, heat, cold
""")
NO_THINGS: Final = _set("""
this, that, it, you, your, idea, way, fact, mondays, monday, how, when, emojis, emoji, everyone, people, life, myself, being, having, waiting, getting, answers, replies, examples, bullet, bullets, answer, response, responses, reply, mean
filling, paying, losing, sitting, spending, explaining, updating, debugging, sound, look, direction, suggestion, first, second, third, latter, former, one, ones, other, version, draft, option, to, nothing, anything, everything, more, hearing
seeing, metric, celsius, say, think, thing, things, same, rest, long answers, short answers, tone, taste?, chance, opportunity, them, watching people, going to the dentist, dealing, meetings that, another, so, yet, either
""")
SERVICE: Final = re.compile(
    r"(?:netflix|discord|zoom|slack|teams|instagram|facebook|twitter|tiktok|linkedin|reddit|spotify|whatsapp|telegram|mastodon|bluesky|strava|tinder|github|youtube|twitch|steam|duolingo|patreon|pinterest|snapchat|signal|threads)\b",
    re.IGNORECASE,
)
NO_TOOLS: Final = _set("""
class, school, court, church, bed, january, february, march, april, may, june, july, august, september, october, november, december, eastern, pacific, central, mountain, atlantic, eastern time, pacific time, central time, mountain time, utc, gmt, cet, cest, est, pst, bst, celsius, fahrenheit, kelvin, imperial, metric, miles, euros, dollars, latin, roman, arial, helvetica
times new roman, comic sans, calibri, oxford, american spelling, british spelling, mondays, tuesdays, wednesdays, thursdays, fridays, saturdays, sundays, uber, amazon, ikea, google, airbnb, berlin, london, paris, ai, it, us, uk, eu
""")
NO_FOOD: Final = _set("""
breakfast, lunch, dinner, much, enough, out, well, a, before, after, late, anything, that, this, it, them, there, here, properly, regularly, healthy, very, as, like, at, in, on, with, the, everything, these, those, too, so, any, alone, more, your
my, when, if, since, until, because, today, yet, again, often, many, lot, what, all
""")
NO_SKILLS: Final = _set(
    "this, that, here, it, to, town, user, users, city, job, area, one, place, team, company, member, and, of, question, mode, friendly, version, course, guide, level, role, with, in, at, on, my, your, the, a, an, all"
)
NO_HOBBIES: Final = _set("""
clean, vacuum, commute, shop, iron, mow, wash, study, rest, visit, am, was, have, had, need, want, will, would, could, should, can, cannot, can't, don't, did, be, been, wish, think, know, guess, hope, just, only, get, got, see, work, sleep, usually, might, must, never, live, dont, cant, wont
""")
COMMON_WORDS: Final = _set("""
word, numbers, linear, bear, sketch, fish, edge, opera, canvas, rhino, maya, unity, signal, teams, slack, zoom, discord, spark, spring boot, finale, reaper, harvest, things, mint, arc, brave, safari, chrome, ghost, poetry, react, angular, alfred
roam, kitty, flask, rails, express, miro, fleet, insomnia, git, cursor, sap, hugo, bun, fish, nix, uv, linear, looker, express, unreal
""")
SINGLE_RELATIONS: Final = _set("""
wife, husband, spouse, partner, girlfriend, boyfriend, fiance, fiancé, fiancee, fiancée, mom, mum, mother, dad, father, mother-in-law, father-in-law, frau, mann, freund, freundin, mutter, vater, partnerin, verlobte, verlobter, femme, mari, mère, père
compagne, compagnon, copine, copain, mujer, esposa, esposo, marido, madre, padre, novia, novio, pareja, moglie, marito, mamma, papà, fidanzata, fidanzato, compagna, compagno, esposa, mãe, pai, namorada, namorado, companheira, companheiro, vrouw
man, vriend, vriendin, moeder, vader, żona, mąż, mama, tata, matka, ojciec, dziewczyna, chłopak, narzeczona, narzeczony, жену, мужа, жена, муж
""")
WORKPLACE: Final = re.compile(
    r"(?:hospital|school|clinic|bank|university|college|library|museum|restaurant|caf[eé]|bakery|hotel|factory|lab|laboratory|firm|company|start-?up|agency|shop|store|supermarket|warehouse|kindergarten|nursery|pharmacy"
    r"|ngo|non-?profit|charity|ministry|government|council|studio|theatre|theater|farm|garage|centre|center|airport|consultancy|publisher|brewery|hospice|practice|court|archive|church|zoo|gym|salon|newspaper|magazine"
    r"|station|shipyard|mill|mine|plant|workshop|bookshop|bookstore|observatory|institute|foundation|cooperative|co-op|dealership|office of|business|bureau|embassy|depot|kitchen|winery|vineyard|orchestra|department|department store|nursing home|vet"
    r"|krankenhaus|klinik|schule|grundschule|gymnasium|bank|universität|bibliothek|museum|restaurant|bäckerei|fabrik|firma|agentur|praxis|arztpraxis|zahnarztpraxis|kanzlei|apotheke|kita|werkstatt|labor|verlag|stadtverwaltung|buchhandlung|behörde|supermarkt|brauerei|versicherung|tierheim|tierarztpraxis|stadtbücherei"
    r"|hôpital|école|banque|université|bibliothèque|musée|boulangerie|usine|entreprise|agence|cabinet|pharmacie|crèche|librairie|mairie|garage|collège|lycée|clinique|hôtel|atelier|imprimerie|maison de retraite|notaire"
    r"|escuela|colegio|banco|universidad|biblioteca|museo|restaurante|panadería|fábrica|empresa|agencia|despacho|notaría|farmacia|guardería|librería|ayuntamiento|taller|clínica|laboratorio|tienda|gestoría|imprenta|instituto|bufete"
    r"|ospedale|scuola|banca|università|biblioteca|ristorante|panificio|fabbrica|azienda|agenzia|studio legale|studio|farmacia|asilo|libreria|comune|officina|clinica|negozio|albergo|ditta|laboratorio|casa editrice|panetteria"
    r"|escola|universidade|padaria|fábrica|agência|escritório|farmácia|creche|livraria|prefeitura|oficina|loja|cartório|hospital|consultório|clínica|editora|gráfica|banco|startup"
    r"|ziekenhuis|bibliotheek|bakkerij|fabriek|bedrijf|bureau|praktijk|apotheek|kinderdagverblijf|boekhandel|gemeente|werkplaats|winkel|basisschool|drukkerij|tandartspraktijk"
    r"|szpitalu|szkole|banku|uniwersytecie|bibliotece|muzeum|restauracji|piekarni|fabryce|firmie|agencji|kancelarii|aptece|przedszkolu|księgarni|urzędzie|warsztacie|sklepie|drukarni|hotelu|wydawnictwie)s?\b",
    re.IGNORECASE,
)
DIET: Final = re.compile(
    r"(?P<v>(?:lacto[- ]ovo[- ]|ovo[- ])?(?:vegan|vegetarian|veggie|pescatarian|pescetarian|flexitarian|fruitarian|plant[- ]based|keto|ketogenic|paleo|halal|kosher|gluten[- ]free|dairy[- ]free|lactose[- ]free|low[- ]carb|low[- ]sodium|low[- ]fodmap|fodmap"
    r"|vegetarisch|vegetarier(?:in)?|veganer(?:in)?|pescetarier(?:in)?|koscher|glutenfrei|laktosefrei"
    r"|végétarien(?:ne)?|végane?|végétalien(?:ne)?|pescétarien(?:ne)?|sans gluten|casher"
    r"|vegetarian[oa]|vegan[oa]|pescetarian[oa]|pescatarian[oa]|celíac[oa]|celiac[oa]|celiachia"
    r"|vegetariër|veganist(?:e)?|flexitariër|glutenvrij|wegetarianin(?:em)?|wegetariank[aą]|weganin(?:em)?|wegank[aą]"
    r"|вегетариан(?:ец|ка)|веган(?:ка)?)(?: diet)?)(?![\w'-])(?! (?:restaurant|recipe|option|dish|meal|food|for (?:a|one|the|today|tonight)))",
    re.IGNORECASE,
)
# Occupations of languages other than English, whole or as the end of a compound.
JOB: Final = re.compile(
    r"^(?:\w+ )?(?:[\w-]*(?:lehrer|lehrerin|ärztin|arzt|ingenieur|ingenieurin|entwickler|entwicklerin|pfleger|pflegerin|krankenschwester|anwalt|anwältin|bäcker|bäckerin|koch|köchin|berater|beraterin|architekt|architektin|designer|designerin|student|studentin"
    r"|verkäufer|verkäuferin|leiter|leiterin|schreiner|schreinerin|tischler|tischlerin|mechaniker|mechanikerin|elektriker|elektrikerin|gärtner|gärtnerin|hebamme|journalist|journalistin|übersetzer|übersetzerin|fahrer|fahrerin|buchhalter|buchhalterin|erzieher|erzieherin"
    r"|apotheker|apothekerin|friseur|friseurin|maler|malerin|musiker|musikerin|forscher|forscherin|informatiker|informatikerin|programmierer|programmiererin|therapeut|therapeutin|polizist|polizistin|winzer|winzerin|landwirt|landwirtin|pfarrer|pfarrerin|imker|imkerin|goldschmied|goldschmiedin|optiker|optikerin|biologin|biologe|chemiker|chemikerin|physiker|physikerin|psychologe|psychologin|richter|richterin|steuerberater|steuerberaterin|rentner|rentnerin|azubi|hausmeister|hausmeisterin|dachdecker|dachdeckerin|metzger|metzgerin|konditor|konditorin|lektor|lektorin|fotograf|fotografin|sozialarbeiter|sozialarbeiterin|logopädin|logopäde|zimmermann|schornsteinfeger|schornsteinfegerin|redakteur|redakteurin|kellner|kellnerin|feuerwehrmann)"
    r"|(?:professeure?|prof|médecin|infirmi(?:er|ère)|ingénieure?|développeu(?:r|se)|avocate?|boulang(?:er|ère)|cuisini(?:er|ère)|architecte|graphiste|étudiante?|vendeu(?:r|se)|menuisi(?:er|ère)|mécanicien(?:ne)?|électricien(?:ne)?|jardini(?:er|ère)|sage-femme|journaliste|traduct(?:eur|rice)|chauffeu(?:r|se)|comptable|pharmacien(?:ne)?|coiffeu(?:r|se)|musicien(?:ne)?|chercheu(?:r|se)|informaticien(?:ne)?|programmeu(?:r|se)|kiné(?:sithérapeute)?|polici(?:er|ère)|vigneronne|vigneron|agricult(?:eur|rice)|apicult(?:eur|rice)|libraire|bibliothécaire|institut(?:eur|rice)|enseignante?|notaire|dentiste|vétérinaire|psychologue|retraitée?|plombi(?:er|ère)|fleuriste|photographe|pompi(?:er|ère)|facteur|factrice|boucher|bouchère|pâtissi(?:er|ère)|opticien(?:ne)?|secrétaire|assistante?|éducat(?:eur|rice)|coach|serveu(?:r|se)|luthi(?:er|ère))"
    r"|(?:profesora?|maestra?|maestro|médic[oa]|enfermer[oa]|ingenier[oa]|desarrollador[a]?|programador[a]?|abogad[oa]|panader[oa]|cociner[oa]|arquitect[oa]|diseñador[a]?|estudiante|vendedor[a]?|carpinter[oa]|mecánic[oa]|electricista|jardiner[oa]|matrona|periodista|traductor[a]?|conductor[a]?|contable|contador[a]?|farmacéutic[oa]|peluquer[oa]|músic[oa]|investigador[a]?|informátic[oa]|fisioterapeuta|policía|agricultor[a]?|apicultor[a]?|librer[oa]|bibliotecari[oa]|docente|notari[oa]|dentista|veterinari[oa]|psicólog[oa]|jubilad[oa]|fontaner[oa]|fotógraf[oa]|bomber[oa]|camarer[oa]|soldador[a]?|secretari[oa]|taxista|economista|biólog[oa]|químic[oa]|costurera|guía)"
    r"|(?:insegnante|professor(?:e|essa)|maestr[oa]|medic[oa]|infermier[ae]|ingegnere|sviluppat(?:ore|rice)|programmat(?:ore|rice)|avvocat[oa]|fornai[oa]|cuoc[oa]|architett[oa]|grafic[oa]|studente|studentessa|falegname|meccanic[oa]|elettricista|giardinier[ae]|ostetrica|giornalista|tradutt(?:ore|rice)|autista|commercialista|contabile|farmacista|parrucchier[ae]|musicista|ricercat(?:ore|rice)|fisioterapista|poliziotto|poliziotta|agricolt(?:ore|rice)|apicolt(?:ore|rice)|libraio|libraia|bibliotecari[oa]|notaio|dentista|veterinari[oa]|psicolog[oa]|pensionat[oa]|idraulic[oa]|fotograf[oa]|camerier[ae]|sarta|sarto|geometra|restaurat(?:ore|rice))"
    r"|(?:professor[a]?|médic[oa]|enfermeir[oa]|engenheir[oa]|desenvolvedor[a]?|advogad[oa]|padeir[oa]|cozinheir[oa]|arquitet[oa]|designer|marceneir[oa]|mecânic[oa]|eletricista|jardineir[oa]|parteira|jornalista|tradutor[a]?|motorista|contador[a]?|farmacêutic[oa]|cabeleireir[oa]|pesquisador[a]?|fisioterapeuta|policial|apicultor[a]?|bibliotecári[oa]|dentista|veterinári[oa]|psicólog[oa]|aposentad[oa]|encanador[a]?|fotógraf[oa]|garçom|garçonete|costureir[oa]|soldador[a]?|pedreir[oa])"
    r"|(?:[\w]*(?:leraar|lerares|docent|arts|verpleegkundige|ingenieur|ontwikkelaar|programmeur|advocaat|bakker|kok|architect|ontwerper|student|studente|timmerman|monteur|elektricien|tuinman|hovenier|verloskundige|journalist|vertaler|chauffeur|boekhouder|apotheker|kapper|kapster|muzikant|onderzoeker|fysiotherapeut|agent|boer|imker|boekhandelaar|bibliothecaris|notaris|tandarts|dierenarts|psycholoog|loodgieter|fotograaf|metselaar|schilder|slager|meubelmaker|conciërge|lasser|schipper))"
    r"|(?:nauczyciel(?:em|ką|ka)?|lekarz(?:em)?|lekark[aą]|pielęgniark[aą]|inżynier(?:em)?|programist[aką]+|prawni(?:k|kiem|czką)|piekarz(?:em)?|kucharz(?:em)?|kuchark[aą]|architekt(?:em|ką)?|grafi(?:k|kiem|czką)|student(?:em|ką|ka)?|stolarz(?:em)?|mechani(?:k|kiem)|elektry(?:k|kiem)|ogrodni(?:k|kiem|czką)|położn[aą]|dziennikar(?:z|zem|ką)|tłumacz(?:em|ką|ka)?|kierowc[aą]|księgow[aymą]+|farmaceut[aką]+|fryzjer(?:em|ką|ka)?|muzy(?:k|kiem)|badacz(?:em)?|policjant(?:em|ką)?|rolni(?:k|kiem)|pszczelarz(?:em)?|bibliotekar(?:z|zem|ką)|dentyst[aką]+|weterynarz(?:em)?|psycholog(?:iem)?|emeryt(?:em|ką)?|hydrauli(?:k|kiem)|fotograf(?:em)?|kelner(?:em|ką)?|spawacz(?:em)?|ratowni(?:k|kiem|czką)(?: medycznym)?)"
    r")(?: .{0,40})?$"
)
