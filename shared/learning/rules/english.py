"""The patterns of English."""

from __future__ import annotations

from typing import Final

from shared.learning.rules.language import Language

_RELATION: Final = (
    r"wife|husband|spouse|partner|girlfriend|boyfriend|fianc[eé]e?|mom|mum|mother|dad|father|son|daughter|brother|sister|twin(?: brother| sister)?|baby|kid|child"
    r"|grandmother|grandma|grandfather|grandpa|granddaughter|grandson|aunt|uncle|cousin|niece|nephew|stepson|stepdaughter|stepmother|stepfather|stepmom|stepdad"
    r"|mother-in-law|father-in-law|brother-in-law|sister-in-law|half-brother|half-sister|eldest|youngest|middle child|firstborn"
)
_PET: Final = (
    r"dog|cat|puppy|kitten|rabbit|bunny|hamster|guinea pig|parrot|budgie|bird|horse|pony|turtle|tortoise|fish|goldfish|snake|lizard|gecko|ferret|rat|mouse|hen|chicken|goat"
    r"|donkey|sheep|cockatiel|canary|axolotl|iguana|tarantula|hedgehog|chinchilla|terrier|poodle|labrador|retriever|beagle|corgi|dachshund|greyhound|whippet|collie|husky|spaniel|pug"
)

ENGLISH: Final = Language(
    code="en",
    cue=r"i|i'm|im|i've|ive|my|me|we|our|we're|i'd|myself|i'll|been living|address me|call me|mine|examples|snippets|code|here|speaking|times|living|based|working|fan of|moved|been|planning|newbie|born in|the name's",
    leads=(
        r"hi|hello|hey|hiya|yo|good (?:morning|evening|afternoon)|dear all|there|all|everyone|folks|team|btw|by the way|fyi|for your information|just so you know|so you know|just|for (?:the record|context|reference|info)"
        r"|quick (?:note|question|update|heads up|context)|note|ps|p\.s|oh|ah|argh|ok|okay|alright|right|well|so|and|but|also|actually|anyway|however|honestly|personally|look|listen"
        r"|as (?:i|you) (?:said|mentioned|know)(?: before| already)?|like i said|as (?:a|an) (?:reminder|fyi)|reminder|remember(?: that)?|please (?:remember|note)(?: that)?|note that|keep in mind(?: that)?|please"
        r"|because|since|as|cause|cuz|bc|given(?: that)?|considering(?: that)?|now|nowadays|these days|currently|right now|at the moment|today|no|nope|yes|yeah|yep|sorry|thanks|thank you|thx|cheers"
        r"|a bit about me|about me|update|big news|good news|news|small update|hey since the move|to be clear|in fact|still|then|first|second|finally|more importantly|importantly|fun fact|full disclosure|confession|heads up"
        r"|tbh|ngl|for what it's worth|fwiw|unfortunately|luckily|fortunately|sadly|again|let me introduce myself|nice to meet you|context|background|info|while|although|though|that|i mean|you see|basically|originally|and yes|lol|haha|correction|for instance|my bad|oops|hmm"
    ),
    joints=r"and|but|so|because|since|as|cause|cuz|bc|while|although|though|given that|considering|plus|however|then|btw|by the way|that's because|whereas|where",
    blocked=(
        r"(?:she|he|they|you|it|mum|mom|dad|boss|friend|colleague|who|someone|somebody|everyone|people|landlady|landlord|neighbou?r|client|doctor|teacher|wife|husband|sister|brother|son|daughter|poster|article|page|forum|post|sign|text|letter|e-?mail)"
        r" (?:\w+ )?(?<!as i )(?<!like i )(?:said|says|say|saying|told|claims?|claimed|thinks?|thought|wrote|writes|texted|goes|went|asked|asks|insists?|joked|reckons|assumes?|believes?)"
        r"|(?:said|says|told|claims|claimed|wrote|writes|quote[sd]?|quoting|according to|rumou?r|supposedly|allegedly|words|reads|is like|was like|he goes|she goes|they go)"
        r"|as (?:my )?\w+ (?:puts|would put|likes to put|would say) it|wish|wishes|if only|what if|would be|would i|should i|do i|am i|did i|could i|can i say|were i|in case i|unless i|as if|as though|whether|hypothetical\w*|suppose|supposing|imagine|pretend|dreamed|dreamt|dream that|scenario"
        r"|if i(?:'m| am| was| were| had| have| lived| worked|'d)|(?:when|back when|while|until) i was|as a (?:kid|child|teen|teenager|student|boy|girl)|used to|in another life|once upon a time|years ago i|back then|back in the day|formerly"
        r"|yeah right|oh great|oh joy|oh sure|oh wonderful|oh yes|sure,|yay,|obviously|of course i|as everyone knows|great, another|just love|just adore|so much fun|nothing says|nothing like|because who doesn't|said no one|said nobody"
        r"|not that i|it's not that|isn't that|not because|never said|didn't say|did not say|mistaken|confus\w+ me with|example|e\.g|for example|i\.e|\w+ meme|joke|kidding|just kidding|jk|sarcasm|/s"
        r"|on behalf of|asking for a friend|for a friend|translated|password|passcode|my pin|my card|i might be|might|maybe i|perhaps i|i could be|probably|i think i|not sure (?:if|whether)|i guess|i suppose"
    ),
    passing=r"at (?:my|a|the) (?:friend|roommate|parent|mum|mom|dad|neighbou?r|aunt|uncle|boss|colleague)\w*'?s?|today|tonight|this (?:week|weekend|morning|afternoon|evening|month|time)|for (?:now|a (?:few|bit|while|week|day|couple|moment|minute|month)|an hour|the (?:day|week|weekend|moment|night|time being)|the next)|temporarily|visiting|on (?:vacation|holiday|a trip|a business trip)|until|till|just landed|layover|stuck|waiting",
    stops=(
        r"and|but|so|because|since|as|while|where|which|who|whom|that|for|if|when|whenever|now|nowadays|right now|these days|at the moment|btw|by the way|though|although|too|also|as well|please|pls|plz|thanks|thank you|thx|lol|haha|cheers"
        r"|anymore|any more|instead|originally|currently|actually|here|not|or|until|till|cause|cuz|bc|myself|already|still|again|anyway|then|right|today|after|before|than|over|unless|even|especially|apart|except|just|only|is|are|was|were|has|have|had|will|would|can|could|should"
        r"|every|everyone|with me|for me|to me|i|i'm|im|my|we|you|what|how|why|can you|could you|let me|a lot|very much|so much|most|the most|much|really|mostly|mainly|more|back|tbh|ngl|fyi|yes"
    ),
    rejected=(
        r"this|that|these|those|it|you|your|yours|him|her|his|hers|them|their|theirs|me|us|our|its|how|what|when|where|who|why|which|if|whether|to|being|getting|having|waiting|seeing|hearing|knowing|everyone|everybody|everything|anything|anyone|nothing|nobody|people|life|myself|both|all|some|any|one|ones"
        r"|here|there|mondays?|the (?:idea|way|fact|sound|look|first|second|third|last|other|one|ones|new|same|previous|above|part|version|draft|suggestion|answer|option|tone|result|title|opening|ending|plan|concept)|an? (?:lot|bit|challenge|good|nice)|no one|so|very|not|too|more|less|most|of|and|or|but|just|only|nor|neither|either"
    ),
    subject=(
        r"(?:i|we)(?:'m|m|'re| am| are)(?: finally| probably| also| going to| planning to| planning on)*|(?:i|we)(?:'ve got| have got| have| got)(?: to)?(?: my| a| an| our)?"
        r"|(?:i|we)(?:'ll| will| plan to| want to| need to| have to| hope to| aim to| intend to| must| gotta)(?: have)?|my (?:goal|aim|plan|target|dream|resolution)(?: for \w+)? is(?: to)?|(?:i|we)|my|our|planning to"
    ),
    macros={
        "be": r"i(?:'m| am|m)",
        "now": r"(?:currently |now |still |actually |just |really |also |always |only )*",
        "have": r"(?:i have|i(?:'ve| have) got|we have|we(?:'ve| have) got|i've)",
        "rel": _RELATION,
        "pet": _PET,
        "adj": r"(?:(?:little|big|older|younger|elder|oldest|youngest|eldest|late|dear|beloved|new|old|baby|twin|\w+ year old|\d+ ?yo|black|white|brown|ginger|grey|gray|tabby|rescue|\w+-year-old) )*",
        "called": r"(?:(?:is |'s )?(?:called|named)|(?:'s| is)|name is|name's|goes by)",
        "place_noun": r"(?:home|house|flat|apartment|place|family home|hometown|studio|condo)",
        "work_tail": r"(?:full[- ]time |part[- ]time |remotely |mostly |nights |primarily )?",
    },
    table=r"""
name name      | my (?:full |first |real |actual |legal |given |preferred )?name(?:'s| is)(?: actually| really)?
name name      | (?:you can |you may |please |just |pls |everyone can |feel free to )*call me
name name      | {be} (?:called|named|known as)
name name      | (?:i go by|i'm called|i am called|people call me|everyone calls me|(?:my )?friends call me)(?: the name)?
name greeted   | {be}
name name      | (?:hey,? )?the name(?:'s| is)
name name      | (?:this is|it's|it is) (?P<v>[A-Z]\w+)(?= (?:here|speaking))
pronouns pronouns | {be}(?= (?:she|he|they|xe|ze)/)
pronouns pronouns | my pronouns(?: are|:|'re| =)
pronouns pronouns | (?:i use|i go by|i prefer|please use|use|refer to me (?:as|with|by|using)|(?:the )?pronouns)(?= \w+/\w+)
form_of_address title | (?:(?:when you write to me|please|always) )*(?:call me|address me as|address me|refer to me as)
-home place    | i (?:don't|dont|do not) live in (?=.{1,40}(?:any ?more|any longer))
-home place    | i no longer live in
-home place    | i(?:'ve| have)? (?:just )?moved (?:away from|out of)
home place     | (?:i|we)(?: do)? {now}(?:live|reside|dwell) (?:here )?in
home place     | (?:{be}|we're|we are|i was|i've been|ive been|i have been|have been|been|we've been) {now}(?:living|based|residing|settled) (?:here )?in
home place     | (?:{be}|we're) {now}(?:based|living) (?:out of|near)
home since     | (?:i|we)(?:'ve| have|ve) {now}lived in
home place     | (?:my|our) {place_noun}(?:'s| is) (?:now )?(?:in|near)
home place     | (?:my|our) home(?:town|city| city| town)? is
home place     | home is
home place     | ^(?:(?:currently |now )?(?:living|based)|been living|been based) in
home since     | ^been in
home place     | ^just (?:moved|relocated) (?:from [A-Z]\w+ )?to
home place     | as someone (?:who lives|living|based) in
home place     | ^born in [A-Z]\w+, (?:living|based) in
home place     | (?:i|we)(?:'ve| have)? (?:just |recently |finally )*(?:moved|relocated) (?:from [A-Z]\w+ )?(?:back )?(?:house )?to
origin place   | {be} (?:originally |actually )*from
origin place   | (?:i )?(?:originally )?(?:come|hail) from
origin place   | i (?:grew up|was raised|was born and raised|was born|spent my childhood) in
origin place   | originally from
origin place   | ^born (?:and raised )?in
origin place   | {be} a native of
-workplace org | i (?:no longer work|stopped working) (?:at|for)
-workplace org  | i (?:don't|dont|do not) work (?:at|for) (?=.{1,40}(?:any ?more|any longer))
-workplace org | i(?:'ve| have)? (?:just )?(?:left|quit) my job at
workplace org  | i {now}work {work_tail}(?:at|for) (?=[A-Z]|a |an |the |one )
workplace org  | i {now}work {work_tail}(?:at|for)
workplace org  | i {now}work in (?=an? |the )
workplace org  | i work on the [\w ]{1,30} (?:of|at)(?= the | [A-Z])
workplace org  | i {now}work as an? [\w\- ]{3,40}? (?:at|for)
workplace org  | (?:{be}|i've been) {now}(?:employed|working) {work_tail}(?:by|at|for|with)
workplace org  | i {now}teach (?!my|our|you|them|him|her|myself)[\w ]{3,30}? at (?=[A-Z])
workplace org  | my (?:employer|company|workplace)(?:'s| is)(?: called)?
workplace org  | i (?:just )?(?:started|joined) (?:working )?(?:at|for) (?=[A-Z])
workplace org  | i(?:'ve)? (?:just |recently )?joined (?=[A-Z])
workplace org  | i (?:switched|changed|got a new) jobs?,? (?:and )?(?:{be}|i work) (?:now )?(?:at|with|for)
workplace staff | {be} an? (?P<j>[\w\- ]{3,40}?) (?:at|for) (?=[A-Z])
workplace staff | {be} (?:the )?(?P<j>(?:\w+ ){1,4})(?:at|for) (?=[A-Z])
-role role     | {be} no longer (?:an?|the)
role job       | {be} {now}(?:an?|the|one of the|your)
role job       | i(?:'ve| have) been an? (?=.{3,40} (?:for|since))
role job       | being an? (?P<v>[\w\- ]{3,40}?) myself
role job       | as an? (?P<v>[\w\- ]{3,40}?)(?: myself)?,? i\b(?! (?:was|were|would|had|once|never|hated|loved|used|always wanted|wanted|dreamed|could|did|lived|thought))
role role      | i {now}work {work_tail}as (?:an? |the )?
role role      | (?:{be}|i've been) {now}(?:working|employed|training) as (?:an? |the )?
role role      | i(?:'ve| have)? (?:just |recently )?(?:got|been|was) promoted to
role role      | i(?:'ve| have)? (?:just |recently )?(?:started|began) (?:working |out |training )?as an?
role role      | i(?:'ve| have)? (?:just |recently )?(?:became|become) (?:an? |the )
role role      | i {now}work (?:at|for|with) [\w &.'-]{2,30}? as (?:an? |the )
role role      | my (?:job|profession|occupation|position|job title|title|role)(?: at [\w &]{1,30}| there)?(?:'s| is) (?:that of )?(?:an? |the )?
role job       | {be} (?:studying|training|learning) to (?:be|become)(?: an?)?
role role      | ^working as an?
role role      | i(?:'ve| have)? (?:just |recently |finally )?(?:got|landed|started|found) an? (?:new )?job as an?
role whole     | i (?P<v>teach (?!my|our|you|them|him|her|myself)[\w ]{3,30}?)(?= (?:at|to|in)\b|[,.;!?]|$)
role role      | by (?:profession|trade),? {be} (?:an? |the )?
role job       | {be} an? (?P<v>[\w\- ]{3,40}?) by (?:profession|trade|training)
role business  | i (?P<v>(?:run|own|manage|co-own) (?:an?|my own|our own|the) [\w\- ]{3,40})
role whole     | {be} (?P<v>self[- ]employed|retired(?! from the)|unemployed|freelancing|a stay[- ]at[- ]home (?:mom|mum|dad|parent|father|mother)|(?:doing|finishing|writing) (?:my|a) (?:phd|doctorate)(?! in))
role whole     | i(?:'m| am)? (?P<v>(?:freelance|freelancing) as an? [\w\- ]{3,40})
field subject  | i {now}(?:study|major in|specialise in|specialize in)
field subject  | {be} {now}(?:studying|majoring in|specialising in|specializing in|doing a (?:phd|degree|master'?s?) in|doing my (?:phd|degree|master'?s?) in)
field subject  | i {now}work in (?:the )?(?:field of |area of )?(?!an? |the |my )
field subject  | i(?:'m| am) in (?:the )?(?P<v>[\w\- ]{3,30}) (?:business|industry|sector|field|trade)
field subject  | my (?:field|major|subject|degree|specialty|speciality)(?:'s| is)(?: in)?
time_zone zone | (?:my|our) (?:local )?time ?zone(?:'s| is)
time_zone zone | {be} (?:in|on) (?:the )?(?=\S+ (?:time|timezone|time zone)|utc|gmt|cet|cest|est|pst|pt\b|et\b|ist)
time_zone zone | (?:please )?(?:always )?(?:use|show (?:me )?(?:all )?times in|give (?:me )?(?:all )?times in|all times in|times in|schedule everything in) (?:the )?(?=\w+ time\b|utc|gmt|cet|cest|est\b|pst|ist|eastern|pacific|central|\w+ time ?zone|time ?zone)
allergy thing  | {be} (?:severely |very |highly |badly |also |mildly |deathly )*al+ergic (?:to|against)
allergy thing  | my allerg(?:y|ies)(?:'s| is| are) (?:to )?
allergy thing  | i have an? (?:severe |bad |mild |strong |serious |life-threatening )*(?:allergy|intolerance) to
allergy thing  | i have an? (?:severe |bad |mild |strong |serious |life-threatening )*(?P<v>(?!food|skin|some|this|that)\w+(?: \w+)?) (?:allergy|intolerance)
allergy thing  | {be} (?P<v>lactose|gluten|histamine|fructose)[- ]intolerant
allergy thing  | {be} (?:intolerant to|intolerant of)
allergy thing  | i (?:can't|cannot|cant|can not|don't|dont) (?:tolerate|digest|have any)
allergy fixed  | (?:i have|i've got|i was diagnosed with) (?P<v>c(?:o)?eliac(?: disease)?)
allergy fixed  | {be} (?:a )?(?P<v>c(?:o)?eliac)
-diet diet     | {be} not (?:an? )?(?=.{3,20}any ?more)
-diet diet     | {be} no longer (?:an? )?
-diet diet     | i (?:stopped|quit) being (?:an? )?
diet diet      | {be} (?:(?:a|an|fully|strictly|strict|mostly|now|completely|currently|actually|also|almost|100%|entirely|practically|lifelong|committed) )*
diet diet      | i(?:'ve| have) (?:been|gone|become|turned) (?:(?:a|an|fully|strictly|strict|mostly|completely) )*
diet diet      | i (?:went|became|turned) (?:(?:a|an|fully|strictly|strict|mostly|completely) )*
diet diet      | i (?:only )?(?:eat|follow|keep|cook) (?:(?:a|an|only|strictly|strict|mostly) )*
diet diet      | {be} on (?:a|an|the) (?:(?:strict|strictly) )*
diet noeat     | (?:i|we) (?:gave up|have given up|quit) (?=meat|dairy|gluten|sugar|alcohol|fish|pork|beef|eggs|carbs|wheat)
diet noeat     | (?:i|we) (?:(?:can't|cannot|cant|can not) have|(?:don't|dont|do not) do) (?:any )?(?=(?:gluten|dairy|lactose|wheat|alcohol|caffeine|sugar|pork|meat|milk)\b)
diet noeat     | (?:i|we) (?:don't|dont|do not|never|can't|cannot) (?:eat|touch|drink)(?: any)?
birthday date  | my (?:birthday|bday|b-day|date of birth|birth ?date|dob)(?:'s| is|:)?(?: on| the)*
birthday date  | (?:it's )?my (?:birthday|bday) on(?: the)?
birthday date  | i was born(?: on| the)*(?= \d| \w+ \d)(?! in)
birthday date  | i turn \d{1,2}(?: years old)? on(?: the)?
anniversary date | (?:my|our) (?:wedding |\w+ )?anniversary(?:'s| is)(?: on| the)*
anniversary date | we celebrate our (?:wedding )?anniversary on(?: the)?
anniversary date | (?:i|we) (?:got married|married|tied the knot)(?: on| the)+
family related | (?:my|our) {adj}(?P<r>{rel})(?:'s| is| has the)? (?:name is |name's |named |called |name: )(?!(?:away|in|up|out|on|off|to|back)\b)
family related | (?:my|our) {adj}(?P<r>{rel})'s name is
family related | my {adj}(?P<r>{rel}) (?:is called|is named|goes by)(?! (?:away|in|up|out|on|off|to|back))
~family related | (?:my|our) {adj}(?P<r>{rel}),?
~family related | i(?:'m| am)? (?:married to|engaged to|dating)(?P<r>)
family related | {have} an? {adj}(?P<r>{rel}),?(?: who is| who's)?(?: called| named| by the name of)?
pet petname    | (?:my|our) {adj}(?P<r>{pet})(?:'s| is)? (?:name is |name's |named |called |name: )
pet petname    | (?:my|our) {adj}(?P<r>{pet})'s name is
pet petname    | (?:my|our) {adj}(?P<r>{pet}) (?:is called|is named|answers to|goes by)
~pet petname   | (?:my|our) {adj}(?P<r>{pet}),?
pet petname    | {have} an? {adj}(?P<r>{pet}),?(?: who is| that is)?(?: called| named| by the name of)?
pet petname    | (?:i|we) (?:just |recently )*(?:adopted|got|have) an? {adj}(?P<r>{pet}),?(?: (?:she's|he's|it's|her name is|his name is))?(?: called| named)?
editor editor  | my (?:text |code |main |default |favou?rite )*(?:editor|ide)(?: of choice)?(?:'s| is)
editor editor  | i {now}(?:use|code in|write in|work in|work with|edit in|edit with|program in|live in|run)
editor editor  | i (?:do (?:everything|all my coding|all my editing)|write (?:all my |my |everything )?(?:code|everything)?) (?:in|with)
editor editor  | ^been using
editor editor  | {be} an? (?P<v>[\w+ ]{2,20}?) (?:user|person)
editor editor  | (?P<v>[\w+ ]{2,20}?) is my (?:main |go-to |default |favou?rite )?(?:editor|ide)
editor editor  | {be} {now}(?:using|coding in|working in|on)
editor editor  | i(?:'ve| have)? (?:just |recently )?(?:switched|moved|migrated) (?:from \w+(?: \w+)? )?(?:over )?to
operating_system system | (?:my|our|this|the) (?:\w+ )?(?:laptop|computer|machine|pc|desktop|workstation|box|os|operating system)(?:'s| is)?(?: currently| still| now)? ?(?:runs?|uses|is running|is on|running|on|a|an)?
operating_system system | i {now}(?:use|run|work on|work with|code on|am on)
operating_system system | ^on (?=[\w ]{3,20} here)
operating_system system | {be} an? (?P<v>[\w+ ]{2,20}?) user
operating_system system | {be} {now}(?:on|using|running|a)
operating_system system | i(?:'ve| have)? (?:just |recently )?(?:switched|moved|migrated|upgraded) (?:from [\w.]+(?: [\w.]+)? )?(?:over )?to
programming_language code | i {now}(?:mostly |mainly |usually |primarily |only |generally )*(?:code|program|develop|write everything|do everything|write all my \w+|write (?:\w+ )?code|write|work|script)(?: mostly| mainly| primarily| only)*(?: in| with)?
programming_language code | i {now}(?:mostly |mainly |usually |primarily |only |generally )*use
programming_language code | (?:my|our) (?:main |primary |favou?rite |preferred |go-to )?(?:(?:programming |coding )?language|code ?base|stack|back ?end|project)(?: of choice)?(?:'s| is)(?: (?:written |all )?in)?
programming_language code | (?:please )?(?:always )?(?:use|prefer|give (?:me )?|write|show(?: me)?) (?=\S+ (?:in|for) (?:all |your |the |any |code )*(?:examples|code|snippets|samples))
programming_language code | (?:please )?(?:always )?(?:give me|give|write|show me|show|keep|put) (?:all |your |the |any |me )*(?:code |coding )?(?:examples|code|snippets|samples)(?: for me)? in
programming_language code | i (?:prefer|want|like)(?: all| my| your)? (?:code|(?:code )?examples|snippets)(?: to be)? in
programming_language code | {be} an? (?P<v>[\w+#.]+) (?:developer|dev|programmer|engineer|coder)
tool tool      | i {now}(?:keep|store|track|manage|write|plan|take|organi[sz]e|do|edit|make|draw|design|log|save|build|record)(?: all)?(?: of)?(?: my| our| the)? ?[\w ]{0,25}? (?:in|with|using|on)
tool tool      | {be} an? (?P<v>[\w+ ]{2,20}?) user
tool tool      | (?:i|we) {now}(?:mostly |mainly |usually |always )*(?:use|work with|rely on|work in)
tool tool      | (?:{be}|i've been) {now}(?:using|working with)
tool tool      | (?:my|our) (?:\w+ ){1,2}(?:runs on|lives in|live in|are in|are all in)
skill skill    | i speak
skill skill    | {be} {now}(?=(?:an? )?(?:\w+ )?(?:fluent|beginner|expert|novice|advanced|intermediate|proficient|native|total beginner|complete beginner|new to|bilingual))
skill whole    | my (?P<v>[A-Z]\w+ is (?:very |still |pretty )?(?:intermediate|fluent|basic|rusty|terrible|native|advanced|good|poor|bad))
skill skill    | ^(?=(?:total |complete |absolute )(?:newbie|beginner|novice))
skill native   | my (?:native language|mother tongue|first language)(?:'s| is)
skill known    | i(?:'ve| have) been (?:doing|writing|using|coding in|programming in|programming|playing|working with) (?P<v>[\w+#. ]{1,30}?) (?:for (?:over |about |more than |nearly )?(?:\w+|\d+)\+? (?:years|decades)|since \d{4})(?:,? (?:so |and )?(?P<l>treat me as an? (?:expert|beginner|pro|advanced \w+))(?: in it)?)?
hobby hobby    | (?:in my (?:free|spare) time,?|on (?:the )?(?:weekends?|sundays?|saturdays?),?|after work,?|most weekends,?|for fun,?) i (?:like to |love to |usually |mostly |often |also |enjoy |do )?
hobby hobby    | i (?P<v>[a-z][\w\-' ]{2,40}?) (?:in my (?:free|spare) time|as a hobby|for fun|on (?:the )?weekends|at (?:the )?weekends?|most weekends|every weekend)
hobby hobby    | my (?:main |biggest |favou?rite |new |only )?(?:hobby|hobbies|pastime)(?:'s| is| are)
hobby hobby    | (?P<v>(?!this|that|it|which|what|one|here|not)[a-z][\w\-' ]{3,30}?) is (?:actually )?my (?:main |biggest |favou?rite |new |only )?(?:hobby|pastime)(?! horse)
hobby hobby    | i spend (?:my|most) (?:weekends|free time|spare time|evenings|sundays|saturdays)(?: by)?
hobby hobby    | i (?P<v>play (?:the )?(?:piano|guitar|violin|cello|drums|bass|flute|saxophone|trumpet|clarinet|accordion|ukulele|harp|oboe|viola|banjo|chess|tennis|football|soccer|basketball|badminton|volleyball|golf|hockey|rugby|cricket|squash|padel|go|bridge|d&d))
-likes thing   | i no longer (?:like|love|enjoy)
-likes thing   | i (?:don't|dont|do not) (?:like|love|enjoy) (?=.{2,40}any ?more)
dislikes thing | i (?:really |absolutely |truly |strongly |just |also |generally |seriously )*(?:hate|dislike|detest|loathe|despise|can't stand|cant stand|cannot stand|can not stand|can't bear|cannot bear|can't abide)
dislikes thing | i (?:really |just )*(?:don't|dont|do not) (?:really |particularly |much )?(?:like|enjoy|care for)
dislikes thing | ^not (?:a|much of a) (?:big )?fan of
dislikes thing | {be} not (?:really )?(?:into|keen on|fond of)
dislikes thing | {be} not (?:a|much of a) (?:big |huge )?fan of
dislikes thing | (?P<v>[\w][\w\-' ]{2,40}) (?:isn't|aren't|is not|are not) (?:really )?(?:my thing|for me|my cup of tea)
likes thing    | i (?:really |absolutely |truly |also |generally |totally |honestly |quite |especially |particularly )*(?:love|like|enjoy|adore)
likes thing    | ^(?:big|huge|massive) fan of
likes thing    | nothing beats (?P<v>[\w ]{2,25}) for me
likes thing    | i(?:'ve| have|ve) always (?:loved|liked|enjoyed|adored)
dislikes thing | i(?:'ve| have|ve) always (?:hated|disliked)
likes thing    | {be} (?:really |also |absolutely |a bit |totally )*(?:a (?:real |total )?sucker for|a (?:big |huge |massive |great |real )?fan of|into|fond of|keen on|crazy about|obsessed with|mad about|passionate about)
likes thing    | (?P<v>(?!what|which|who|this|that|it|here|one|my|the one)[\w][\w\-' ]{2,40}?) (?:is|are) (?:(?:one|some) of )?my (?:absolute |all-time |all time )?favou?rites?(?! (?:part|is|thing about))
likes thing    | my (?:absolute |all-time )?fav(?:e|ou?rite)? (?!part|thing about|answer|option|one|version|of)[\w ]{2,25}? (?:is|are)(?! (?:what|how|when|the one))
goal goal      | (?P<v>{be} (?:finally |probably |also )?(?!(?:in|on|at|a|an|the|not|going to be|trying|looking|wondering|thinking|from|working on)\b)\w+ing\b.*)
goal goal      | (?P<v>(?:we're|we are) (?:finally )?\w+ing\b.*)
goal goal      | (?P<v>(?:i|we)(?:'ll| will| plan to| want to| need to| have to| hope to| aim to| intend to|'m going to| am going to|'m planning to| must| have got to|'ve got to| gotta) (?!(?:be able|say|know|be honest)\b)\w+\b.*)
goal goal      | (?P<v>(?:i|we)(?:'ve got| have| got) (?:my|a|an|our|to) .*)
goal goal      | (?P<v>(?:i|we) (?:start|leave|move|graduate|finish|take|sit|run|defend|launch|retire|begin|fly|travel|open|submit|marry|get married|compete|exhibit|perform|present|go) .*)
goal goal      | (?P<v>(?:next (?:week|month|year|spring|summer)|in (?:\w+ (?:weeks|months)|january|february|march|april|may|june|july|august|september|october|november|december)|on \w+ \w+),? (?:i'm|i am|im|we're|i start|i have my|i move|i graduate|we move|we get)\b.*)
goal goal      | (?P<v>^planning to .*)
goal goal      | (?P<v>(?:my|our) (?!.{0,20}anniversary)(?:\w+ ){0,3}?(?:exam|deadline|wedding|test|thesis|interview|marathon|race|surgery|flight|trip|defen[cs]e|presentation|recital|concert|due date|launch|move|certification|finals?|conference|visa|lease|contract)\b.* (?:is|are|ends|starts|runs out|expires)\b.*)
goal goal      | (?P<v>my (?:goal|aim|plan|target|dream|resolution)(?: for \w+)? is (?:to )?.*)
""",
)
