"""A search finds what a turn of the same process would show, and nothing that was deleted or is another user's."""

from __future__ import annotations

from hypothesis import note

from shared.memory.memory import Memory
from shared.memory.search.results import SEARCH
from shared.memory.search.search import Search
from shared.stores.search import SearchScope
from tests.model.actions import Actions
from tests.model.checks import report_violation
from tests.model.ledger import Entry

_LIMIT = 100


def search(actions: Actions, memory: Memory, entry: Entry | None) -> None:
    """Search an exchange by its texts' numbers for the user of the first threads, and check what is found."""
    if entry is None:
        return
    user = actions.user(actions.thread(0))
    assert user is not None
    own = [each for each in actions.ledger.entries if actions.user(each.thread) == user]
    deleted = {each for each in own if each.outcome == "erased"}
    outdated = {text for each in own if not each.may_be_outdated(memory) for text in each.replaced_texts}
    texts = set(entry.texts)
    must_be_found = entry in own and not entry.may_be_missing(memory)
    answer = Search(memory).search(SearchScope(user), " ".join(sorted(texts)), _LIMIT)
    found: list[Entry] = []
    # Another process may have stored an exchange meanwhile.
    all_own = [each for each in actions.ledger.entries if actions.user(each.thread) == user]
    by_text = {text: each for each in all_own for text in each.texts}
    for item in answer.items:
        text = item.exchange.user_message.removeprefix("u ")
        if item.exchange.assistant_message != f"a {text}":
            report_violation("Same", f"the two messages belong to different exchanges: {item.exchange}")
        if text not in by_text or by_text[text].thread != item.exchange.thread_id:
            report_violation("Erased", f"a search found {text}, which is not the user's")
        if by_text[text] in deleted:
            report_violation("Erased", f"a search found {text}, which was deleted, degraded {answer.degraded}")
        if text in outdated and not by_text[text].may_be_outdated(memory) and not answer.degraded:
            report_violation("Replaced", f"a search found {text}, which was replaced, and no layer is degraded")
        found.append(by_text[text])
    note(f"   search of {sorted(texts)}: {[item.exchange.user_message for item in answer.items]} {answer.degraded}")
    if len(set(found)) != len(found):
        report_violation("Idempotent", f"a search found an exchange twice: {found}")
    if SEARCH in answer.degraded or entry.may_be_missing(memory) or texts != entry.texts:
        return
    if must_be_found and entry not in found:
        report_violation("Whole, Read your writes", f"a search does not find {sorted(texts)}, and says nothing")
