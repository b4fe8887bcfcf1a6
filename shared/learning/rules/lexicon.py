"""Words that are the same in many languages: programs, programming languages, and names of languages and currencies."""

from __future__ import annotations

import re
from typing import Final


def _alternatives(words: str) -> str:
    """Return a pattern of lines and of words between commas, the longest first."""
    found = [word.strip() for line in words.splitlines() for word in line.split(",") if word.strip()]
    return "|".join(re.escape(word).replace(r"\ ", " ?") for word in sorted(found, key=len, reverse=True))


def _whole(words: str, version: str = "") -> re.Pattern[str]:
    return re.compile(
        rf"(?:the |o |il |le |el |das |den )?(?P<v>(?:{_alternatives(words)}){version})(?!(?![\u3040-\u30ff\u4e00-\u9fff])\w|[+#])",
        re.IGNORECASE,
    )


EDITOR: Final = _whole("""
vim, neovim, nvim, vi, emacs, doom emacs, spacemacs, vs code, vscode, visual studio code, visual studio, sublime text, sublime, nano, micro, helix, kakoune, zed, atom
notepad++, notepad, textmate, bbedit, intellij idea, intellij, pycharm, webstorm, phpstorm, rubymine, goland, clion, rider, android studio, xcode, eclipse, netbeans, kate, gedit
geany, cursor, windsurf, jupyterlab, rstudio, fleet, nova, brackets, lapce, texstudio, overleaf, scrivener, ultraedit
""")
SYSTEM: Final = _whole(
    """
windows, macos, mac os, mac os x, os x, a mac, mac, macbook, linux, linux mint, ubuntu, kubuntu, xubuntu, lubuntu, fedora, debian, arch, arch linux, manjaro, mint, opensuse, suse, tumbleweed, nixos, gentoo
slackware, pop!_os, pop os, popos, elementary os, zorin os, zorin, red hat, rhel, centos, rocky linux, almalinux, alpine, kali, kali linux, freebsd, openbsd, netbsd, chromeos, chrome os, endeavouros
void linux, garuda, bazzite, silverblue, asahi linux, haiku, solus, mx linux, cachyos, raspberry pi os
""",
    r"(?: (?:xp|vista|7|8|8\.1|10|11|server|sonoma|ventura|sequoia|monterey|tahoe|\d\d(?:\.\d\d)?(?: lts)?|pro|home))*",
)
CODE: Final = _whole("""
python, pythonie, javie, javascripcie, ruście, kotlinie, javascript, typescript, java, kotlin, c, c++, c#, f#, go, golang, rust, ruby, php, swift, objective-c, scala, clojure, haskell, elixir, erlang, ocaml, perl, r, julia, matlab, lua, dart, sql
bash, shell, powershell, fortran, cobol, ada, pascal, delphi, visual basic, vb.net, vba, groovy, zig, nim, crystal, elm, purescript, common lisp, lisp, scheme, racket, prolog, solidity, apex, abap, sas
assembly, assembler, smalltalk, gleam, d, v, tcl, octave, mojo, roc, raku, html, css, idris, lean, apl, vala, hack
""")
# One letter, or a word of English too: only where a pattern names code.
DOUBTFUL_CODE: Final = frozenset(
    {
        "c",
        "d",
        "r",
        "v",
        "go",
        "hack",
        "lean",
        "mojo",
        "scheme",
        "shell",
        "apex",
        "ada",
        "assembly",
        "dart",
        "swift",
        "julia",
        "crystal",
        "html",
        "css",
    }
)
TOOL: Final = _whole("""
obsidian, notion, evernote, onenote, logseq, roam, joplin, bear, anki, zotero, mendeley, todoist, trello, asana, jira, confluence, linear, clickup, basecamp, monday.com, airtable, slack, microsoft teams
teams, zoom, discord, telegram, whatsapp, signal, outlook, gmail, thunderbird, protonmail, excel, google sheets, google docs, google calendar, libreoffice, libreoffice calc, libreoffice writer, word
powerpoint, keynote, numbers, figma, sketch, adobe xd, photoshop, illustrator, indesign, lightroom, premiere, premiere pro, after effects, final cut pro, final cut, davinci resolve, capcut, gimp, inkscape
krita, procreate, affinity photo, affinity designer, darktable, capture one, canva, blender, maya, cinema 4d, houdini, fusion 360, freecad, solidworks, autocad, sketchup, revit, archicad, rhino, openscad
unity, unreal engine, unreal, godot, ableton, ableton live, logic pro, fl studio, reaper, pro tools, cubase, audacity, garageband, bitwig, musescore, sibelius, dorico, finale, docker, podman, kubernetes
terraform, ansible, jenkins, github, gitlab, bitbucket, github actions, git, mercurial, jujutsu, postgres, postgresql, mysql, mariadb, sqlite, mongodb, redis, elasticsearch, kafka, rabbitmq, snowflake
bigquery, databricks, dbt, airflow, spark, pandas, numpy, pytorch, tensorflow, power bi, tableau, looker, grafana, prometheus, datadog, qgis, arcgis, stata, spss, tmux, zsh, fish, oh my zsh, iterm, kitty
alacritty, wezterm, firefox, chrome, safari, brave, vivaldi, microsoft edge, edge, opera, arc, latex, pandoc, quarkdown, hugo, wordpress, shopify, squarespace, wix, webflow, ghost, drupal, joomla, quickbooks, xero, datev
sap, salesforce, hubspot, mailchimp, zendesk, ynab, gnucash, mint, toggl, clockify, harvest, calendly, dropbox, google drive, onedrive, nextcloud, icloud, home assistant, plex, jellyfin, kodi, calibre, deepl
grammarly, chatgpt, copilot, raycast, alfred, postman, insomnia, react, vue, angular, svelte, next.js, django, flask, fastapi, rails, laravel, spring boot, node.js, deno, bun, vite, webpack, poetry, uv, nix
homebrew, lexoffice, moodle, canvas, kahoot, miro, mural, strava, garmin connect, komoot, duolingo, lilypond, ardour, super productivity, ticktick, things, omnifocus, apple notes, google keep, simplenote, tana, workflowy
""")

_LANGUAGES: Final = """
en english englisch anglais inglés ingles inglese inglês engels angielski angielsku 英语 英文 英語 английском английски अंग्रेज़ी अंग्रेजी الإنجليزية
de german deutsch allemand alemán aleman tedesco alemão alemao duits niemiecki niemiecku 德语 德文 ドイツ語 немецком जर्मन الألمانية
fr french französisch français francais francés frances francese francês frans francuski francusku 法语 法文 フランス語 французском फ़्रेंच الفرنسية
es spanish spanisch espagnol español espanol castellano spagnolo espanhol spaans hiszpański hiszpańsku 西班牙语 スペイン語 испанском स्पेनिश الإسبانية
it italian italienisch italien italiano italiaans włoski włosku 意大利语 イタリア語 итальянском الإيطالية
pt portuguese portugiesisch portugais portugués portugues portoghese português portugees portugalski portugalsku 葡萄牙语 ポルトガル語 португальском البرتغالية
nl dutch niederländisch holländisch néerlandais neerlandés holandés olandese neerlandês holandês nederlands niderlandzki niderlandzku holenderski 荷兰语 オランダ語 нидерландском
pl polish polnisch polonais polaco polacco polonês pools polski polsku 波兰语 ポーランド語 польском
zh chinese mandarin chinesisch chinois chino cinese chinês chinees chiński chińsku 中文 汉语 普通话 中国語 китайском चीनी الصينية
ja japanese japanisch japonais japonés giapponese japonês japans japoński japońsku 日语 日文 日本語 японском जापानी اليابانية
ru russian russisch russe ruso russo rosyjski rosyjsku 俄语 ロシア語 русском الروسية
ar arabic arabisch arabe árabe arabo arabski arabsku 阿拉伯语 アラビア語 арабском अरबी العربية
hi hindi indien 印地语 ヒンディー語 хинди हिंदी हिन्दी الهندية
ca catalan katalanisch catalán català catalano catalaans kataloński
ko korean koreanisch coréen coreano koreaans koreański 韩语 韓国語 корейском
tr turkish türkisch turc turco turks turecki turecku
sv swedish schwedisch suédois sueco svedese zweeds szwedzki szwedzku
da danish dänisch danois danés danese dinamarquês deens duński duńsku
no norwegian norwegisch norvégien noruego norvegese norueguês noors norweski norwesku
fi finnish finnisch finnois finlandés finlandese fins fiński fińsku
cs czech tschechisch tchèque checo ceco tsjechisch czeski czesku
uk ukrainian ukrainisch ukrainien ucraniano ucraino oekraïens ukraiński ukraińsku украинском
el greek griechisch grec griego greco grieks grecki grecku
he hebrew hebräisch hébreu hebreo ebraico hebreeuws hebrajski
hu hungarian ungarisch hongrois húngaro ungherese hongaars węgierski węgiersku
ro romanian rumänisch roumain rumano rumeno roemeens rumuński rumuńsku
vi vietnamese vietnamesisch vietnamien vietnamita wietnamski
id indonesian indonesisch indonésien indonesio indonezyjski
eu basque euskera baskisch
gl galician gallego galego
hr croatian kroatisch
sk slovak slowakisch
sr serbian serbisch
sl slovenian slowenisch
bg bulgarian bulgarisch
et estonian
lv latvian
lt lithuanian
ga irish
cy welsh
is icelandic
fa persian farsi persisch persa
ur urdu
bn bengali
ta tamil
te telugu
th thai
sw swahili
tl tagalog filipino
la latin latein
af afrikaans
eo esperanto
"""


def _codes(words: str) -> dict[str, str]:
    found = {}
    for line in words.strip().splitlines():
        code, *names = line.split()
        found.update(dict.fromkeys(names, code))
    return found


_CURRENCIES: Final = {
    "CAD": r"canadian dollars?|kanadische[nr]? dollar|dollars canadiens|dólares canad[ie]\w+|dollari canadesi|canadese dollars?|dolar\w* kanadyjski\w*|cad",
    "AUD": r"australian dollars?|australische[nr]? dollars?|dollars australiens|dólares australianos|dollari australiani|aud",
    "NZD": r"new zealand dollars?|neuseeland-dollar|dollars néo-zélandais|dólares neozelandeses|dollari neozelandesi|nzd",
    "SGD": r"singapore dollars?|sgd",
    "HKD": r"hong kong dollars?|hkd",
    "EUR": r"euros?|eur|欧元|ユーロ|евро|यूरो|يورو",
    "USD": r"(?:us|u\.s\.|american)[ -]dollars?|(?:dollars?|dólares|dollari)(?: américains| estadounidenses| americanos| americani| statunitensi)?(?! (?:canad|austral|néo|neo|singap|de |di |da |del |taiw|jama|hong|liber|beliz|namib))|usd|美元|米ドル|ドル|доллар\w*",
    "GBP": r"(?:british )?pounds?(?: sterling)?|sterling|quid|gbp|britische pfund|pfund sterling|livres sterling|libras esterlinas|sterline|英镑|英ポンド",
    "CHF": r"(?:swiss )?francs(?! (?:cfa|cfp|belg|pacif|rwand))|schweizer franken|franken|francs suisses|francos suizos|franchi svizzeri|frank\w* szwajcarski\w*|chf|瑞士法郎|スイスフラン",
    "JPY": r"(?:japanese )?yen|yenes|jpy|日元|日本円|円",
    "CNY": r"(?:chinese )?yuan|renminbi|rmb|cny|人民币",
    "INR": r"(?:indian )?rupees?|inr|रुपये|रुपयों",
    "PLN": r"zloty|zlotys|złot\w*|pln",
    "SEK": r"(?:swedish|schwedische) kron\w+|sek",
    "NOK": r"(?:norwegian|norwegische) kron\w+|nok",
    "DKK": r"(?:danish|dänische) kron\w+|dkk",
    "BRL": r"(?:brazilian )?reais|brl",
    "MXN": r"mexican pesos|pesos mexicanos|mxn",
    "ARS": r"argentine pesos|pesos argentinos",
    "CZK": r"czech korun\w*|tschechische kronen|czk",
    "ZAR": r"(?:south african )?rand|zar",
    "KRW": r"korean won|(?<=in )won|krw",
    "TRY": r"turkish lira",
    "ILS": r"shekels?",
    "RUB": r"rubles|roubles|рубл\w+",
    "UAH": r"hryvnias?|гривн\w+|uah",
    "NGN": r"naira|ngn",
}
LANGUAGE_CODES: Final = _codes(_LANGUAGES)
LANGUAGE: Final = "|".join(sorted(map(re.escape, LANGUAGE_CODES), key=len, reverse=True))

CURRENCIES: Final = [
    (re.compile(rf"(?<![a-zA-Z])(?:{names})(?![a-zA-Z])", re.IGNORECASE), code) for code, names in _CURRENCIES.items()
]
