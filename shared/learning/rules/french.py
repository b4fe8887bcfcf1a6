"""The patterns of French."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = r"femme|mari|épouse|époux|conjointe?|compagne|compagnon|copine|copain|petite amie|petit ami|fiancée?|mère|maman|père|papa|fils|fille|frère|sœur|soeur|grand-mère|grand-père|mamie|papi|tante|oncle|cousine?|nièce|neveu|bébé|belle-mère|beau-père"
_PET: Final = r"chien(?:ne)?|chat(?:te)?|lapin(?:e)?|hamster|perroquet|perruche|oiseau|cheval|jument|poney|tortue|poisson|serpent|rat|souris|poule|chèvre|âne|chiot|chaton|furet|cochon d'inde"

FRENCH: Final = Language(
    code="fr",
    cue=r"je|on|j'\w+|mon|ma|mes|moi|m'\w+|notre|nos|me|tutoie\w*|tutoyer|vouvoyez|vouvoyer|appelle-moi",
    leads=r"bonjour|salut|coucou|bonsoir|hello|hey|alors|au fait|d'ailleurs|et|mais|donc|car|parce que|puisque|comme|oui|non|ok|bon|bref|pour info|pour rappel|petite précision|précision|comme je l'ai dit|comme dit|en fait|malheureusement|aussi|merci|svp|stp|s'il te plaît|s'il vous plaît|désolée?|pardon|correction|moi|ps|note|à savoir|sache que|sachez que|rappelle-toi que|note que|vu que|étant donné que|à tous|tout le monde|honnêtement|perso|personnellement|maintenant|actuellement|désormais|ça y est|bonne nouvelle|question|à l'origine|attention",
    joints=r"et|mais|donc|car|parce que|puisque|comme|alors|vu que|étant donné que|tandis que|or",
    blocked=(
        r"si j'\w+|si je|si on|j'aimerais|je voudrais|voudrais|aimerais|serais|étais|était|avais|vivais|habitais|travaillais|quand j'\w+|à l'époque|autrefois|avant|enfant,|dit|disait|a dit|m'a dit|écrit|selon|d'après|raconte|prétend|demande|imagin\w*|suppos\w*|admettons|rêve\w*"
        r"|ah oui|bien sûr|génial|super,|c'est ma passion|mdr|ironie|exemple|par exemple|est-ce que|suis-je|dois-je|devrais|peut-être|probablement|je pense que|je crois que|mot de passe|un jour|pas que"
    ),
    passing=r"aujourd'hui|ce soir|ce matin|cette semaine|ce week-end|ce mois|en ce moment|pour l'instant|pour le moment|temporairement|jusqu'\w+|de passage|en vacances|en déplacement|là",
    stops=r"et|mais|donc|car|parce que|puisque|depuis|ou|où|qui|que|pour|avec (?:mon|ma|mes)|maintenant|actuellement|merci|svp|stp|s'il|mdr|lol|aussi|surtout|vraiment|beaucoup|trop|plus que tout|plus|pas|alors|comment|quel\w*|peux|pouvez|je|j'\w+|dans le|dans la|est-ce|c'est|quand|comme|chez|près|en|sur|par",
    rejected=r"ça|cela|ce|cet|cette|ces|ton|ta|tes|votre|vos|toi|vous|le faire|la façon|l'idée|quand|que|qu'\w+|comment|tout|tous|tout le monde|les gens|être|avoir|attendre|devoir|pas|bien|mieux|trop|rien|personne|ne|si|un peu|beaucoup|lui|elle|me|moi|nous|perdre|payer|me\b",
    subject=r"(?:je|j'|nous|on)(?: vais| dois| veux| voudrais| ai| passe mon)?(?: mon| ma| mes| un| une)?(?= )",
    macros={
        "rel": _RELATION,
        "pet": _PET,
        "adj": r"(?:(?:petite?|grande?|jeune|vieux|vieille|chère?|meilleure?) )*",
        "adv": r"(?: (?:surtout|principalement|toujours|essentiellement|souvent|aussi|actuellement|maintenant|personnellement|beaucoup|vraiment|déjà|encore|plutôt|uniquement|seulement))*",
    },
    table=r"""
name name      | (?:je m'appelle|mon (?:nom|prénom)(?: complet)? est|moi c'est|moi,? c'est)
name name      | (?:appelle|appelez)-moi
name name      | (?:tu peux|vous pouvez) m'appeler
name greeted   | (?:je suis|ici)
pronouns pronouns | mes pronoms sont
form_of_address informal | (?:(?:tu peux|vous pouvez|on peut|tu as le droit de) (?:me |se )?tutoyer|tutoie-moi|tutoyez-moi|on se tutoie|dis-moi tu)(?=\W|$)
form_of_address formal | (?:(?:merci de me |veuillez me |je préfère être |tu peux me |vous pouvez me )vouvoy(?:er|ée?)|je préfère que (?:vous|tu) me vouvo(?:yiez|ies)|vouvoie-moi|vouvoyez-moi)(?=\W|$)
form_of_address title | (?:adresse-toi à moi|adressez-vous à moi) (?:comme|en disant)
-home place    | je n'habite plus (?:à|en|au|aux)
-home place    | j'ai quitté (?=[A-ZÀ-Þ])
home place     | (?:j'habite|je vis|nous habitons|nous vivons|on habite|je réside|je suis basée?|je suis installée?){adv} (?:à|en|au|aux|dans le|dans la|dans les|dans l'|près de|sur)
home place     | (?:j'ai|nous avons|on a) (?:\w+ )?(?:déménagé|emménagé) (?:\w+ \w+ )?(?:à|en|au)
home place     | (?:mon appartement|ma maison|mon appart|mon logement) (?:est|se trouve) (?:à|en|au)
origin place   | je (?:viens|suis originaire|suis native?){adv} (?:de la|de|du|des|d')
origin place   | (?:j'ai grandi|je suis née?) (?:à|en|au|aux)
-workplace org | je ne travaille plus (?:chez|pour|à)
workplace org  | je (?:travaille|bosse){adv} (?:chez|pour|à la|à l'|au|à|dans (?=une? )|comme [\w ]{3,30} (?:chez|à|dans))
workplace staff | je suis (?:une? )?(?P<j>[\w ]{3,40}?) (?:chez|à la|à l') ?(?=[A-ZÀ-Þ])
workplace org  | mon employeur(?: c')?est
role role      | je (?:travaille|bosse){adv} comme
role listed_job | je suis{adv}(?: une?)?
role role      | (?:mon métier|ma profession|mon travail)(?:,? c')? ?est(?: d'être)?
role listed_job | (?:de|par) (?:métier|profession),? je suis
role listed_job | en tant que (?=[\w ]{3,30}, je)
role whole     | je suis (?P<v>(?:à la retraite|retraitée?|au chômage|indépendante?|à mon compte|femme au foyer|homme au foyer))(?=\W|$)
role business  | je (?P<v>(?:tiens|gère|dirige) (?:une?|mon|ma) [\w\- ]{3,30})
field subject  | j'étudie(?: le| la| les| l')?
field subject  | je fais des études (?:de|d'|en)
field subject  | je travaille dans (?:le domaine (?:de |du |de la )?|le secteur (?:de |du |de la )?)?(?:le |la |l'|les )?(?!une? |mon |ma |ce )
time_zone zone | mon fuseau(?: horaire)? (?:est|c'est)(?: celui)?(?: de)?
allergy thing  | je suis{adv}(?: très| fortement)? allergique (?:aux|au|à la|à l'|à)
allergy thing  | j'ai une allergie (?:aux|au|à la|à l'|à)
allergy thing  | je (?:ne supporte pas|suis intolérante? (?:au|à la|à l'|aux|à)|ne tolère pas|ne digère pas) (?:le |la |les |l')?(?=lactose|gluten|lait|fructose|histamine)
-diet diet     | je ne suis plus
diet diet      | je suis{adv}(?: (?:devenue?|strictement|une?))*
diet diet      | je mange{adv}(?: strictement)?
diet noeat     | je ne (?:mange|bois) (?:pas|jamais) (?:de |d'|du |des )
birthday date  | mon anniversaire (?:est|c'est|tombe)(?: le)?
birthday date  | je suis née? le
anniversary date | notre anniversaire de mariage (?:est|c'est)(?: le)?
anniversary date | (?:nous nous sommes|on s'est) mariée?s? le
family related | (?:mon|ma|notre) {adj}(?P<r>{rel}) (?:s'appelle|se nomme|c'est)
family related | j'ai une? {adj}(?P<r>{rel})(?: qui s'appelle| nommée?|,| du nom de)
~family related | (?:mon|ma|notre) {adj}(?P<r>{rel})(?= [A-ZÀ-Þ])
pet petname    | (?:mon|ma|notre) {adj}(?P<r>{pet}) s'appelle
pet petname    | (?:j'ai|on a|nous avons) une? {adj}(?P<r>{pet})(?: qui s'appelle| nommée?|,)
~pet petname   | (?:mon|ma|notre) {adj}(?P<r>{pet})(?= [A-ZÀ-Þ])
editor editor  | mon éditeur (?:de texte |de code )?(?:est|c'est)
editor editor  | (?:j'utilise|je bosse sur|je travaille (?:sous|sur|avec|dans)|je code (?:sous|sur|avec|dans)){adv}
operating_system system | (?:j'utilise|je suis (?:sous|sur|passée? à)|je travaille (?:sous|sur)|je tourne sous){adv}
operating_system system | mon (?:ordinateur|portable|pc|ordi|système)(?: \w+)? (?:tourne (?:sous|sur)|est (?:sous|un)|utilise)
programming_language code | je (?:code|programme|développe|bosse|travaille){adv} en
programming_language code | j'utilise{adv}
tool tool      | (?:j'utilise|je travaille avec|je note tout dans|je gère (?:\w+ )*(?:avec|dans)|je prends mes notes (?:dans|avec|sur)|je fais (?:\w+ )*(?:avec|sur|dans)){adv}
skill whole    | je parle (?P<v>(?:couramment|un peu|très bien|bien)(?: le| l'| la| de)? ?\w+)
skill whole    | je parle (?P<v>\w+ couramment)
skill whole    | je suis (?P<v>(?:débutante?|novice|expert(?:e)?|avancée?|bilingue) en \w+)
hobby hobby    | (?:pendant|dans|à|sur) (?:mon temps libre|mes temps libres|mes loisirs),? (?:je |j')
hobby hobby    | (?:mon (?:hobby|passe-temps|loisir)(?: préféré)?|ma passion) (?:est|c'est)(?: le| la| de| l')?
dislikes thing | (?:je déteste|j'ai horreur (?:du|de la|des|de)|je hais|je ne supporte pas|je n'aime (?:pas|vraiment pas|pas du tout)|j'aime pas)(?: trop| beaucoup| du tout| vraiment)?(?: le| la| les| l')?
likes thing    | (?:j'aime|j'adore|je suis (?:fan|passionnée?|amateur) (?:de|du|d'))(?: beaucoup| bien| vraiment| énormément)*(?: le| la| les| l')?(?! pas)
likes thing    | (?:mon|ma) [\w ]{2,25}? préférée?(?:,? c')? ?est
goal goal      | (?P<v>(?:je|on|nous) (?:passe|déménage|commence|pars|vais|dois|veux|me marie|nous marions|se marie|cours|soutiens|présente|lance|termine|finis|ouvre|déménageons|partons|soutiendrai|passerai|passons)\b.*)
goal goal      | (?P<v>j'(?:ai|emménage|ouvre|organise) .*)
goal goal      | (?P<v>mon (?:examen|mariage|concours|déménagement|objectif) .*)
""",
)
