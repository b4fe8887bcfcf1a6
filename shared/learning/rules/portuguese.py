"""The patterns of Portuguese."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = r"mulher|esposa|esposo|marido|companheir[oa]|namorad[oa]|noiv[oa]|mãe|pai|filh[oa]|irmão|irmã|av[óô]|net[oa]|ti[oa]|prim[oa]|sobrinh[oa]|bebê|bebé|sogr[oa]|gêmeo|gêmea"
_PET: Final = r"cachorr[oa]|cão|cadela|gat[oa]|gatinh[oa]|coelh[oa]|hamster|papagaio|periquito|calopsita|pássaro|cavalo|égua|pônei|tartaruga|jabuti|peixe|cobra|rato|galinha|cabra|burro|filhote|furão|porquinho-da-índia"

PORTUGUESE: Final = Language(
    code="pt",
    cue=r"moro|vivo|moramos|vivemos|sou|meu|minha|meus|minhas|me|trabalho|tenho|uso|odeio|adoro|falo|estudo|nasci|chamo|chamar|chama|chame|gosto|eu|como|noss[oa]|programo|troquei|mudei|mudo|venho|estou|cresci|detesto|resido|utilizo|escrevo|faço|comemos|passei|suporto|tô|virei",
    leads=r"oi|olá|ola|bom dia|boa tarde|boa noite|e aí|então|aliás|a propósito|e|mas|porque|pois|já que|como|por isso|além disso|também|sim|ok|tá|bom|obrigad[oa]|por favor|desculpa|desculpe|correção|pra você saber|só pra constar|para sua informação|eu|na verdade|sinceramente|pessoalmente|infelizmente|atualmente|agora|hoje em dia|nota|lembre-se de que|lembre que|olha|pessoal|gente|originalmente|como (?:eu )?(?:já )?disse|boa notícia|novidade|ps|obs|fala|opa",
    joints=r"e|mas|porque|pois|então|já que|como|embora|enquanto|por isso|além disso|aí",
    blocked=(
        r"se eu|fosse|vivesse|morasse|tivesse|trabalhasse|seria|gostaria|queria|quem me dera|tomara|antes|era|morava|vivia|trabalhava|tinha|usava|quando criança|quando eu|em criança|naquela época|disse|diz|falou|dizem|me disse|segundo|escreveu|conta que|pergunta|imagin\w*|supon\w*|digamos"
        r"|claro que|nossa, que|que ótimo|kkk\w*|ironia|exemplo|por exemplo|será que|devo|deveria|talvez|provavelmente|acho que|senha|um dia|não é que|sonho|sonhei"
    ),
    passing=r"hoje|esta (?:noite|semana)|essa semana|este (?:mês|fim de semana)|por enquanto|no momento|neste momento|temporariamente|até|de passagem|de férias|viajando|a passeio",
    stops=r"e|mas|porque|pois|então|desde|ou|que|qual|para|pra|por|com (?:meu|minha|dois|três)|agora|atualmente|obrigad[oa]|kkk\w*|também|muito|demais|sobretudo|mais|não|como|onde|pode|me|perto|quando|se|há|faz|já|sempre|à beça",
    rejected=r"isso|isto|aquilo|este|esta|esse|essa|estes|estas|esses|essas|seu|sua|seus|suas|teu|tua|você|te|como|que|o que|quando|tudo|todos|todo mundo|as pessoas|ser|estar|ter|esperar|da ideia|do jeito|a ideia|nada|ninguém|muito|mais|tão|um pouco|ele|ela|a|de você|aqui|lá|quando|disso|dele|dela|desse|dessa|deste|desta|da sua|do seu",
    subject=r"(?:eu )?(?:tenho|vou|quero|preciso|devo|vamos)?(?: que| meu| minha| um| uma| o| a)?(?= )",
    macros={
        "rel": _RELATION,
        "pet": _PET,
        "i": r"(?:eu )?",
        "adv": r"(?: (?:agora|atualmente|principalmente|sempre|normalmente|também|só|apenas|hoje em dia|há \w+ anos|mais|já|ainda|mesmo))*",
        "adj": r"(?:(?:querid[oa]) )*",
    },
    table=r"""
name name      | (?:{i}me chamo|(?:o )?meu nome(?: completo)? é)
name name      | (?:(?:pode|podem|pode até) me chamar de|me chame de|me chama de|todo mundo me chama de|chame-me|chama-me)
name greeted   | (?:{i}sou|aqui é)(?: [oa])?
pronouns pronouns | (?:os )?meus pronomes são
form_of_address informal | (?:(?:pode|podes) me (?:tratar|chamar) por (?:você|tu)|me trat[ea] por (?:você|tu)|trata-me por tu|podes tratar-me por tu)(?=\W|$)
form_of_address formal | (?:me trate por (?:o )?senhora?|trate-me por (?:o )?senhora?|me chame de senhora?)(?=\W|$)
-home place    | {i}não moro mais (?:em|no|na)
home place     | {i}(?:moro|vivo|resido|moramos|vivemos|estou morando){adv} (?:em|no|na|nos|nas)
home place     | {i}(?:me mudei|mudei|nos mudamos)(?: semana passada| mês passado| há \w+ \w+)? (?:para|pra)(?: o| a)?
home place     | (?:a )?minha casa (?:é|fica) (?:em|no|na)
home place     | (?:o )?meu apartamento (?:é|fica) (?:em|no|na)
origin place   | {i}(?:sou|venho){adv}(?: originalmente| natural)? (?:do|da|de|dos|das) (?=[A-ZÀ-Þ])
origin place   | {i}(?:nasci|cresci|fui criad[oa])(?: e cresci)? (?:em|no|na)
-workplace org | {i}não trabalho mais (?:na|no|em|para)
workplace org  | {i}trabalho{adv} (?:na|no|em|para a|para o|para|pra) (?=[A-ZÀ-Þ]|uma? )
workplace org  | {i}trabalho{adv} (?:na|no) (?!área|setor|ramo|campo)
workplace org  | {i}trabalho{adv} como [\w ]{3,30}? (?:na|no|em) (?=[A-ZÀ-Þ]|uma? )
workplace staff | {i}sou (?:uma? )?(?P<j>[\w ]{3,40}?) (?:na|no|em) (?=[A-ZÀ-Þ]|uma? )
role role      | {i}trabalho{adv} (?:como|de)
role listed_job | {i}sou{adv}(?: uma?)?
role role      | (?:a )?minha profissão é(?: a de)?
role whole     | {i}(?:sou|estou) (?P<v>(?:aposentad[oa]|desempregad[oa]|autônom[oa]|freelancer|dona de casa))(?=\W|$)
role whole     | {i}(?P<v>(?:tenho|dirijo|toco) (?:uma?|meu|minha) (?:pequen[oa] )?(?:padaria|loja|empresa|restaurante|bar|oficina|livraria|salão|cafeteria|negócio|ateliê|pousada))
field subject  | {i}(?:estudo|estou estudando|curso|faço faculdade de|faço curso de)
field subject  | {i}trabalho{adv} (?:na área|no setor|no ramo|no campo) (?:de|da|do)
field subject  | {i}trabalho{adv} com (?=(?:educação|logística|marketing|vendas|turismo|moda|saúde|energia|tecnologia|engenharia|seguros|finanças)\b)
time_zone zone | (?:o )?meu fuso(?: horário)? é(?: o)?(?: de| do| da)?
allergy thing  | {i}(?:sou|também sou) (?:muito )?alérgic[oa] (?:aos|às|ao|à|a)
allergy thing  | {i}(?:tenho alergia|minha alergia é) (?:aos|às|ao|à|a)
allergy thing  | {i}(?:sou|tenho) (?:intolerante|intolerância) (?:ao|à|a)
allergy whole  | {i}sou (?P<v>celíac[oa])(?=\W|$)
-diet diet     | {i}não sou mais
diet diet      | {i}(?:sou|virei|sigo uma dieta|como){adv}(?: (?:uma?|totalmente|completamente))*
diet whole     | {i}(?P<v>não (?:como|bebo) (?!mais|muito|nada|fora|bem|antes|depois|desde)[\w ]{3,30}?)(?=[,.;!?]|$| então| mas| e )
birthday date  | (?:o )?meu aniversário é(?: no)?(?: dia)?
birthday date  | {i}(?:nasci|faço aniversário|faço \d+ anos) (?:em|no dia|dia)
anniversary date | (?:o )?nosso aniversário de casamento é(?: no)?(?: dia)?
anniversary date | nos casamos (?:em|no dia)
family related | (?:o |a )?(?:meu|minha|noss[oa]) {adj}(?P<r>{rel}) (?:se chama|chama-se|chama)
family related | {i}tenho uma? {adj}(?P<r>{rel})(?: que se chama| chamad[oa]|,)
~family related | (?:meu|minha|noss[oa]) {adj}(?P<r>{rel}),?(?= [A-ZÀ-Þ])
pet petname    | (?:o |a )?(?:meu|minha|noss[oa]) (?P<r>{pet}) (?:se chama|chama-se|chama)
pet petname    | (?:{i}tenho|temos) uma? (?P<r>{pet})(?: que se chama| chamad[oa]|,)
~pet petname   | (?:meu|minha|noss[oa]) (?P<r>{pet}),?(?= [A-ZÀ-Þ])
editor editor  | (?:o )?meu editor(?: de (?:texto|código))? é(?: o)?
editor editor  | {i}(?:uso|utilizo|trabalho com|programo no|escrevo no){adv}
operating_system system | {i}(?:uso|utilizo|trabalho (?:com|no)|estou no|migrei para|mudei para){adv}
operating_system system | (?:o )?meu (?:computador|notebook|pc|sistema operacional|laptop)(?: \w+)? (?:usa|tem|é|roda)(?: um)?
operating_system system | {i}troquei (?:o |a )?[\w .]{2,25}? (?:pelo|pela|por)
programming_language code | {i}(?:programo|desenvolvo|escrevo código|codo){adv} (?:em|com)
programming_language code | {i}(?:uso|utilizo){adv}
tool tool      | {i}(?:uso|utilizo|trabalho com|anoto (?:\w+ )*no|guardo (?:\w+ )*no|faço (?:\w+ )*(?:no|com)){adv}
skill whole    | {i}falo (?P<v>\w+ (?:fluentemente|fluente|muito bem))
skill whole    | {i}falo (?P<v>(?:um pouco de|fluentemente) \w+)
skill whole    | {i}sou (?P<v>(?:iniciante|expert|experiente|avançad[oa]|bilíngue|fluente) em \w+)
hobby hobby    | (?:no|nos) (?:meu|meus) tempos? (?:livre|livres),? (?:eu )?(?:gosto de )?
hobby hobby    | (?:o )?meu (?:hobby|passatempo)(?: favorito)? é(?: o| a)?
dislikes thing | {i}(?:odeio|detesto|não suporto|não gosto(?: nada| muito)? (?:de|do|da|dos|das)|não curto)(?: o| a| os| as)?
likes thing    | {i}(?:gosto (?:muito |bastante )?(?:de|do|da|dos|das)|adoro|amo|curto)(?: muito)?(?: o| a| os| as)?
likes thing    | {i}sou (?:muito )?fã (?:de|do|da|dos|das)
goal goal      | (?P<v>{i}(?:me mudo|tenho|começo|me caso|vou|preciso|quero|corro|apresento|viajo|termino|defendo|abro|faço|vamos|nos casamos|devo)\b.*)
goal goal      | (?P<v>(?:o )?(?:meu|minha) (?:prova|exame|casamento|objetivo|meta|vestibular) .*)
""",
)
