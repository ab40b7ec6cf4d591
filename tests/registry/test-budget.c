/* The store: the budget, its worker, and what is collected.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fcr-test.h"

/* The budget --------------------------------------------------------------- */

static uint64_t
planned (const fc_writer_options_t *options)
{
  fc_plan_t plan = { .struct_size = sizeof plan };

  CHECK_OK (fc_plan (options, &plan));
  return plan.bytes_planned;
}

static void
count_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  unsigned *counts = user_data;
  g_autoptr (GError) error = NULL;

  if (fcr_store_create_finish (FCR_STORE (source), result, &error) != NULL)
    counts[0]++;
  else if (g_error_matches (error, FCR_ERROR, FCR_ERROR_OVER_BUDGET))
    counts[1]++;
  else if (g_error_matches (error, FCR_ERROR, FCR_ERROR_BUSY))
    counts[2]++;
  else
    test_fail (__FILE__, __LINE__, "%s", error->message);
}

static void
the_budget_bounds_what_is_in_flight_too (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStoreOptions with = store_options ();
  unsigned counts[3] = { 0 };
  g_autoptr (GError) error = NULL;
  FcrStore *store;
  char part[64];

  with.budget = 3 * planned (&options) + 100;
  store = store_with (&with, NULL);
  CHECK_EQ (fcr_store_budget (store), with.budget);
  for (int i = 0; i < 10; i++)
    fcr_store_create (store, in_dir ("cam%d", i) + strlen (test_dir) + 1,
                      &options, geteuid (), count_result, counts);
  LOOP_UNTIL (counts[0] + counts[1] == 10);
  CHECK_EQ (counts[0], 3);
  CHECK_EQ (fcr_store_bytes_used (store), 3 * planned (&options));

  /* It names the bytes used, those asked for, and the budget. */
  CHECK (create (store, "more", &options, &error) == NULL);
  snprintf (part, sizeof part, "take %" PRIu64 " bytes", planned (&options));
  CHECK_ERROR (error, FCR_ERROR_OVER_BUDGET, part);
  snprintf (part, sizeof part, "take %" PRIu64 " of", 3 * planned (&options));
  CHECK_ERROR (error, FCR_ERROR_OVER_BUDGET, part);
  snprintf (part, sizeof part, "budget of %" PRIu64 ":", with.budget);
  CHECK_ERROR (error, FCR_ERROR_OVER_BUDGET, part);
  CHECK (!exists (in_dir ("more.lock")));
  CHECK (remove_slot (store, "cam0", false, NULL));
  create_ok (store, "more");
  store_end (store);
}

static void
what_failed_takes_no_budget (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStoreOptions with = store_options ();
  FcrStore *store;

  log_catch ();
  CHECK (g_file_set_contents (in_dir ("junk.ring"), "junk", 4, NULL));
  with.budget = planned (&options);
  store = store_with (&with, NULL);
  for (int i = 0; i < 3; i++)
    check_create_fails (store, "junk", &options, FCR_ERROR_FAILED, "not a");
  create_ok (store, "cam0");
  store_end (store);
}

static void
the_budget_counts_slots_of_others_and_any_format (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStoreOptions with = store_options ();
  FcrStore *store;

  with.budget = 2 * planned (&options);
  writer_new ("live", &options);
  store = store_with (&with, NULL);
  /* A slot without a format has room for any, a MiB. */
  options.format = NULL;
  options.format_size = 0;
  check_create_fails (store, "cam0", &options, FCR_ERROR_OVER_BUDGET, "cam0");
  create_ok (store, "cam0");
  options = small_ring ();
  check_create_fails (store, "cam1", &options, FCR_ERROR_OVER_BUDGET, "cam1");
  store_end (store);
}

static void
reserved_slots_over_the_budget_wait (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStoreOptions with = store_options ();
  FcrStore *store = store_new (NULL);

  create_ok (store, "cam0");
  create_ok (store, "cam1");
  store_end (store);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  CHECK_OK (fc_slot_remove (test_dir, "cam1", 0));
  with.budget = planned (&options);
  log_catch ();
  store = store_with (&with, NULL);
  LOOP_UNTIL (fcr_store_n_slots (store) == 1);
  CHECK_EQ (log_count ("is not made for now"), 1);
  CHECK (is_kept ("cam0") && is_kept ("cam1"));
  /* Where there is room again, the other one is made. */
  CHECK (remove_slot (store, has_slot (store, "cam0") ? "cam0" : "cam1", false,
                      NULL));
  CHECK_EQ (fcr_store_n_slots (store), 0);
  LOOP_UNTIL (fcr_store_n_slots (store) == 1);
  CHECK_EQ (log_count (""), 1);
  store_end (store);
}

static void
a_full_file_system_is_told_before_anything_is_made (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStoreOptions with = store_options ();
  g_autoptr (GError) error = NULL;
  FcrStore *store;

  CHECK_EQ (mkdir (in_dir ("small"), 0700), 0);
  mount_tmpfs (in_dir ("small"), 1 << 20, 0);
  with.directory = options.dir = in_dir ("small");
  store = store_with (&with, NULL);
  options.frame_size = 1 << 20;
  CHECK (create (store, "cam0", &options, &error) == NULL);
  CHECK_ERROR (error, FCR_ERROR_NO_SPACE, in_dir ("small"));
  CHECK_ERROR (error, FCR_ERROR_NO_SPACE, "1048576");
  CHECK_EQ (count_files (in_dir ("small")), 0);
  CHECK (!exists (state_path ()));
  store_end (store);
}

/* The worker --------------------------------------------------------------- */

static void
more_than_can_wait_is_refused (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  unsigned counts[3] = { 0 };
  char name[16];

  for (int i = 0; i < 100; i++)
    {
      snprintf (name, sizeof name, "cam%d", i);
      fcr_store_create (store, name, &options, geteuid (), count_result,
                        counts);
    }
  LOOP_UNTIL (counts[0] + counts[2] == 100);
  CHECK_EQ (counts[0], 64);
  CHECK_EQ (fcr_store_n_slots (store), 64);
  create_ok (store, "more");
  store_end (store);
}

static void
what_is_asked_at_the_end_is_answered (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  unsigned counts[3] = { 0 };
  char name[16];

  for (int i = 0; i < 20; i++)
    {
      snprintf (name, sizeof name, "cam%d", i);
      fcr_store_create (store, name, &options, geteuid (), count_result,
                        counts);
    }
  fcr_store_stop (store);
  fcr_store_create (store, "late", &options, geteuid (), count_result, counts);
  store_end (store);
  CHECK_EQ (counts[0] + counts[2], 21);
  CHECK (counts[2] > 0);
  for (int i = 0; i < 20; i++)
    {
      snprintf (name, sizeof name, "cam%d", i);
      CHECK_EQ (exists (in_dir ("%s.ring", name)), is_kept (name));
    }
}

/* Collecting --------------------------------------------------------------- */

static void
what_crashes_left_is_collected (void)
{
  FcrStore *store = store_new (NULL);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *live = writer_new ("live", &options);
  g_auto (GStrv) names = NULL;
  g_auto (GStrv) again = NULL;
  pid_t pid;

  create_ok (store, "reserved");
  pid = spawn_writer ("dead.0", 0);
  LOOP_UNTIL (is_state (store, "dead.0", FCR_STATE_LIVE));
  CHECK (g_file_set_contents (in_dir (".half.tmp.0123456789abcdef"), "x", 1,
                              NULL));
  CHECK (g_file_set_contents (in_dir ("half.lock"), "", 0, NULL));
  kill9 (pid);
  names = collect (store);
  CHECK_EQ (g_strv_length (names), 2);
  CHECK_STR (names[0], "dead.0");
  CHECK_STR (names[1], "half");
  LOOP_UNTIL (!has_slot (store, "dead.0"));
  CHECK (is_state (store, "live", FCR_STATE_LIVE)
         || is_state (store, "live", FCR_STATE_STALLED));
  CHECK (has_slot (store, "reserved"));
  CHECK (!exists (in_dir (".half.tmp.0123456789abcdef")));
  again = collect (store);
  CHECK_EQ (g_strv_length (again), 0);
  fc_writer_close (live);
  store_end (store);
}

static void
a_ring_is_left_for_the_next_writer_for_a_while (void)
{
  FcrStoreOptions options = store_options ();
  FcrStore *store;
  guint since;

  kill9 (spawn_writer ("cam0", 0));
  options.collect_after = 3600;
  store = store_with (&options, NULL);
  since = ticks (store);
  LOOP_UNTIL (ticks (store) >= since + 11);
  CHECK (is_state (store, "cam0", FCR_STATE_LOST));
  store_end (store);
  options.collect_after = 1;
  store = store_with (&options, NULL);
  LOOP_UNTIL (!has_slot (store, "cam0"));
  CHECK (!exists (in_dir ("cam0.ring")));
  store_end (store);
}

static const test_t tests[] = {
  TEST (the_budget_bounds_what_is_in_flight_too),
  TEST (what_failed_takes_no_budget),
  TEST (the_budget_counts_slots_of_others_and_any_format),
  TEST (reserved_slots_over_the_budget_wait),
  TEST (a_full_file_system_is_told_before_anything_is_made),
  TEST (more_than_can_wait_is_refused),
  TEST (what_is_asked_at_the_end_is_answered),
  TEST (what_crashes_left_is_collected),
  TEST (a_ring_is_left_for_the_next_writer_for_a_while),
};

TEST_MAIN (tests)
