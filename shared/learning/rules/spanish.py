"""The patterns of Spanish."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = r"mujer|esposa|esposo|marido|pareja|novia|novio|prometid[oa]|madre|mamá|padre|papá|hijo|hija|hermano|hermana|abuela|abuelo|nieta|nieto|tía|tío|prima|primo|sobrina|sobrino|bebé|suegra|suegro|mellizo|gemela|gemelo"
_PET: Final = r"perr[oa]|perrit[oa]|gat[oa]|gatit[oa]|conej[oa]|hámster|loro|periquito|pájaro|caballo|yegua|poni|tortuga|pez|serpiente|rata|ratón|gallina|cabra|burro|cachorr[oa]|hurón|cobaya"

SPANISH: Final = Language(
    code="es",
    cue=r"vivo|llevo|soporto|tenemos|aguanto|puedes|vivimos|soy|me|mi|mis|trabajo|tengo|uso|odio|hablo|estudio|nací|llámame|puedes llamarme|yo|como|programo|mudé|mudo|nuestr[oa]|vengo|estoy|crecí|adoro|tutéame|trátame|háblame|detesto|resido|utilizo|escribo|cumplo|encanta|gusta|gustan|paso|cambié",
    leads=r"hola|buenas|buenos días|buenas tardes|buenas noches|hey|oye|ojo|por cierto|bueno|pues|y|pero|porque|ya que|como|así que|además|también|sí|ok|vale|gracias|por favor|perdón|perdona|disculpa|corrección|para que (?:lo )?sepas|te cuento|os cuento|yo|en realidad|la verdad|sinceramente|personalmente|lamentablemente|actualmente|ahora|ahora mismo|dato|nota|aviso|recuerda que|ten en cuenta que|a ver|mira|a todos|originalmente|originariamente|como (?:te )?dije|buena noticia|noticia|pd",
    joints=r"y|e|pero|porque|pues|así que|ya que|como|aunque|mientras|por eso|además|entonces",
    blocked=(
        r"si (?:yo )?(?:fuera|viviera|tuviera|estuviera|soy|vivo)|fuera|viviera|tuviera|sería|gustaría|quisiera|querría|ojalá|antes|era|vivía|trabajaba|tenía|de niñ[oa]|de pequeñ[oa]|cuando era|en esa época|dice|dijo|dicen|me dijo|según|pone|escribió|cuenta que|pregunta|imagin\w*|supon\w*|pongamos|digamos"
        r"|claro que|genial|qué bien|jaja|ironía|ejemplo|por ejemplo|acaso|debería|quizás?|tal vez|probablemente|creo que|contraseña|algún día|no es que|soñé|sueño con"
    ),
    passing=r"hoy|esta (?:noche|semana|tarde|mañana)|este (?:fin de semana|mes)|de momento|por ahora|en este momento|ahora mismo|temporalmente|hasta|de visita|de vacaciones|de viaje|de paso",
    stops=r"y|e|pero|porque|pues|así|desde|o|que|qué|para|por|con (?:mi|mis|dos|tres)|ahora|actualmente|gracias|jaja|jajaja|también|mucho|muchísimo|sobre todo|más|no|entonces|cómo|cuál|dónde|puedes|me|cerca|donde|cuando|como|si|en la que|aunque|ya|siempre",
    rejected=r"esto|eso|est[ea]|es[ea]|estos|estas|esos|esas|tu|tus|ti|cómo|como|que|qué|cuando|todo|todos|todo el mundo|la gente|ser|estar|tener|esperar|la idea|la forma|lo que|lo|te|usted|nada|nadie|muy|más|tan|un poco|él|ella|de|a|la respuesta|el tono|se|aquí|allí",
    subject=r"(?:yo )?(?:tengo|voy a|quiero|debo|necesito|vamos a)?(?: que)?(?: mi| un| una| el| la)?(?= )",
    macros={
        "rel": _RELATION,
        "pet": _PET,
        "adv": r"(?: (?:ahora|actualmente|sobre todo|principalmente|siempre|normalmente|también|solo|sólo|mayormente|desde hace \w+ \w+|ya))*",
        "adj": r"(?:(?:pequeñ[oa]|mayor|menor|querid[oa]) )*",
    },
    table=r"""
name name      | (?:me llamo|mi nombre(?: completo)? es)
name name      | (?:llámame|puedes llamarme|podéis llamarme|me puedes llamar|todos me llaman|me dicen)
name greeted   | soy
pronouns pronouns | mis pronombres son
form_of_address informal | (?:tutéame|trátame de tú|háblame de tú|puedes tutearme|me puedes tutear)(?=\W|$)
form_of_address formal | (?:trátame de usted|háblame de usted|prefiero (?:que me trates de|el) usted)(?=\W|$)
form_of_address title | dirígete a mí como
-home place    | ya no vivo en
home place     | (?:vivo|resido|vivimos|estoy viviendo){adv} en
home place     | (?:me mudé|me he mudado|nos mudamos|me trasladé)(?: hace \w+ \w+| la semana pasada| el mes pasado)? a
home place     | llevo [\w ]{3,20}? viviendo en
home place     | mi (?:casa|piso|apartamento|departamento) (?:está|queda) en
origin place   | (?:soy|vengo|provengo){adv} (?:originari[oa] |originalmente )?de(?: la| los| las)?
origin place   | (?:crecí|nací|me crié) en
-workplace org | ya no trabajo (?:en|para)
workplace org  | trabajo{adv} (?:en|para|con) (?=[A-ZÀ-Þ]|una? |el |la |los )
workplace org  | trabajo{adv} (?:como|de) [\w ]{3,30}? (?:en|para) (?=[A-ZÀ-Þ]|una? |el |la )
workplace staff | soy (?:una? )?(?P<j>[\w ]{3,40}?) en (?=[A-ZÀ-Þ]|una? )
role role      | trabajo{adv} (?:como|de)
role listed_job | soy{adv}(?: una?)?
role listed_job | (?:de profesión|como profesión),? soy
role role      | mi (?:profesión|trabajo|oficio|puesto) es(?: el de| la de)?
role whole     | (?:estoy|soy) (?P<v>(?:jubilad[oa]|en paro|autónom[oa]|desemplead[oa]|am[oa] de casa|freelance))(?=\W|$)
role whole     | (?P<v>(?:tengo|llevo|dirijo) (?:una?|mi) (?:pequeñ[oa] )?(?:panadería|tienda|empresa|negocio|restaurante|bar|taller|librería|academia|peluquería|cafetería|consulta|clínica|granja))
field subject  | (?:estudio|estoy estudiando)(?: la carrera de)?
field subject  | trabajo{adv} en (?:el (?:sector|campo|ámbito|área) (?:de |del |de la )(?:la |el )?)
time_zone zone | mi (?:zona horaria|huso horario)(?: es| está en)(?: la| el)?(?: de)?
allergy thing  | (?:soy|también soy) (?:muy )?alérgic[oa] (?:al|a la|a los|a las|a)
allergy thing  | (?:tengo alergia|mi alergia es) (?:al|a la|a los|a las|a)
allergy thing  | soy intolerante (?:al|a la|a)
allergy thing  | no tolero (?:el |la |los |las )?(?=lactosa|gluten|leche|fructosa)
allergy whole  | soy (?P<v>celíac[oa])(?=\W|$)
-diet diet     | ya no soy
diet diet      | (?:soy|me hice|me he hecho){adv}(?: (?:una?|completamente|estrictamente))*
diet diet      | (?:como|sigo una dieta){adv}
diet noeat     | no (?:como|bebo|tomo)
birthday date  | mi cumpleaños es(?: el)?
birthday date  | (?:nací|cumplo años|cumplo \d+(?: años)?) el
anniversary date | (?:nuestro|mi) aniversario(?: de (?:boda|bodas))? es(?: el)?
anniversary date | nos casamos el
family related | (?:mi|nuestr[oa]) {adj}(?P<r>{rel}) {adj}se llama
family related | tengo una? {adj}(?P<r>{rel})(?: que se llama| llamad[oa]|,)
~family related | (?:mi|nuestr[oa]) {adj}(?P<r>{rel})(?: (?:mayor|menor|pequeñ[oa]))?,?(?= [A-ZÀ-Þ])
pet petname    | (?:mi|nuestr[oa]) (?P<r>{pet}) se llama
pet petname    | (?:tengo|tenemos) una? (?P<r>{pet})(?: que se llama| llamad[oa]|,)
~pet petname   | (?:mi|nuestr[oa]) (?P<r>{pet}),?(?= [A-ZÀ-Þ])
editor editor  | mi editor(?: de (?:texto|código))? es
editor editor  | (?:uso|utilizo|trabajo con|trabajo en|programo en|programo con|escribo en){adv}
operating_system system | (?:uso|utilizo|trabajo con|trabajo en|estoy en|me pasé a|me he pasado a){adv}
operating_system system | mi (?:ordenador|portátil|computadora|pc|sistema operativo|laptop)(?: \w+)? (?:usa|tiene|es|corre|funciona con|va con)(?: un)?
operating_system system | cambié (?P<x>[\w .]+) por
programming_language code | (?:programo|desarrollo|escribo código|trabajo){adv} (?:en|con)
programming_language code | (?:uso|utilizo){adv}
tool tool      | (?:uso|utilizo|trabajo con|llevo (?:mis|las|la|el) \w+ (?:en|con)|apunto (?:todo|mis notas) en|hago (?:\w+ )*(?:en|con)){adv}
skill whole    | hablo (?P<v>\w+ (?:con fluidez|perfectamente|fluido|bastante bien))
skill whole    | (?:hablo|tengo un) (?P<v>(?:un poco de|algo de) \w+)
skill whole    | soy (?P<v>(?:principiante|expert[oa]|novat[oa]|avanzad[oa]|bilingüe) (?:en|con) \w+)
hobby hobby    | en mi tiempo libre,? (?:me gusta )?
hobby hobby    | (?:mi (?:hobby|afición|pasatiempo)(?: favorit[oa])? es|mis aficiones son)(?: el| la)?
dislikes thing | (?:odio|detesto|no soporto|aborrezco|no me gustan?|no me gustan? nada|no aguanto)(?: (?:nada|mucho))?(?: el| la| los| las)?
likes thing    | (?:me gustan?|me encantan?|me fascinan?|adoro|amo)(?: (?:mucho|muchísimo))?(?: el| la| los| las)?
likes thing    | soy (?:muy )?(?:fan|fanátic[oa]|aficionad[oa]) (?:de|del|al|a la|a los)
likes thing    | mi [\w ]{2,25}? favorit[oa] es
goal goal      | (?P<v>(?:me mudo|tengo|empiezo|me caso|voy a|nos mudamos|nos casamos|quiero|debo|corro|presento|viajo|termino|hago|abro|necesito|defiendo|vamos a|nos vamos|me voy)\b.*)
goal goal      | (?P<v>mi (?:examen|boda|oposición|objetivo|meta|plan) .*)
""",
)
