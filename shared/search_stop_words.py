"""Stop words: function words, and words that ask an assistant for something.

Texts are indexed with all their words. Only queries leave these out, so the lists may change without indexing again. A
word of one language that names a thing in another is not in the lists (`war`, `die`, `son`, `fur`, `may`).
"""
# ruff: noqa: RUF001 - these are letters of other scripts

from __future__ import annotations

from typing import Final

_ENGLISH: Final = """
a about above after again against all am an and any are as at be because been before being below between both but by
can could d did do does doing don down during each few for from further had has have having he her here hers herself
him himself his how i if in into is it its itself just ll m me more most my myself no nor not now o of off on once
only or other our ours ourselves out over own re s same she should so some such t than that the their theirs them
themselves then there these they this those through to too under until up ve very was we were what when where which
while who whom why will with would you your yours yourself yourselves
"""
# What a query says of itself and of the conversation: "Can you tell me what I said about …", "Do you remember …".
_REQUESTS: Final = """
ask chat conversation describe discuss discussion explain give help know list mention please recommend recommendation
remember remind say show suggest suggestion summarize summary talk tell think
"""
_GERMAN: Final = """
aber als auch auf aus bei bist da dann das dass dein deine dem den der des dich dir doch du ein eine einem einen einer
er es euch habe haben hast hatte hatten ich ihm ihn ihr ihre ihren im ist ja kann mein meine meinem meinen meiner mich
mir mit nach nicht noch nur ob oder sein seine sich sie sind uber um und uns unser von vom waren wann warum weil
welche welchen welcher welches wenn wer werden wie wir wird wo zu zum zur
"""
_FRENCH: Final = """
au aux avec ce ces cette dans de du elle elles en est et eux il ils je la le les leur leurs lui ma mes moi mon ne nos
notre nous ou par pas qu quand que quel quelle quelles quels qui sa se ses sont sur ta tes toi tu un une vos votre
vous
"""
_SPANISH: Final = """
al como con cual cuando de del donde el ella ellos en esa ese eso esta este esto fue ha hay la las le les lo los me mi
mis muy nos por porque que quien se si su sus te tu tus un una uno y ya yo
"""
_PORTUGUESE: Final = """
ao aos as da das do e ela ele eles em essa esse eu foi isso isto meu meus minha na nao nas nos o onde os ou para pela
pelo quais qual quando quem sao seu seus sua suas uma voce
"""
_ITALIAN: Final = """
che con cui dal dalla dei del della delle di dove e gli ho il io la le lo lui ma mi mia mie miei mio nel nella non
perche piu quale quali quando questa questo si sono suo sua ti tra tuo tua un una
"""
_DUTCH: Final = """
aan als bij dan dat de deze dit een en er geen haar heb hebben heeft het hij hun ik is je jij kan mijn naar niet om
ook op te uit voor waar wanneer waren wat we welke wie wij worden ze zich zij zijn
"""
_RUSSIAN: Final = """
а бы был была были было в вам вас во вот все всё вы где да для до его ее её если есть еще ещё же за и из или им их к
как какая какие какой когда кто ли меня мне мой моя мы на нам нас не него нет но ну о об он она они от по при с со так
там то тот ты у что чтобы эта эти это этот я
"""
_HINDI: Final = """
और इस उस एक क्या का कि की के को कब कहाँ कौन जो तो था थी थे ने पर भी मुझे में मेरा मेरी मेरे मैं मैंने यह वह से हम है
हैं हो
"""
_ARABIC: Final = "أن أنا أنت أو أين إلى إن التي الذي على عن في كان كيف لا لم لماذا ما متى من هذا هذه هل هو هي و"
# Pairs of characters, because those scripts write no spaces.
_CHINESE: Final = """
什么 什麼 怎么 怎麼 哪里 哪裡 哪个 哪個 为什 為什 是什 时候 時候 么时 麼時 我们 我們 你们 你們 他们
他們 我的 你的 他的 她的 这个 這個 那个 那個 是不 不是 有没 有沒
"""
_JAPANESE: Final = """
です ます した まし すか たか って てい いる ある から まで ので こと もの これ それ あれ この その
どこ いつ なに 何を 何が いて とき との には では とは
"""
_KOREAN: Final = """
무엇 뭐가 언제 어디 누가 누구 어떻 떻게 니다 습니 입니 했습 인가 나요 까요 에서 에게 으로 하는 하고
했다 었다 있는 있었 내가 나는
"""

STOP_WORDS: Final = " ".join(
    [
        *(_ENGLISH, _REQUESTS, _GERMAN, _FRENCH, _SPANISH, _PORTUGUESE, _ITALIAN, _DUTCH),
        *(_RUSSIAN, _HINDI, _ARABIC, _CHINESE, _JAPANESE, _KOREAN),
    ]
)
