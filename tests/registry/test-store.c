/* The store: what it sees of slots that come, live, and go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fcr-test.h"

static void
a_slot_comes_and_goes (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  FcrSlot *slot;

  CHECK_EQ (fcr_store_n_slots (store), 0);
  writer = writer_new ("cam0", &options);
  LOOP_UNTIL (signals.added == 1);
  slot = fcr_store_lookup (store, "cam0");
  CHECK (slot != NULL);
  CHECK_STR (slot->name, "cam0");
  CHECK_STR (slot->format, "test/frames");
  CHECK_EQ (slot->state, FCR_STATE_LIVE);
  CHECK_EQ (slot->stat.frame_size, 8192);
  CHECK_EQ (slot->stat.ring_depth, 4);
  CHECK_EQ (slot->stat.writer_pid, getpid ());
  CHECK_EQ (fcr_store_bytes_used (store), slot->stat.bytes_planned);
  fc_writer_close (writer);
  LOOP_UNTIL (signals.removed == 1);
  CHECK (!has_slot (store, "cam0"));
  CHECK_EQ (signals.added, 1);
  store_end (store);
}

static void
a_killed_writer_is_lost (void)
{
  FcrStore *store = store_new (NULL);
  pid_t pid = spawn_writer ("cam0", 5);
  int64_t killed;

  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  kill9 (pid);
  killed = now_ns ();
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LOST));
  fprintf (stderr, "# lost after %d ms\n", (int) ((now_ns () - killed) / MS));
  store_end (store);
}

static void
a_reserved_slot_outlives_its_registry (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);

  create_ok (store, "cam0");
  CHECK_EQ (signals.added, 1);
  CHECK (is_state (store, "cam0", FCR_STATE_RESERVED));
  store_end (store);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  signals = (signals_t){ 0 };
  store = store_new (&signals);
  LOOP_UNTIL (signals.added == 1);
  CHECK (is_state (store, "cam0", FCR_STATE_RESERVED));
  CHECK (remove_slot (store, "cam0", false, NULL));
  CHECK_EQ (signals.removed, 1);
  store_end (store);
}

static const test_t tests[] = {
  TEST (a_slot_comes_and_goes),
  TEST (a_killed_writer_is_lost),
  TEST (a_reserved_slot_outlives_its_registry),
};

TEST_MAIN (tests)
