/* The store: what it sees of slots that come, live, and go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fcr-test.h"

/* Coming and going --------------------------------------------------------- */

static void
a_slot_comes_and_goes (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  FcrSlot *slot;

  events_alone (store);
  CHECK_EQ (fcr_store_n_slots (store), 0);
  writer = writer_new ("cam0", &options);
  LOOP_UNTIL (signals.added == 1);
  slot = lookup (store, "cam0");
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
  CHECK_EQ (fcr_store_bytes_used (store), 0);
  store_end (store);
}

static void
slots_that_are_there_are_seen_at_start (void)
{
  const char *const names[] = { "b", "a", "cam.2", "A" };
  const char *const sorted[] = { "A", "a", "b", "cam.2" };
  signals_t signals = { 0 };
  fc_writer_options_t options = small_ring ();
  GPtrArray *list;
  FcrStore *store;

  for (size_t i = 0; i < 4; i++)
    writer_new (names[i], &options);
  store = store_new (&signals);
  CHECK_EQ (signals.added, 4);
  list = fcr_store_list (store);
  CHECK_EQ (list->len, 4);
  for (size_t i = 0; i < 4; i++)
    CHECK_STR (((FcrSlot *) list->pdata[i])->name, sorted[i]);
  g_ptr_array_unref (list);
  store_end (store);
}

static FcrSlot *removed_slot;

static void
keep_name (FcrStore *store, FcrSlot *slot, char *name)
{
  removed_slot = slot;
  g_strlcpy (name, slot->name, FC_NAME_MAX + 1);
}

static void
a_slot_is_whole_while_its_end_is_told (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  char name[FC_NAME_MAX + 1] = "";
  FcrSlot *slot;

  g_signal_connect (store, "slot-removed", G_CALLBACK (keep_name), name);
  LOOP_UNTIL (has_slot (store, "cam0"));
  slot = lookup (store, "cam0");
  fc_writer_close (writer);
  LOOP_UNTIL (!has_slot (store, "cam0"));
  CHECK (removed_slot == slot);
  CHECK_STR (name, "cam0");
  store_end (store);
}

static void
a_killed_writer_is_lost (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  pid_t pid = spawn_writer ("cam0", 5);

  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  events_alone (store);
  signals = (signals_t){ 0 };
  kill9 (pid);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LOST));
  CHECK_EQ (signals.changed, 1);
  CHECK_EQ (signals.removed, 0);

  /* The next one carries on in its ring. */
  pid = spawn_writer ("cam0", 5);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  CHECK_EQ (lookup (store, "cam0")->stat.epoch, 2);
  CHECK_EQ (signals.added + signals.removed, 0);
  kill9 (pid);
  store_end (store);
}

static void
a_new_generation_is_a_change (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  LOOP_UNTIL (has_slot (store, "cam0"));
  CHECK_EQ (lookup (store, "cam0")->stat.generation, 1);
  events_alone (store);
  options.format = "test/other-frames";
  options.format_size = 17;
  options.frame_size = 16384;
  CHECK_EQ (fc_writer_renew (writer, &options), 1);
  LOOP_UNTIL (lookup (store, "cam0")->stat.generation == 2);
  CHECK_STR (lookup (store, "cam0")->format, "test/other-frames");
  CHECK_EQ (lookup (store, "cam0")->stat.frame_size, 16384);
  CHECK_EQ (signals.added, 1);
  CHECK_EQ (signals.changed, 1);
  CHECK_EQ (signals.removed, 0);
  store_end (store);
}

static void
a_ring_made_anew_is_looked_at_anew (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  LOOP_UNTIL (has_slot (store, "cam0"));
  events_alone (store);
  /* Another format of the same size, in a first generation again. */
  fc_writer_close (writer);
  options.format = "best/frames";
  writer = writer_new ("cam0", &options);
  LOOP_UNTIL (has_slot (store, "cam0")
              && strcmp (lookup (store, "cam0")->format, "best/frames") == 0);
  fc_writer_close (writer);
  store_end (store);
}

static void
a_format_that_comes_later_is_seen (void)
{
  signals_t signals = { 0 };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  FcrStore *store;

  options.format = NULL;
  options.format_size = 0;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  store = store_new (&signals);
  CHECK (is_state (store, "cam0", FCR_STATE_RESERVED));
  CHECK_STR (lookup (store, "cam0")->format, "");
  options = small_ring ();
  writer = writer_new ("cam0", &options);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  LOOP_UNTIL (strcmp (lookup (store, "cam0")->format, "test/frames") == 0);
  put (writer, 1);
  fc_writer_close (writer);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_EOS));
  CHECK_EQ (signals.added, 1);
  CHECK_EQ (signals.removed, 0);
  store_end (store);
}

static void
a_format_that_is_no_text_is_none (void)
{
  const char *const formats[] = { "caf\xe9", "a\0b", "\xff\xfe" };
  const uint32_t sizes[] = { 4, 3, 2 };
  FcrStore *store = store_new (NULL);

  for (size_t i = 0; i < 3; i++)
    {
      fc_writer_options_t options = small_ring ();
      fc_writer_t *writer;

      options.format = formats[i];
      options.format_size = sizes[i];
      writer = writer_new ("cam0", &options);
      LOOP_UNTIL (has_slot (store, "cam0"));
      CHECK_STR (lookup (store, "cam0")->format, "");
      CHECK_EQ (lookup (store, "cam0")->stat.format_size, sizes[i]);
      fc_writer_close (writer);
      LOOP_UNTIL (!has_slot (store, "cam0"));
    }
  store_end (store);
}

/* States ------------------------------------------------------------------- */

static void
a_writer_that_gives_no_frame_is_stalled (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_STALLED));
  put (writer, 1);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_STALLED));
  CHECK (lookup (store, "cam0")->frame_rate == 0);
  fc_writer_close (writer);
  store_end (store);
}

static void
states_have_names (void)
{
  CHECK_STR (fcr_state_name (FCR_STATE_RESERVED), "reserved");
  CHECK_STR (fcr_state_name (FCR_STATE_LIVE), "live");
  CHECK_STR (fcr_state_name (FCR_STATE_STALLED), "stalled");
  CHECK_STR (fcr_state_name (FCR_STATE_EOS), "eos");
  CHECK_STR (fcr_state_name (FCR_STATE_LOST), "lost");
}

/* Changes ------------------------------------------------------------------ */

typedef struct
{
  FcrSlot before;
} told_t;

/* Something that is no cursor and no counter has to be another. */
static void
check_change (FcrStore *store, FcrSlot *slot, told_t *told)
{
  CHECK (slot->state != told->before.state
         || slot->frame_rate != told->before.frame_rate
         || slot->bit_rate != told->before.bit_rate
         || slot->stat.consumers != told->before.stat.consumers
         || slot->stat.bytes_allocated != told->before.stat.bytes_allocated
         || slot->stat.epoch != told->before.stat.epoch);
  told->before = *slot;
}

static void
cursors_alone_are_no_change (void)
{
  told_t told = { 0 };
  pid_t pid = spawn_writer ("cam0", 20);
  FcrStore *store = store_new (NULL);
  uint64_t head;

  told.before = *lookup (store, "cam0");
  head = told.before.stat.head;
  g_signal_connect (store, "slot-changed", G_CALLBACK (check_change), &told);
  LOOP_UNTIL (lookup (store, "cam0")->frame_rate > 0);
  LOOP_UNTIL (lookup (store, "cam0")->stat.head > head + 200);
  kill9 (pid);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LOST));
  store_end (store);
}

static void
nothing_is_told_of_slots_at_rest (void)
{
  signals_t signals = { 0 };
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  FcrStore *store;
  guint since;

  CHECK_OK (fc_slot_reserve ("reserved", &options));
  CHECK_OK (fc_slot_reserve ("ended", &options));
  writer = writer_new ("ended", &options);
  put (writer, 4);
  fc_writer_close (writer);
  kill9 (spawn_writer ("lost", 0));
  consumer = consumer_new ("lost", FC_START_OLDEST);
  store = store_new (&signals);
  CHECK_EQ (fcr_store_n_slots (store), 3);
  since = ticks (store);
  /* Beyond a round, with its collecting. */
  LOOP_UNTIL (ticks (store) >= since + 11);
  CHECK_EQ (signals.added, 3);
  CHECK_EQ (signals.changed, 0);
  CHECK_EQ (signals.removed, 0);
  CHECK_EQ (signals.attached, 1);
  fc_consumer_close (consumer);
  store_end (store);
}

static void
a_second_has_one_change (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  guint since;

  LOOP_UNTIL (has_slot (store, "cam0"));
  since = ticks (store);
  for (int i = 0; i < 200; i++)
    {
      fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);

      fcr_store_refresh (store, lookup (store, "cam0"));
      loop_once ();
      fc_writer_set_latency (writer, (uint64_t) i);
      fc_consumer_close (consumer);
      fcr_store_refresh (store, lookup (store, "cam0"));
      loop_once ();
    }
  CHECK_CMP (signals.changed, <=, ticks (store) - since);
  LOOP_UNTIL (lookup (store, "cam0")->stat.latency_ns == 199);
  LOOP_UNTIL (signals.changed > 0);
  fc_writer_close (writer);
  store_end (store);
}

static void
a_look_tells_what_is_so_now (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  FcrSlot *slot;

  LOOP_UNTIL (has_slot (store, "cam0"));
  events_alone (store);
  slot = lookup (store, "cam0");
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put (writer, 3);
  fcr_store_refresh (store, slot);
  CHECK_EQ (slot->stat.head, 3);
  CHECK_EQ (slot->consumers->len, 1);
  CHECK_EQ (g_array_index (slot->consumers, FcrConsumer, 0).lag, 3);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  /* It is gone, but not under the hands of who asked. */
  fcr_store_refresh (store, slot);
  CHECK_STR (slot->name, "cam0");
  LOOP_UNTIL (!has_slot (store, "cam0"));
  store_end (store);
}

static void
a_change_that_a_look_found_is_told (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  pid_t pid = spawn_writer ("cam0", 10);

  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  events_alone (store);
  signals.changed = 0;
  kill9 (pid);
  WAIT_UNTIL (slot_stat ("cam0").state == FC_STATE_LOST);
  fcr_store_refresh (store, lookup (store, "cam0"));
  CHECK (is_state (store, "cam0", FCR_STATE_LOST));
  CHECK_EQ (signals.changed, 0);
  LOOP_UNTIL (signals.changed == 1);
  store_end (store);
}

/* Consumers ---------------------------------------------------------------- */

static void
consumers_are_told_of (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t reading = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  FcrConsumer seen;

  reading.name = "the reader";
  consumer = consumer_with ("cam0", &reading);
  LOOP_UNTIL (signals.attached == 1);
  CHECK_EQ (lookup (store, "cam0")->consumers->len, 1);
  seen = g_array_index (lookup (store, "cam0")->consumers, FcrConsumer, 0);
  CHECK_EQ (seen.stat.pid, getpid ());
  CHECK_EQ (seen.stat.uid, geteuid ());
  CHECK_STR (seen.stat.name, "the reader");
  put (writer, 2);
  LOOP_UNTIL (lookup (store, "cam0")->stat.head == 2);
  seen = g_array_index (lookup (store, "cam0")->consumers, FcrConsumer, 0);
  CHECK_EQ (seen.lag, 2);
  fc_consumer_close (consumer);
  LOOP_UNTIL (signals.detached == 1);
  CHECK_EQ (lookup (store, "cam0")->consumers->len, 0);
  CHECK_EQ (signals.attached, 1);
  CHECK_EQ (signals.lapped, 0);
  fc_writer_close (writer);
  store_end (store);
}

static void
what_a_lap_cost_is_told_exactly (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0, dropped;

  LOOP_UNTIL (signals.attached == 1);
  for (int i = 0; i < 3; i++)
    {
      put (writer, 10);
      CHECK_EQ (drain (consumer, &next), FC_TIMEOUT);
      dropped = fc_consumer_dropped (consumer);
      CHECK (dropped > 0);
      LOOP_UNTIL (signals.dropped == dropped);
    }
  CHECK (signals.lapped <= 3);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  store_end (store);
}

static void
a_place_taken_by_another_is_another (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);

  LOOP_UNTIL (signals.attached == 1);
  fc_consumer_close (consumer);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  LOOP_UNTIL (signals.attached == 2);
  CHECK_EQ (signals.detached, 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  store_end (store);
}

/* Many --------------------------------------------------------------------- */

static void
hundreds_of_slots_come_and_go (void)
{
  enum
  {
    N = 300
  };
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = small_ring ();
  char name[16];

  options.frame_size = 64;
  options.ring_depth = 2;
  options.max_consumers = 1;
  for (int i = 0; i < N; i++)
    {
      snprintf (name, sizeof name, "r%d", i);
      CHECK_OK (fc_slot_reserve (name, &options));
    }
  LOOP_UNTIL (fcr_store_n_slots (store) == N);
  for (int i = 0; i < N; i++)
    {
      snprintf (name, sizeof name, "r%d", i);
      CHECK_OK (fc_slot_remove (test_dir, name, 0));
    }
  LOOP_UNTIL (fcr_store_n_slots (store) == 0);
  CHECK_EQ (signals.added, N);
  CHECK_EQ (signals.removed, N);
  store_end (store);
}

static const test_t tests[] = {
  TEST (a_slot_comes_and_goes),
  TEST (slots_that_are_there_are_seen_at_start),
  TEST (a_slot_is_whole_while_its_end_is_told),
  TEST (a_killed_writer_is_lost),
  TEST (a_new_generation_is_a_change),
  TEST (a_ring_made_anew_is_looked_at_anew),
  TEST (a_format_that_comes_later_is_seen),
  TEST (a_format_that_is_no_text_is_none),
  TEST (a_writer_that_gives_no_frame_is_stalled),
  TEST (states_have_names),
  TEST (cursors_alone_are_no_change),
  TEST (nothing_is_told_of_slots_at_rest),
  TEST (a_second_has_one_change),
  TEST (a_look_tells_what_is_so_now),
  TEST (a_change_that_a_look_found_is_told),
  TEST (consumers_are_told_of),
  TEST (what_a_lap_cost_is_told_exactly),
  TEST (a_place_taken_by_another_is_another),
  TEST (hundreds_of_slots_come_and_go),
};

TEST_MAIN (tests)
