/* The store: slots that are reserved, the budget, and what is collected.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fcr-test.h"

static void
reserve (const char *name, uint32_t depth)
{
  fc_writer_options_t options = small_ring ();

  options.ring_depth = depth;
  CHECK_OK (fc_slot_reserve (name, &options));
}

static void
check_remove_fails (FcrStore *store, const char *name, int code,
                    const char *part)
{
  g_autoptr (GError) error = NULL;

  CHECK (!remove_slot (store, name, false, &error));
  CHECK_ERROR (error, code, part);
}

/* Creating and removing ---------------------------------------------------- */

static void
a_slot_is_created_as_asked (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_plan_t plan = { .struct_size = sizeof plan };
  FcrSlot *slot;

  options.frame_size = 12345;
  options.ring_depth = 7;
  options.max_consumers = 3;
  options.leases = 5;
  options.writer_cells = 6;
  options.format = "test/frames";
  options.format_size = 11;
  slot = create (store, "cam0", &options, NULL);
  CHECK (slot != NULL);
  CHECK_EQ (signals.added, 1);
  CHECK_EQ (slot->state, FCR_STATE_RESERVED);
  CHECK_EQ (slot->stat.reserved, 1);
  CHECK_EQ (slot->stat.frame_size, 12345);
  CHECK_EQ (slot->stat.ring_depth, 7);
  CHECK_EQ (slot->stat.max_consumers, 3);
  CHECK_EQ (slot->stat.leases, 5);
  CHECK_EQ (slot->stat.writer_cells, 6);
  CHECK_STR (slot->format, "test/frames");
  CHECK (is_kept ("cam0"));
  options.dir = test_dir;
  CHECK_OK (fc_plan (&options, &plan));
  CHECK_EQ (slot->stat.bytes_planned, plan.bytes_planned);
  CHECK_EQ (fcr_store_bytes_used (store), plan.bytes_planned);
  CHECK (remove_slot (store, "cam0", false, NULL));
  CHECK_EQ (signals.removed, 1);
  CHECK (!is_kept ("cam0"));
  CHECK (!exists (in_dir ("cam0.ring")));
  store_end (store);
}

static void
a_slot_there_is_is_not_created (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("live", &options);

  create_ok (store, "cam0");
  check_create_fails (store, "cam0", &options, FCR_ERROR_EXISTS, "cam0 exists");
  /* Not seen yet, or never: the worker looks itself. */
  check_create_fails (store, "live", &options, FCR_ERROR_EXISTS, "live exists");
  CHECK (!is_kept ("live"));
  CHECK (g_file_set_contents (in_dir ("junk.ring"), "junk", 4, NULL));
  log_catch ();
  check_create_fails (store, "junk", &options, FCR_ERROR_FAILED,
                      "not a framecache ring");
  CHECK (!is_kept ("junk"));
  CHECK (is_kept ("cam0"));
  fc_writer_close (writer);
  store_end (store);
}

static void
what_is_no_name_is_refused (void)
{
  static const char *const names[] = {
    "",
    ".",
    "..",
    "../cam0",
    "a/b",
    "/etc/passwd",
    "-x",
    ".hidden",
    "cam 0",
    "cam\n0",
    "c\x1b[31m",
    "caf\xc3\xa9",
    "caf\xe9",
    "cam0\x7f",
    "a123456789012345678901234567890123456789012345678901234567890123",
  };
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  unsigned files = count_files (test_dir);

  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;

      check_create_fails (store, names[i], &options, FCR_ERROR_INVALID_NAME,
                          "is no slot name");
      CHECK (!remove_slot (store, names[i], true, &error));
      CHECK_ERROR (error, FCR_ERROR_INVALID_NAME, "is no slot name");
      CHECK (g_str_is_ascii (error->message) && !strchr (error->message, 27));
    }
  CHECK_EQ (count_files (test_dir), files);
  CHECK (fcr_is_name (
      "a12345678901234567890123456789012345678901234567890123456789.-_"));
  store_end (store);
}

static void
numbers_that_will_not_do_are_refused (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();

  options.frame_size = 0;
  check_create_fails (store, "cam0", &options, FCR_ERROR_INVALID_ARGUMENT,
                      "frame size");
  options = small_ring ();
  options.ring_depth = 1;
  check_create_fails (store, "cam0", &options, FCR_ERROR_INVALID_ARGUMENT,
                      "depth of 2");
  options = small_ring ();
  options.ring_depth = 65535;
  check_create_fails (store, "cam0", &options, FCR_ERROR_INVALID_ARGUMENT,
                      "65535");
  options = small_ring ();
  options.trust = FC_SHARE_ALL;
  check_create_fails (store, "cam0", &options, FCR_ERROR_INVALID_ARGUMENT,
                      "trust");
  options = small_ring ();
  options.access = FC_SHARE_ALL;
  check_create_fails (store, "cam0", &options, FCR_ERROR_NOT_PERMITTED,
                      "wider than the slot directory");
  CHECK_EQ (fcr_store_n_slots (store), 0);
  CHECK (!is_kept ("cam0"));
  store_end (store);
}

static void
what_there_is_not_is_not_removed (void)
{
  FcrStore *store = store_new (NULL);

  check_remove_fails (store, "cam0", FCR_ERROR_NOT_FOUND, "no slot cam0");
  store_end (store);
}

static void
a_slot_with_a_writer_stays_unless_forced (void)
{
  FcrStore *store = store_new (NULL);
  pid_t pid;

  create_ok (store, "cam0");
  pid = spawn_writer ("cam0", 5);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LIVE));
  check_remove_fails (store, "cam0", FCR_ERROR_BUSY, "live writer");
  CHECK (is_kept ("cam0"));
  CHECK (has_slot (store, "cam0"));
  CHECK (remove_slot (store, "cam0", true, NULL));
  CHECK (!is_kept ("cam0"));
  CHECK (!has_slot (store, "cam0"));
  /* Its writer learns it. */
  CHECK (reap (pid) != 0);
  store_end (store);
}

static void
a_plain_slot_is_removed_too (void)
{
  FcrStore *store = store_new (NULL);

  kill9 (spawn_writer ("cam0", 0));
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_LOST));
  CHECK (remove_slot (store, "cam0", false, NULL));
  CHECK (!has_slot (store, "cam0"));
  store_end (store);
}

static void
a_state_file_that_fails_is_an_error (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();

  create_ok (store, "cam0");
  CHECK_EQ (mkdir (in_dir ("state/registry.json.new"), 0700), 0);
  check_create_fails (store, "cam1", &options, FCR_ERROR_FAILED,
                      "can not write the state file");
  CHECK (!exists (in_dir ("cam1.ring")));
  check_remove_fails (store, "cam0", FCR_ERROR_FAILED,
                      "can not write the state file");
  CHECK (has_slot (store, "cam0"));
  CHECK_EQ (rmdir (in_dir ("state/registry.json.new")), 0);
  create_ok (store, "cam1");
  CHECK (remove_slot (store, "cam0", false, NULL));
  CHECK (is_kept ("cam1") && !is_kept ("cam0"));
  store_end (store);
}

/* Owners ------------------------------------------------------------------- */

static void
keep_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
create_for (FcrStore *store, uid_t owner, FcrSlot **slot, GError **error)
{
  fc_writer_options_t options = small_ring ();
  g_autoptr (GAsyncResult) result = NULL;

  fcr_store_create (store, "cam0", &options, owner, keep_result, &result);
  LOOP_UNTIL (result != NULL);
  *slot = fcr_store_create_finish (store, result, error);
}

static void
a_slot_is_made_for_its_owner (void)
{
  g_autoptr (GError) error = NULL;
  FcrStore *store;
  FcrSlot *slot;

  if (!am_root ())
    test_skip ("only root may give files away");
  store = store_new (NULL);
  create_for (store, NOBODY, &slot, &error);
  CHECK (slot != NULL);
  CHECK_EQ (slot->stat.owner, NOBODY);
  store_end (store);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  store = store_new (NULL);
  LOOP_UNTIL (has_slot (store, "cam0"));
  CHECK_EQ (lookup (store, "cam0")->stat.owner, NOBODY);
  store_end (store);
}

static void
who_may_not_give_files_away_is_told (void)
{
  g_autoptr (GError) error = NULL;
  FcrStoreOptions options = store_options ();
  FcrStore *store;
  FcrSlot *slot;

  CHECK_EQ (chmod (test_dir, 0755), 0);
  CHECK_EQ (mkdir (in_dir ("mine"), 0700), 0);
  if (am_root ())
    {
      CHECK_EQ (chown (in_dir ("mine"), NOBODY, NOBODY), 0);
      become_nobody ();
    }
  options.directory = in_dir ("mine");
  options.state_file = NULL;
  store = store_with (&options, NULL);
  create_for (store, geteuid () + 1, &slot, &error);
  CHECK (slot == NULL);
  CHECK_ERROR (error, FCR_ERROR_NOT_PERMITTED, "to user");
  CHECK_EQ (fcr_store_n_slots (store), 0);
  store_end (store);
}

/* Across lives ------------------------------------------------------------- */

static void
reserved_slots_are_made_again (void)
{
  fc_writer_options_t options = small_ring ();
  signals_t signals = { 0 };
  FcrStore *store = store_new (NULL);

  options.ring_depth = 9;
  CHECK (create (store, "cam0", &options, NULL) != NULL);
  create_ok (store, "cam1");
  create_ok (store, "cam2");
  CHECK (remove_slot (store, "cam2", false, NULL));
  store_end (store);
  /* As after a reboot. */
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  CHECK_OK (fc_slot_remove (test_dir, "cam1", 0));
  store = store_new (&signals);
  LOOP_UNTIL (fcr_store_n_slots (store) == 2);
  CHECK_EQ (lookup (store, "cam0")->stat.ring_depth, 9);
  CHECK_STR (lookup (store, "cam0")->format, "test/frames");
  CHECK (is_kept ("cam0") && is_kept ("cam1") && !is_kept ("cam2"));
  store_end (store);
  /* And as after a mere restart. */
  signals = (signals_t){ 0 };
  store = store_new (&signals);
  CHECK_EQ (signals.added, 2);
  store_end (store);
}

static void
reserved_slots_are_left_to_their_writers (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (NULL);
  pid_t pid;
  guint since;

  create_ok (store, "cam0");
  pid = spawn_writer ("cam0", 20);
  store_end (store);
  store = store_new (&signals);
  CHECK (is_state (store, "cam0", FCR_STATE_LIVE));
  since = ticks (store);
  LOOP_UNTIL (ticks (store) >= since + 3);
  CHECK_EQ (lookup (store, "cam0")->stat.generation, 1);
  CHECK_EQ (signals.removed, 0);
  kill9 (pid);
  store_end (store);
}

/* A writer that came first after a reboot made a slot that is not reserved. */
static void
a_place_that_is_taken_is_waited_for (void)
{
  FcrStore *store = store_new (NULL);
  pid_t pid;

  create_ok (store, "cam0");
  store_end (store);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  pid = spawn_writer ("cam0", 20);
  log_catch ();
  store = store_new (NULL);
  CHECK_EQ (lookup (store, "cam0")->stat.reserved, 0);
  LOOP_UNTIL (log_count ("could not be made") == 1);
  kill9 (pid);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_RESERVED));
  CHECK (is_kept ("cam0"));
  CHECK_EQ (log_count (""), 1);
  store_end (store);
}

/* Others' hands ------------------------------------------------------------ */

static void
slots_that_others_reserved_are_kept (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStore *store;

  reserve ("before", 5);
  store = store_new (NULL);
  LOOP_UNTIL (is_kept ("before"));
  reserve ("while", 6);
  LOOP_UNTIL (is_kept ("while"));
  writer_new ("plain", &options);
  LOOP_UNTIL (has_slot (store, "plain"));
  create_ok (store, "last");
  CHECK (is_kept ("last") && !is_kept ("plain"));
  store_end (store);
  CHECK_OK (fc_slot_remove (test_dir, "before", 0));
  CHECK_OK (fc_slot_remove (test_dir, "while", 0));
  store = store_new (NULL);
  LOOP_UNTIL (has_slot (store, "before") && has_slot (store, "while"));
  CHECK_EQ (lookup (store, "before")->stat.ring_depth, 5);
  CHECK_STR (lookup (store, "while")->format, "test/frames");
  store_end (store);
}

static void
a_slot_that_others_made_anew_is_kept_so (void)
{
  FcrStore *store = store_new (NULL);

  create_ok (store, "cam0");
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  reserve ("cam0", 11);
  LOOP_UNTIL (has_slot (store, "cam0")
              && lookup (store, "cam0")->stat.ring_depth == 11);
  create_ok (store, "cam1");
  store_end (store);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  store = store_new (NULL);
  LOOP_UNTIL (has_slot (store, "cam0"));
  CHECK_EQ (lookup (store, "cam0")->stat.ring_depth, 11);
  store_end (store);
}

/* Its user has it made again, and no other could. */
static void
a_slot_of_another_user_is_not_kept (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStore *store;

  if (!am_root ())
    test_skip ("only root may become another user");
  CHECK_EQ (chmod (test_dir, 01777), 0);
  options.access = FC_SHARE_ALL;
  CHECK_OK (fc_slot_reserve ("theirs", &options));
  CHECK_EQ (mkdir (in_dir ("state"), 0700), 0);
  CHECK_EQ (chown (in_dir ("state"), NOBODY, NOBODY), 0);
  become_nobody ();
  reserve ("mine", 4);
  store = store_new (NULL);
  LOOP_UNTIL (is_kept ("mine"));
  CHECK (has_slot (store, "theirs"));
  create_ok (store, "more");
  CHECK (!is_kept ("theirs"));
  store_end (store);
}

static void
a_format_that_a_writer_gave_is_not_kept (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  FcrStore *store;

  options.format = NULL;
  options.format_size = 0;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  options = small_ring ();
  writer = writer_new ("cam0", &options);
  store = store_new (NULL);
  LOOP_UNTIL (is_kept ("cam0"));
  fc_writer_close (writer);
  store_end (store);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  store = store_new (NULL);
  LOOP_UNTIL (has_slot (store, "cam0"));
  CHECK_STR (lookup (store, "cam0")->format, "");
  store_end (store);
}

static void
a_slot_that_others_removed_is_forgotten (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);

  create_ok (store, "cam0");
  create_ok (store, "cam1");
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  LOOP_UNTIL (signals.removed == 1);
  CHECK (is_kept ("cam0"));
  LOOP_UNTIL (!is_kept ("cam0"));
  CHECK (is_kept ("cam1"));
  CHECK_EQ (signals.added, 2);
  CHECK_EQ (signals.removed, 1);
  store_end (store);
}

static void
a_slot_that_comes_back_soon_is_not_forgotten (void)
{
  signals_t signals = { 0 };
  FcrStore *store = store_new (&signals);
  guint since;

  create_ok (store, "cam0");
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  LOOP_UNTIL (signals.removed == 1);
  since = ticks (store);
  LOOP_UNTIL (ticks (store) >= since + 2);
  CHECK (is_kept ("cam0"));
  reserve ("cam0", 4);
  LOOP_UNTIL (signals.added == 2);
  since = ticks (store);
  LOOP_UNTIL (ticks (store) >= since + 7);
  CHECK (is_kept ("cam0"));
  store_end (store);
}

static void
a_forgotten_slot_can_be_created_again (void)
{
  FcrStore *store = store_new (NULL);

  create_ok (store, "cam0");
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  LOOP_UNTIL (!has_slot (store, "cam0"));
  CHECK (is_kept ("cam0"));
  create_ok (store, "cam0");
  CHECK (is_kept ("cam0"));
  store_end (store);
}

static const test_t tests[] = {
  TEST (a_slot_is_created_as_asked),
  TEST (a_slot_there_is_is_not_created),
  TEST (what_is_no_name_is_refused),
  TEST (numbers_that_will_not_do_are_refused),
  TEST (what_there_is_not_is_not_removed),
  TEST (a_slot_with_a_writer_stays_unless_forced),
  TEST (a_plain_slot_is_removed_too),
  TEST (a_state_file_that_fails_is_an_error),
  TEST (a_slot_is_made_for_its_owner),
  TEST (who_may_not_give_files_away_is_told),
  TEST (reserved_slots_are_made_again),
  TEST (reserved_slots_are_left_to_their_writers),
  TEST (a_place_that_is_taken_is_waited_for),
  TEST (slots_that_others_reserved_are_kept),
  TEST (a_slot_that_others_made_anew_is_kept_so),
  TEST (a_slot_of_another_user_is_not_kept),
  TEST (a_format_that_a_writer_gave_is_not_kept),
  TEST (a_slot_that_others_removed_is_forgotten),
  TEST (a_slot_that_comes_back_soon_is_not_forgotten),
  TEST (a_forgotten_slot_can_be_created_again),
};

TEST_MAIN (tests)
