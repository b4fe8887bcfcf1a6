"""Deliberate breaks of each guarantee. Each break names the smallest tests that must fail with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MINIMAL: Final = "tests/model/test_minimal.py"
_CACHE: Final = "tests/integration/test_redis_cache.py"
_CUTOFF: Final = "tests/integration/test_deletion_by_cutoff.py"
_GENERATIONS: Final = "tests/integration/test_generations.py"
_MERGE: Final = "tests/integration/test_merge_properties.py"
_OWNERS: Final = "tests/integration/test_listed_owner.py"
_INDEX: Final = "user_threads_key(user_id)"
_KEYS: Final = "tests/integration/test_keys_and_stored_exchanges.py"
_EXCHANGES: Final = "tests/integration/test_exchanges.py"
_FAILOVER: Final = "tests/integration/test_failover.py"
_POSTGRES: Final = "shared/stores/postgres/connection.py"


@dataclass(frozen=True)
class Break:
    """One change of the code that breaks a guarantee.

    Attributes:
        file: The file's path from the project's root.
        old: The text to replace, which occurs exactly once.
        new: The text that replaces `old`.
        tests: Tests that must fail with the break and pass without it.
    """

    guarantee: str
    description: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BREAKS: Final = (
    Break(
        "1 Durable",
        "the drain deletes messages that are not stored",
        "functions/sync/drain.py",
        "        outcome.failed.extend(message.message_id for message in waiting)\n",
        "",
        ("tests/unit/test_drain.py::test_messages_are_hidden_while_postgresql_is_down",),
    ),
    Break(
        "1 Durable",
        "connections to a PostgreSQL that refuses writes stay open",
        "shared/stores/postgres/session.py",
        '_READ_ONLY: Final = {"25006"}\n',
        "_READ_ONLY: Final = set[str]()\n",
        (f"{_FAILOVER}::test_a_connection_that_refuses_writes_is_replaced",),
    ),
    Break(
        "1 Durable",
        "the process does not replace a session that PostgreSQL has ended",
        _POSTGRES,
        "                if old.was_aborted or not old.closed:\n",
        "                if True:\n",
        (f"{_FAILOVER}::test_work_is_repeated_once_if_the_response_to_its_commit_is_lost",),
    ),
    Break(
        "4 Whole",
        "a standby behind a live connection counts as the primary",
        "shared/stores/postgres/bounded.py",
        "    if isinstance(error, psycopg.errors.FeatureNotSupported):\n",
        "    if False:\n",
        (f"{_FAILOVER}::test_processes_use_a_standby_only_after_its_promotion[sessions are ended]",),
    ),
    Break(
        "1 Durable",
        "a record that ends the process stays in the batch",
        "functions/sync/isolation.py",
        "            elif attempts < MAX_PROCESS_ENDS:\n                alone.append(message)\n",
        "            elif attempts < MAX_PROCESS_ENDS:\n                together.append(message)\n",
        ("tests/unit/test_fatal_records.py::test_one_fatal_record_is_dead_lettered",),
    ),
    Break(
        "1 Durable",
        "the drain isolates every record that waited during an outage",
        "functions/sync/isolation.py",
        "        recorded = [message.message_id for message in messages if message.message_id in self._recorded_ids]\n",
        "        recorded: list[str] = []\n",
        ("tests/unit/test_fatal_records.py::test_receives_during_an_outage_do_not_count",),
    ),
    Break(
        "2 Same",
        "the merge does not compare ids",
        "shared/stores/redis/merge.lua",
        "    local known = by_id[id]\n    if not known then",
        "    local known = nil\n    if not known then",
        (f"{_MINIMAL}::test_a_full_list_stays_complete",),
    ),
    Break(
        "2 Same",
        "L1 shows an exchange that no store accepted",
        "shared/stores/redis/writer.py",
        "            if not in_outbox:\n",
        "            if True:\n",
        (f"{_MINIMAL}::test_an_exchange_that_l1_refused_is_not_appended_later",),
    ),
    Break(
        "1 Durable",
        "the outbox does not get exchanges that only L1 accepted",
        "shared/stores/redis/lists.py",
        '("RPUSH", OUTBOX, exchange.to_wire(has_request_id=True))',
        '("ECHO", "")',
        (f"{_MINIMAL}::test_an_exchange_in_the_outbox_is_also_in_the_list",),
    ),
    Break(
        "3 Read your writes",
        "a read ignores the undrained hash",
        "shared/memory/refill.py",
        "    accepted = [*redis_data.undrained, *memory.recent(thread_id)]\n",
        "    accepted: list[Exchange] = []\n",
        ("tests/unit/test_recall.py::test_a_list_evicted_before_the_drain_is_read_from_the_undrained_hash",),
    ),
    Break(
        "3 Read your writes",
        "a loss of Redis counts as over before the drain has stored the lost exchanges",
        "shared/memory/losses.py",
        "    return age is None or not (age == math.inf or is_past_draining(age, uptime))\n",
        "    return age is None\n",
        ("tests/unit/test_recall.py::test_an_old_loss_is_not_degraded",),
    ),
    Break(
        "3 Read your writes",
        "a read that skips the undrained exchanges gets a token",
        "shared/stores/redis/reader.py",
        "return replace(self._read_once(commands, thread_id, user_id, None, is_read_only=True).read(), token=None)",
        "return replace(self._read_once(commands, thread_id, user_id, None, is_read_only=True).read())",
        (f"{_CACHE}::test_reading_a_list_for_inspection_sets_no_token",),
    ),
    Break(
        "3 Read your writes",
        "an emptied L1 counts as a new L1",
        "shared/memory/backlog.py",
        "    while queue.depth() > 0:\n",
        "    while False:\n",
        ("tests/unit/test_recall.py::test_an_emptied_l1_is_degraded_while_messages_wait",),
    ),
    Break(
        "4 Whole",
        "every list is sealed",
        "shared/stores/redis/writer.py",
        '        seal = "first" if window.is_all else "whole"\n',
        '        seal = "first"\n',
        (f"{_CACHE}::test_a_part_of_a_long_thread_is_not_complete",),
    ),
    Break(
        "4 Whole",
        "a full list counts as complete",
        "shared/stores/redis/entries.py",
        '(len(entries) >= max_messages and seal == ("whole", generation))',
        "len(entries) >= max_messages",
        (f"{_MINIMAL}::test_a_full_list_with_a_gap_is_not_complete",),
    ),
    Break(
        "4 Whole",
        "the merge ignores the token of a read",
        "shared/stores/redis/merge.lua",
        "if token and not (name == 'asked' and value == token) then",
        "if false then",
        (f"{_MERGE}::test_a_refill_seals_a_list_with_its_token",),
    ),
    Break(
        "5 Causal",
        "a new id may sort before an exchange that the turn has loaded",
        "shared/memory/memory.py",
        "        return floor if floor is not None and floor < self._first_skewed_order() else None\n",
        "        return None\n",
        ("tests/unit/test_append.py::test_an_id_sorts_after_the_loaded_exchanges",),
    ),
    Break(
        "5 Causal",
        "a process appends to a thread that it has not read",
        "shared/memory/turn.py",
        "        if self._recalled is None:\n            # Another",
        "        if False:\n            # Another",
        (f"{_MINIMAL}::test_an_exchange_of_a_process_with_a_slow_clock_is_the_newest",),
    ),
    Break(
        "6 Idempotent",
        "a repeated key does not return the stored answer",
        "shared/memory/idempotency.py",
        "            if state.answer is not None:\n",
        "            if False:\n",
        ("tests/unit/test_idempotency.py::test_the_second_request_gets_the_first_response",),
    ),
    Break(
        "6 Idempotent",
        "the later of two exchanges with one id wins in PostgreSQL",
        "shared/stores/postgres/sql/store.sql",
        "excluded.revision = m.revision and excluded.created_at < m.created_at",
        "excluded.revision = m.revision and excluded.created_at > m.created_at",
        ("tests/integration/test_store.py::test_the_earliest_wins_across_batches",),
    ),
    Break(
        "7 Isolated failure",
        "an invalid record fails its whole batch",
        "functions/sync/batch_store.py",
        "    if len(part) == 1:\n        refused.append((part[0], error))\n",
        "    if len(part) >= 1:\n        refused.append((part[0], error))\n",
        ("tests/unit/test_drain.py::test_a_refused_record_is_found_by_halving",),
    ),
    Break(
        "7 Isolated failure",
        "a record is dead-lettered although PostgreSQL refuses all records",
        "functions/sync/batch_store.py",
        "        is_test_accepted = self._accepts_test_exchange()\n",
        "        is_test_accepted = True\n",
        ("tests/unit/test_batch_store.py::test_all_records_wait_if_the_test_exchange_fails_too",),
    ),
    Break(
        "8 Erased",
        "an earlier deletion replaces a later one's tombstone",
        "shared/stores/redis/set_tombstone.lua",
        "and known > cutoff then",
        "and false then",
        (f"{_CUTOFF}::test_a_late_response_to_an_earlier_deletion_changes_no_later_one",),
    ),
    Break(
        "8 Erased",
        "the drain ignores tombstones",
        "shared/stores/postgres/sql/store.sql",
        "        and (t.cutoff is null or i.order_key > t.cutoff) and (u.cutoff is null or i.order_key > u.cutoff)\n",
        "",
        ("tests/integration/test_store.py::test_exchanges_of_a_deleted_thread_are_dropped",),
    ),
    Break(
        "8 Erased",
        "a deletion leaves the token, so that an older window is merged after it",
        "shared/stores/redis/merge.lua",
        "  name = not is_deletion and name or nil\n",
        "  name = 'asked'\n",
        (f"{_MERGE}::test_a_deletion_removes_the_token",),
    ),
    Break(
        "8 Erased",
        "a retried append ignores deletions",
        "shared/stores/redis/link.py",
        "        if outcome.cutoff is not None:\n            self._undo(append.exchange, outcome)\n        self",
        "        self",
        (f"{_MINIMAL}::test_an_append_retried_after_a_deletion_restores_no_data",),
    ),
    Break(
        "2 Same",
        "the lower revision wins in Redis",
        "shared/stores/redis/merge.lua",
        "revision > known.revision",
        "revision < known.revision",
        (f"{_EXCHANGES}::test_the_highest_revision_wins_in_redis",),
    ),
    Break(
        "2 Same",
        "the lower revision wins in PostgreSQL",
        "shared/stores/postgres/sql/store.sql",
        "where excluded.revision > m.revision",
        "where excluded.revision < m.revision",
        (f"{_EXCHANGES}::test_the_highest_revision_wins_in_postgresql[0]",),
    ),
    Break(
        "2 Same",
        "the layers keep different texts of one revision",
        "shared/stores/redis/merge.lua",
        "(is_stored and created == known.created)",
        "false",
        (f"{_EXCHANGES}::test_postgresqls_text_of_a_revision_stays",),
    ),
    Break(
        "3 Read your writes",
        "the drain of a text removes its replacement from the undrained hash",
        "shared/stores/redis/lists.py",
        "        field, key = undrained_field(exchange.exchange_id, exchange.revision), undrained_key(thread_id)\n",
        "        field, key = exchange_id, undrained_key(thread_id)\n",
        (f"{_EXCHANGES}::test_a_replacement_stays_undrained_after_the_drain_of_the_first_text",),
    ),
    Break(
        "4 Whole",
        "a list that has lost its beginning counts as the whole thread",
        "shared/stores/redis/merge.lua",
        "(start > 1 and 'whole' or 'first')",
        "'first'",
        (f"{_MERGE}::test_a_refill_seals_a_list_with_its_token",),
    ),
    Break(
        "8 Erased",
        "the drain ignores the tombstones of exchanges",
        "shared/stores/postgres/sql/store.sql",
        "    where e.exchange_id is null\n",
        "    where true\n",
        (f"{_EXCHANGES}::test_a_deleted_exchange_is_never_restored",),
    ),
    Break(
        "8 Erased",
        "an append ignores the tombstones of exchanges",
        "shared/stores/redis/lists.py",
        "        if is_deleted:\n",
        "        if False:\n",
        (f"{_EXCHANGES}::test_a_late_append_of_a_deleted_exchange_leaves_no_data",),
    ),
    Break(
        "8 Erased",
        "a refill does not restore the tombstones of exchanges",
        "shared/stores/redis/writer.py",
        "        self._lists.queue_deleted(pipe, thread_id, window.deleted)\n",
        "",
        (f"{_EXCHANGES}::test_a_refill_restores_lost_tombstones",),
    ),
    Break(
        "8 Erased",
        "the merge of stored exchanges ignores the tombstones of exchanges",
        "shared/stores/redis/writer.py",
        "            deleted_ids = [exchange.exchange_id for exchange in batch if exchange.exchange_id in deleted]\n",
        "            deleted_ids: list[UUID] = []\n",
        (f"{_EXCHANGES}::test_a_merge_during_a_deletion_adds_no_deleted_exchange",),
    ),
    Break(
        "3 Read your writes",
        "a deletion removes the whole list",
        "shared/stores/redis/eraser.py",
        "                pipe.delete(reader_lease_key(thread_id))\n                pipe.delete(owner_key(thread_id))\n",
        '                pipe.delete(f"thread:{thread_id}:messages", owner_key(thread_id))\n',
        (f"{_CUTOFF}::test_an_exchange_accepted_during_a_deletion_stays",),
    ),
    Break(
        "3 Read your writes",
        "an append does not check whether the drain was faster",
        "shared/stores/redis/lists.py",
        "was_drained = not self.is_drained and bool(replies.pop())",
        "was_drained = not self.is_drained and bool(replies.pop()) and False",
        (f"{_CUTOFF}::test_an_append_after_the_drain_adds_no_undrained_exchange",),
    ),
    Break(
        "4 Whole",
        "a server that returns with older data counts as the previous one",
        "shared/stores/redis/generation.py",
        "self.generation is not None and (identity is None or identity == self.identity)",
        "self.generation is not None",
        (f"{_GENERATIONS}::test_exchanges_that_a_snapshot_lacks_are_served_by_postgresql",),
    ),
    Break(
        "4 Whole",
        "a seal of any generation counts",
        "shared/stores/redis/entries.py",
        '    return seal == ("first", generation) or ',
        '    return (seal is not None and seal[0] == "first") or ',
        (f"{_GENERATIONS}::test_a_seal_of_the_last_generation_is_rejected",),
    ),
    Break(
        "4 Whole",
        "a seal counts although Redis refuses writes",
        "shared/stores/redis/reader.py",
        '            if replies["probe"] is None:\n',
        "            if False:\n",
        (f"{_GENERATIONS}::test_lists_are_checked_while_redis_refuses_writes",),
    ),
    Break(
        "3 Read your writes",
        "a read does not notice a loss of Redis between its two round trips",
        "shared/stores/redis/reader.py",
        "        is_same = self._connection.connects == self._connects\n",
        "        is_same = True\n",
        (f"{_GENERATIONS}::test_a_read_reports_a_loss_between_its_round_trips",),
    ),
    Break(
        "4 Whole",
        "the generation continues after a refused write",
        "shared/stores/redis/link.py",
        "        if last is not None and not has_started_since:\n",
        "        if False:\n",
        (f"{_GENERATIONS}::test_a_thread_whose_deletion_redis_refused_is_not_shown",),
    ),
    Break(
        "3 Read your writes",
        "a process keeps its connection to a demoted server",
        "shared/stores/redis/connection.py",
        "            if any(isinstance(refusal, _WRONG_SERVER) for refusal in refusals):\n",
        "            if False:\n",
        (f"{_GENERATIONS}::test_no_exchange_is_missing_after_a_failover_to_a_lagging_replica",),
    ),
    Break(
        "6 Idempotent",
        "an emptied Redis that has warmed up counts as knowing all keys",
        "shared/stores/redis/idempotency.py",
        "    return clock - max(epoch.lost_at or clock, float(epoch.generation or clock)) > ANSWER_SECONDS\n",
        "    return True\n",
        (f"{_GENERATIONS}::test_a_key_is_refused_if_no_layer_knows_whether_it_is_new",),
    ),
    Break(
        "4 Whole",
        "a generation from the future counts as newer than a failure",
        "shared/stores/redis/link.py",
        "< float(last) <= clock\n",
        "< float(last)\n",
        (f"{_GENERATIONS}::test_a_new_generation_is_later_although_redis_clock_was_set",),
    ),
    Break(
        "8 Erased",
        "the clock of a Redis with older data decides on its generation",
        "shared/stores/redis/generation.py",
        "generation_name(max(clock, time.time()) + MAX_AHEAD)",
        "generation_name(clock - 3 * 86_400)",
        (f"{_GENERATIONS}::test_a_generation_of_a_server_with_a_slow_clock_is_later",),
    ),
    Break(
        "5 Causal",
        "ids of a wrong clock move later ids",
        "shared/ids.py",
        "                self._last = 0\n",
        "                pass\n",
        ("tests/unit/test_clocks.py::test_a_clock_that_was_wrong_does_not_affect_later_ids",),
    ),
    Break(
        "6 Idempotent",
        "a Redis that missed keys during an outage counts as knowing all keys",
        "shared/stores/redis/idempotency.py",
        "    if epoch.is_first:\n",
        "    if epoch.lost_at:\n",
        (f"{_KEYS}::test_a_repeated_request_fails_if_its_response_is_in_no_reachable_layer",),
    ),
    Break(
        "6 Idempotent",
        "PostgreSQL decides about a key although messages are queued",
        "shared/memory/idempotency.py",
        "            is_stored = is_new or not store.stores_exchange_keys or self._is_stored(earlier)\n",
        "            is_stored = True\n",
        (f"{_KEYS}::test_a_repeated_request_fails_until_the_drain_has_stored_a_lost_key",),
    ),
    Break(
        "6 Idempotent",
        "stored exchanges do not add their keys to PostgreSQL",
        "shared/stores/postgres/batches.py",
        "        store_keys(connection, [exchange for exchange in exchanges if exchange.key not in rejected_owner])\n",
        "",
        (f"{_KEYS}::test_a_repeated_request_fails_until_the_drain_has_stored_a_lost_key",),
    ),
    Break(
        "8 Erased",
        "a process remembers exchanges that a deletion has removed",
        "shared/cutoffs.py",
        "    return order is not None and any(",
        "    return order is None and any(",
        ("tests/unit/test_accepted.py::test_outbox_exchanges_are_limited_and_removed",),
    ),
    Break(
        "8 Erased",
        "a user's deletion that fails halfway loses the list of its threads",
        "shared/stores/redis/eraser.py",
        f"            pipe.zrange({_INDEX}, 0, -1)\n",
        f"            pipe.zrange({_INDEX}, 0, -1)\n            pipe.unlink({_INDEX})\n",
        (f"{_CUTOFF}::test_a_users_deletion_that_redis_refused_is_completed_by_repeating_it",),
    ),
    Break(
        "8 Erased",
        "the sweep does not delete a deleted user's exchanges in Redis",
        "functions/sync/sweep.py",
        "            window = replace(window, deleted=window.deleted | deleted_ids)\n",
        "            del deleted_ids\n",
        (f"{_CUTOFF}::test_the_sweep_completes_a_users_deletion_in_threads_that_only_redis_knows",),
    ),
    Break(
        "8 Erased",
        "undrained exchanges that an older Redis restores stay there",
        "shared/memory/refill.py",
        "    drained = drained_among(redis_data.undrained, window.exchanges)\n",
        "    drained: list[Exchange] = []\n",
        (f"{_CUTOFF}::test_restored_exchanges_are_removed_by_the_next_turn",),
    ),
    Break(
        "8 Erased",
        "a turn appends to a thread that another user claimed after the turn started",
        "shared/stores/redis/lists.py",
        "        if thread_cutoff is not None and self.after is not None and thread_cutoff > self.after:\n",
        "        if False:\n",
        (f"{_OWNERS}::test_an_append_fails_if_the_thread_was_deleted_since_the_read",),
    ),
    Break(
        "8 Erased",
        "a list after a deletion shows the former owner",
        "shared/stores/redis/merge.lua",
        "elseif name == 'asked' or cutoff ~= '' then\n",
        "elseif name == 'asked' then\n",
        (f"{_OWNERS}::test_a_late_append_of_a_former_owner_is_not_shown",),
    ),
)
