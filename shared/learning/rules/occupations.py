"""Which English words name an occupation."""

from __future__ import annotations

import re
from typing import Final


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Suffixes of occupations, and words with them that are none.
_SUFFIX: Final = re.compile(
    r"\w+(?:er|or|ist|ian|eer|ier|man|woman|smith|wright|ant|ologist|grapher|keeper|monger|herd|hand|tician|logue|path|tect|ect|gist|eur)$"
)
_LISTED: Final = _words("""
accountant actress actuary agent aide ambassador analyst apprentice architect assistant attendant attorney aupair
chef barber barista biochemist boss broker butcher captain ceo cfo chair chairwoman chemist clerk cfo coach cook coo
cop councillor cto critic cto curator dean dentist diplomat director doctor editor electrician engineer executive
faculty firefighter founder co-founder cofounder freelancer friar grad graduate guard guide head herbalist host
hostess imam intern janitor journalist judge justice lawyer lead lecturer librarian lifeguard maid marine mason
mayor mechanic medic midwife minister model monk mp musician nanny naval notary nun nurse nutritionist officer
operative orderly paralegal paramedic pastor patrol pharmacist physicist physio physiotherapist pilot pm poet
postdoc potter priest principal prof professor programmer dev rabbi rector registrar rep representative researcher
salesman scholar scientist secretary seamstress senator sergeant serviceman sheriff shepherd solicitor specialist
staffer steward stewardess strategist student sub surgeon surveyor sysadmin tailor teacher technician temp therapist
trainee trainer translator treasurer tutor undergrad undergraduate usher valet vet veterinarian vp waiter waitress
warden webmaster writer zoologist au-pair dba sre qa phd devops ux chaplain beautician dietitian dispatcher courier
bookkeeper psychotherapist anaesthetist anesthesiologist gp neurologist lumberjack blacksmith vicar choirmaster
referee umpire athlete gardener landlord landlady volunteer sommelier masseuse masseur croupier trustee consul
arborist florist luthier cooper thatcher glazier welder roofer plumber joiner carpenter stonemason plasterer
upholsterer typesetter docent vintner farmhand stylist hairdresser cosmetologist cashier chauffeur rancher fisherman
""")
_OTHERS: Final = _words("""
beginner newcomer foreigner smoker lover hater believer user member customer owner father mother brother sister
daughter stranger outsider insider other another better older younger bigger winner loser gamer runner reader viewer
listener speaker learner fighter supporter follower partner boarder camper starter joker drinker eater sleeper riser
dreamer thinker planner procrastinator minor junior senior expat human woman man american german italian indian
russian canadian australian austrian belgian brazilian egyptian hungarian iranian norwegian ukrainian romanian
bulgarian estonian latvian lithuanian scandinavian vegetarian pescatarian flexitarian libertarian christian
presbyterian lutheran person fan optimist pessimist perfectionist feminist minimalist atheist realist idealist
nationalist socialist communist capitalist racist sexist purist completist hedonist monster disaster paper number
letter matter answer order member bit lot little mess morning night giant elephant descendant participant applicant
inhabitant immigrant migrant infant constant tenant debtor survivor sinner neighbour neighbor visitor tourist
traveller traveler commuter pedestrian subscriber buyer seller renter homeowner teenager toddler foodie cancer
sucker quitter helper character doer newbie twin beekeeper-to-be lawyer-ish pensioner widower outlier introvert
extrovert stickler leader superuser administrator-like swimmer hiker cyclist knitter hoarder collector thriller
killer robber burglar prisoner hacker rower contributor godfather grandmother grandfather stepfather stepmother
""")
# People of clubs and houses: occupations only with `of`.
_MIN_LETTERS: Final = 3


def is_occupation(words: str) -> bool:
    """Return whether a noun phrase names an occupation by its last word before a preposition."""
    noun = words.rpartition(" ")[2]
    if noun[:1].isupper() and not noun.isupper() and (words != words.title() or len(words.split()) == 1):
        # An inhabitant, such as a Londoner.
        return False
    head = re.split(
        r"\s(?:of|at|in|for|with|from|on|who|based|specializing|specialising|working)\b", words.lower(), maxsplit=1
    )[0]
    last = head.split()[-1].strip("-'") if head.split() else ""
    if (len(last) < _MIN_LETTERS and last not in {"pm", "gp", "mp", "vp"}) or last in _OTHERS:
        return False
    return last in _LISTED or _SUFFIX.fullmatch(last.rpartition("-")[2]) is not None
