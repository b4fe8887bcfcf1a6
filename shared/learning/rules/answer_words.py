"""Words by which users ask for the form of answers, in all languages."""

from __future__ import annotations

from typing import Final

# It holds for all answers.
STANDING: Final = (
    r"\b(?:always|never|from now on|from here on|from today|in (?:the )?future|for (?:the )?future|for future \w+|going forward|moving forward|in general|generally|by default|default|as a rule|every time|each time|at all times|any more|anymore|permanently|ever"
    r"|(?:in|for|to|of) (?:all|any|every|each)(?: (?:of )?(?:your|our|the|my))?(?: future)? ?(?:answers?|repl(?:y|ies)|responses?|messages?|conversations?|chats?|questions?|examples?|code)|all (?:your|our) (?:answers|replies|responses|conversations)|your (?:answers|replies|responses)"
    r"|i think in|for me|with me|to me|when(?:ever)? you (?:answer|reply|write|respond|give|explain|show|talk)|my preference|i (?:generally |usually |always |really |much |strongly )*(?:prefer|perfer|preffer|like it (?:when|if)|love it when|hate it when|want (?:all|every))|i'd (?:rather|prefer)"
    r"|immer|niemals|nie|ab jetzt|ab sofort|von jetzt an|von nun an|in zukunft|künftig|zukünftig|grundsätzlich|generell|standardmäßig|ich bevorzuge|mir (?:ist|sind) .{0,30}lieber|deine antworten|alle antworten|allen antworten|jeder antwort|jedes mal|für mich"
    r"|toujours|jamais|à l'avenir|désormais|dorénavant|à partir de maintenant|en général|par défaut|je préfère|tes réponses|vos réponses|toutes (?:les|tes|vos)|chaque fois|à chaque"
    r"|siempre|nunca|de ahora en adelante|a partir de ahora|en adelante|en el futuro|por defecto|por lo general|prefiero|tus respuestas|sus respuestas|todas (?:las|tus)|cada vez|conmigo"
    r"|sempre|mai|d'ora in poi|d'ora in avanti|da ora in poi|in futuro|di solito|preferisco|le tue risposte|tutte le|ogni volta|per default|con me"
    r"|daqui (?:pra|para) frente|de agora em diante|a partir de agora|no futuro|por padrão|prefiro|suas respostas|tuas respostas|todas as|toda vez|comigo"
    r"|altijd|nooit|voortaan|vanaf nu|in het vervolg|in de toekomst|standaard|ik heb liever|liever|je antwoorden|jouw antwoorden|alle antwoorden|elke keer|bij mij"
    r"|zawsze|nigdy|od teraz|na przyszłość|w przyszłości|domyślnie|wolę|preferuję|twoje odpowiedzi|wszystkie odpowiedzi|za każdym razem"
    r"|всегда|никогда|впредь|отныне|с этого момента|в будущем|по умолчанию|предпочитаю|мне больше нравится)\b"
    r"|以后|今后|从现在开始|每次|总是|一直|永远|请始终|一律|所有回答|我喜欢|我更喜欢|我希望你|今後|これから(?:は|も)?|いつも|常に|毎回|次から|次回から|ずっと|हमेशा|आगे से|अब से|دائما|دائمًا|من الآن|مستقبلا"
)
# It holds for all answers where it stands with an object, such as emoji.
WANTED: Final = r"\bi (?:really |generally )?(?:like|love|want|need) (?:my |your )?(?:very )?(?:long|short|brief|concise|detailed|thorough)\b[^.!?]{0,20}(?:answers|replies|responses|explanations)|\bi (?:really )?(?:don't|dont|do not) (?:like|want|need|use) (?:any )?(?:emojis?|bullet|long|miles|fahrenheit)|\bi (?:hate|love|like|dislike|can't stand) (?:\w+ )?(?:emojis?|bullet|short answers|long answers|concise answers)|^\W*(?:please )?(?:no (?:more )?emojis?(?: please| pls)?\W*$|stop (?:using|with|adding) (?:the |these |all the )?emojis?)|\bich (?:mag|hasse|will|möchte) keine (?:emojis?|smileys?|aufzählung)|\bje n'aime pas les (?:émojis?|emojis?)|\bno me gustan los emojis?|\bnon mi piacciono le emoji|\bnão gosto de emojis?|\bik hou niet van emoji|\bnie lubię emoji"
# It holds for this answer, or it is something other than an answer.
ONE_OFF: Final = (
    r"\b(?:this (?:one|time|once|answer|reply|text|summary|table|email|message|letter|recipe|in|to|into|as)|just (?:this|once)|only (?:this|once|here)|for (?:this|that) (?:one|answer|task|text|message|email|question|time|chat)|for now|today"
    r"|diesmal|dieses mal|nur (?:hier|diesmal|heute)|für diese[sn]?|hierfür|cette fois|pour cette|pour ce |cette réponse|esta vez|solo (?:aquí|hoy)|para est[ea] |questa volta|per questo|per questa|desta vez|só desta|para este|deze keer|dit keer|voor deze|tym razem|na ten raz"
    r"|what would|would you|should i|do i|does|could you explain|why do|my (?:boss|teacher|client|editor|professor|mother|wife|husband|landlord|landlady|colleague|sister|brother|company)|he|she|they|wants|said|says|(?<!even )if i|wish|i used to|translat\w*"
    r"|mein (?:chef|lehrer|kunde)|meine (?:chefin|lehrerin|kundin)|mon (?:chef|patron|prof)|mi (?:jefe|jefa)|il mio capo|meu chefe|mijn baas|mój szef)\b|这次|这一次|今回|一次"
)
NEGATED: Final = (
    r"\b(?:no|not|never|don't|dont|do not|without|stop|skip|avoid|drop|leave out|lose|hate|dislike|can't stand|less|fewer|rather than|instead of|over|kein\w*|nie|niemals|ohne|nicht|lass|weglassen|verzichte\w*|pas de|pas d'|sans|jamais|évite[rz]?|arrête[rz]?|sin|nunca|no uses|evita|deja de|senza|mai|niente|basta|non usare|evita"
    r"|sem|nunca|não use|evite|pare de|geen|nooit|zonder|niet|bez|nigdy|nie używaj|без|никогда|не)\b|不要|别|不用|無し|なし|使わない"
)
UNITS: Final = {
    "metric": r"\b(?:metric(?: (?:units|system))?|celsius|centigrade|kilom[eè]t(?:er|re)s?|kms?|kilos?|kilograms?|metrisch\w*|celsjusz\w*|metrische (?:einheiten|maße)|système métrique|unités métriques|métrique|métric[oa]s?|sistema métrico|metric[oa]|metriche|sistema metrico|metryczn\w*|kilómetros|chilometri|quilômetros|gramos|grammi|метрическ\w*|цельси\w*)\b|公制|摄氏|公里|公斤|メートル法|摂氏|キロ",
    "imperial": r"\b(?:imperial(?: units)?|fahrenheit|miles|feet and inches|pounds and ounces|ounces|us customary|imperial\w*|impériales?|imperiales|imperiali|meilen|millas|miglia|milhas|mijlen)\b|英制|华氏|华氏度|ヤード・ポンド|華氏",
}
_ANSWERS: Final = (
    r"(?:answers?|repl(?:y|ies)|responses?|explanations?|messages?|it|things|them|everything|that|summaries)"
)
SHORT: Final = (
    rf"\b(?:(?:short|shorter|brief|concise|terse|succinct|compact|one[- ]line|snappy|pithy|short and \w+)(?:,? (?:and )?\w+)? {_ANSWERS}|(?:keep|make|want|like|prefer) (?:your |all |all your |the |my )?{_ANSWERS}(?: to be)? (?:very |really |as )?(?:short|shorter|brief|concise|terse|succinct|to the point)"
    r"|(?:be|answer|reply|respond|write|keep it)(?: me)? (?:\w+ )?(?:brief|briefly|concise|concisely|short|terse|tersely|succinct|succinctly|to the point)|get to the point|(?:two|three|one|2|3|1) sentences? (?:max\w*|at most|is enough)|brevity|(?:fass|halt)\w* (?:dich|sie sich) .{0,15}\bkurz|kurz(?:e|en)? (?:antwort\w*|und knapp)|kürzere antworten|antwort\w* .{0,20}\b(?:kurz|knapp)\b|knapp(?:e|en)? antworten"
    r"|réponses? (?:\w+ )?(?:courtes?|brèves?|concises?)|répond\w* (?:\w+ )?(?:brièvement|court)|sois (?:bref|brève|concis\w*)|respuestas? (?:\w+ )?(?:cortas?|breves?|concisas?)|sé breve|respond\w* (?:\w+ )?(?:breve|corto|brevemente)|risposte (?:\w+ )?(?:brevi|corte|concise)|rispondi\w* (?:\w+ )?(?:in breve|brevemente)|sii breve|sii concis\w"
    r"|respostas? (?:\w+ )?(?:curtas?|breves?|concisas?)|seja breve|responda (?:\w+ )?(?:de forma curta|brevemente)|kort(?:e|ere)? antwoorden|antwoord\w* .{0,15}\bkort\b|hou het kort|(?:krótkie|zwięzłe) odpowiedzi|odpowiadaj (?:\w+ )?(?:krótko|zwięźle)|(?:коротк\w+|кратк\w+) ответ\w*|отвечай (?:\w+ )?(?:коротко|кратко))\b"
    r"|(?:回答|回复).{0,6}(?:简短|简洁|短一?点|精简|简明)|(?:简短|简洁|简明)(?:的|地)?(?:回答|回复)|(?:短く|簡潔に|手短に)|(?:回答|答え)は短"
)
LONG: Final = (
    rf"\b(?:(?:long|longer|detailed|in-depth|thorough|elaborate|comprehensive|more detailed|extensive)(?:,? (?:and )?\w+)? {_ANSWERS}|(?:keep|make|want|like|prefer) (?:your |all |all your |the )?{_ANSWERS}(?: to be)? (?:very |really )?(?:long|longer|detailed|thorough)|(?:answer|explain|reply|respond|explain \w+) (?:\w+ )?in (?:full |more |great )?(?:detail|depth)"
    r"|(?:ausführliche|lange|detaillierte)\w* (?:antwort|erklärung)\w*|antwort\w* .{0,20}\b(?:ausführlich|detailliert)|réponses? (?:\w+ )?(?:longues?|détaillées?|complètes)|respuestas? (?:\w+ )?(?:largas?|detalladas?|extensas?)|risposte (?:\w+ )?(?:lunghe|dettagliate)|respostas? (?:\w+ )?(?:longas?|detalhadas?)|(?:lange|uitgebreide|uitvoerige) antwoorden|(?:długie|szczegółowe|wyczerpujące) odpowiedzi|подробн\w+ ответ\w*|отвечай (?:\w+ )?подробно)\b"
    r"|(?:详细|详尽)(?:的|地)?(?:回答|回复|说明|解释)|(?:回答|回复).{0,6}(?:详细|详尽)|(?:詳しく|詳細に|長めに)"
)
BULLETS: Final = (
    r"\b(?:bullet(?:ed)?(?: ?-?points?| lists?)?s?|bulletpoints?|(?:stichpunkt|stichwort|aufzählung|spiegelstrich)\w*|listes? à puces|puces|tirets|viñetas|listas? con viñetas|elenchi puntati|elenco puntato|punti elenco|(?:tópicos|marcadores)|opsommingstekens|opsommingen|puntsgewijs|bulletpoints|(?:wypunktowan|punktor)\w*|(?:w )?punktach|маркированн\w+ спис\w+|списк\w+ с маркерами)\b"
    r"|项目符号|要点列表|分点|列点|箇条書き"
)
EMOJI: Final = r"\b(?:emojis?|emoticons?|smileys?|émojis?|émoticônes|emotikon\w*|emoticonos|emoticon|faccine|smajlik\w*|эмодзи|смайл\w*)\b|表情符号|表情包|表情|絵文字|顔文字"
FORMAL: Final = r"(?<!in)(?<!in )\b(?:formal(?: (?:tone|style|language|register|answers?|way))?|formally|formell\w*|förmlich\w*|formel(?:le)?s?|soutenu|formale|formeel|formele|formaln\w*|официальн\w*)\b|正式|敬語|丁寧"
INFORMAL: Final = r"\b(?:informal(?:ly)?|casual(?:ly)?|relaxed tone|informell\w*|locker\w*|umgangssprachlich|décontracté\w*|familier|informales?|coloquial\w*|informale|colloquiale|informeel|nieformaln\w*|swobodn\w*|неформальн\w*)\b|随意|口语化|タメ口|くだけた|カジュアル"
