/* The store: directories that come and go, and files that are no slots.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sched.h>

#include "fcr-test.h"

/* Directories -------------------------------------------------------------- */

static FcrStore *
store_in (const char *dir, signals_t *signals)
{
  FcrStoreOptions options = store_options ();

  options.directory = dir;
  return store_with (&options, signals);
}

static void
a_directory_that_comes_later_is_awaited (void)
{
  const char *dir = in_dir ("later");
  fc_writer_options_t options = small_ring ();
  signals_t signals = { 0 };
  FcrStore *store = store_in (dir, &signals);

  options.dir = dir;
  events_alone (store);
  for (unsigned i = 1; i <= 3; i++)
    {
      fc_writer_t *writer;

      CHECK_EQ (mkdir (dir, 0700), 0);
      writer = writer_new ("cam0", &options);
      LOOP_UNTIL (signals.added == i);
      remove_tree (dir);
      LOOP_UNTIL (signals.removed == i);
      fc_writer_close (writer);
    }
  store_end (store);
}

static void
a_directory_deep_down_is_found_by_and_by (void)
{
  const char *dir = in_dir ("not/yet/there");
  fc_writer_options_t options = small_ring ();
  FcrStore *store = store_in (dir, NULL);

  CHECK_EQ (g_mkdir_with_parents (dir, 0700), 0);
  options.dir = dir;
  writer_new ("cam0", &options);
  LOOP_UNTIL (has_slot (store, "cam0"));
  store_end (store);
}

static void
what_is_reserved_waits_for_the_directory (void)
{
  const char *dir = in_dir ("later");
  FcrStore *store;

  CHECK_EQ (mkdir (dir, 0700), 0);
  store = store_in (dir, NULL);
  create_ok (store, "cam0");
  store_end (store);
  remove_tree (dir);
  log_catch ();
  store = store_in (dir, NULL);
  CHECK_EQ (log_count ("is not made for now"), 1);
  events_alone (store);
  CHECK_EQ (mkdir (dir, 0700), 0);
  LOOP_UNTIL (is_state (store, "cam0", FCR_STATE_RESERVED));
  store_end (store);
}

/* Of the usual directories, which are a test's own where it has a /dev/shm of
 * its own. */
static void
a_slot_in_the_first_directory_hides_another (void)
{
  fc_writer_options_t options = small_ring ();
  FcrStoreOptions with = { .directory = NULL };
  signals_t signals = { 0 };
  fc_writer_t *first, *second;
  FcrStore *store;
  char own[64];

  mount_tmpfs ("/dev/shm", 16 << 20, 0);
  snprintf (own, sizeof own, "/dev/shm/framecache-%u", geteuid ());
  CHECK_EQ (mkdir (own, 0700), 0);
  CHECK_EQ (mkdir ("/dev/shm/framecache", 0755), 0);
  store = store_with (&with, &signals);
  CHECK_STR (fcr_store_directory (store), "/dev/shm/framecache");
  options.dir = own;
  second = writer_new ("cam0", &options);
  LOOP_UNTIL (has_slot (store, "cam0"));
  CHECK_STR (lookup (store, "cam0")->stat.dir, own);
  options.dir = "/dev/shm/framecache";
  options.ring_depth = 5;
  first = writer_new ("cam0", &options);
  LOOP_UNTIL (lookup (store, "cam0")->stat.ring_depth == 5);
  CHECK_STR (lookup (store, "cam0")->stat.dir, "/dev/shm/framecache");
  fc_writer_close (first);
  LOOP_UNTIL (lookup (store, "cam0")->stat.ring_depth == 4);
  fc_writer_close (second);
  LOOP_UNTIL (!has_slot (store, "cam0"));
  CHECK_EQ (signals.added, 1);
  CHECK_EQ (signals.removed, 1);
  store_end (store);
}

static void
of_two_directories_an_unsafe_one_is_left (void)
{
  FcrStoreOptions with = { .directory = NULL };
  FcrStore *store;

  mount_tmpfs ("/dev/shm", 16 << 20, 0);
  CHECK_EQ (mkdir ("/dev/shm/framecache", 0700), 0);
  CHECK_EQ (chmod ("/dev/shm/framecache", 0777), 0);
  log_catch ();
  store = store_with (&with, NULL);
  CHECK_EQ (log_count ("slots in /dev/shm/framecache are not seen"), 1);
  create_ok (store, "cam0");
  CHECK (!exists ("/dev/shm/framecache/cam0.ring"));
  store_end (store);
}

static void
a_directory_that_will_not_do_is_refused (void)
{
  FcrStoreOptions options = store_options ();
  g_autoptr (GError) error = NULL;

  CHECK_EQ (mkdir (in_dir ("open"), 0700), 0);
  CHECK_EQ (chmod (in_dir ("open"), 0777), 0);
  options.directory = in_dir ("open");
  CHECK (fcr_store_new (&options, &error) == NULL);
  CHECK_ERROR (error, FCR_ERROR_NOT_PERMITTED, "is not safe");
  g_clear_error (&error);
  CHECK (g_file_set_contents (in_dir ("file"), "x", 1, NULL));
  options.directory = in_dir ("file");
  CHECK (fcr_store_new (&options, &error) == NULL);
  CHECK_ERROR (error, FCR_ERROR_FAILED, in_dir ("file"));
}

static void
without_a_directory_it_is_where_libfc_says (void)
{
  FcrStoreOptions options = { .directory = NULL };
  FcrStore *store;

  g_setenv ("FC_DIR", test_dir, TRUE);
  store = store_with (&options, NULL);
  CHECK_STR (fcr_store_directory (store), test_dir);
  CHECK (fcr_store_bytes_free (store) > 0);
  create_ok (store, "cam0");
  CHECK (exists (in_dir ("cam0.ring")));
  store_end (store);
}

static void
write_number (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  CHECK (fd >= 0);
  CHECK_EQ (write (fd, text, strlen (text)), strlen (text));
  close (fd);
}

static void
without_inotify_it_is_looked_through (void)
{
  g_autofree char *map = g_strdup_printf ("%u %u 1", geteuid (), geteuid ());
  fc_writer_options_t options = small_ring ();
  signals_t signals = { 0 };
  fc_writer_t *writer;
  FcrStore *store;

  if (unshare (CLONE_NEWUSER) != 0)
    test_skip ("no user namespace may be made here");
  write_number ("/proc/self/uid_map", map);
  write_number ("/proc/sys/user/max_inotify_instances", "0");
  log_catch ();
  store = store_new (&signals);
  CHECK_EQ (log_count ("can not watch"), 1);
  writer = writer_new ("cam0", &options);
  LOOP_UNTIL (signals.added == 1);
  CHECK (ticks (store) < 10);
  fc_writer_close (writer);
  LOOP_UNTIL (signals.removed == 1);
  CHECK_EQ (log_count (""), 1);
  store_end (store);
}

/* Hostile files ------------------------------------------------------------ */

static void
files_that_are_no_rings_are_passed_over (void)
{
  signals_t signals = { 0 };
  fc_writer_options_t options = small_ring ();
  FcrStore *store;

  log_catch ();
  CHECK (g_file_set_contents (in_dir ("junk.ring"), "junk", 4, NULL));
  CHECK (g_file_set_contents (in_dir ("empty.ring"), "", 0, NULL));
  CHECK_EQ (mkfifo (in_dir ("fifo.ring"), 0600), 0);
  CHECK_EQ (mkdir (in_dir ("folder.ring"), 0700), 0);
  CHECK_EQ (symlink ("/etc/passwd", in_dir ("link.ring")), 0);
  CHECK_EQ (symlink ("nowhere", in_dir ("dangling.ring")), 0);
  CHECK (g_file_set_contents (in_dir ("-no-name.ring"), "", 0, NULL));
  CHECK (g_file_set_contents (in_dir (".ring"), "", 0, NULL));
  store = store_new (&signals);
  CHECK_EQ (fcr_store_n_slots (store), 0);
  CHECK_EQ (log_count ("is passed over"), 6);
  for (int i = 0; i < 3; i++)
    {
      CHECK_EQ (utimensat (AT_FDCWD, in_dir ("junk.ring"), NULL, 0), 0);
      CHECK (g_file_set_contents (in_dir ("more%d.ring", i), "junk", 4, NULL));
      LOOP_UNTIL (log_count (in_dir ("more%d.ring", i)) == 1);
    }
  CHECK_EQ (log_count ("junk.ring"), 1);
  /* Once it is a ring, it is one. */
  CHECK_EQ (unlink (in_dir ("junk.ring")), 0);
  writer_new ("junk", &options);
  LOOP_UNTIL (has_slot (store, "junk"));
  CHECK_EQ (signals.added, 1);
  store_end (store);
}

static void
a_ring_that_is_spoilt_is_a_slot_no_more (void)
{
  signals_t signals = { 0 };
  fc_writer_options_t options = small_ring ();
  FcrStore *store;

  log_catch ();
  CHECK_OK (fc_slot_reserve ("cut", &options));
  CHECK_OK (fc_slot_reserve ("whole", &options));
  store = store_new (&signals);
  CHECK_EQ (signals.added, 2);
  CHECK_EQ (truncate (in_dir ("cut.ring"), 100), 0);
  LOOP_UNTIL (signals.removed == 1);
  CHECK (!has_slot (store, "cut"));
  CHECK (has_slot (store, "whole"));
  CHECK_EQ (log_count ("cut is passed over"), 1);
  store_end (store);
}

static void
scribble (const char *path, uint64_t *state)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  uint64_t word = chance (state);

  CHECK (fd >= 0);
  CHECK_EQ (pwrite (fd, &word, 8, (off_t) (chance (state) % 4096)), 8);
  close (fd);
}

/* The words of a ring and of its consumers at random, while they are looked
 * at. */
static void
scribbled_rings_do_no_harm (void)
{
  fc_writer_options_t options = small_ring ();
  signals_t signals = { 0 };
  uint64_t state = 1;
  FcrStore *store;

  log_catch ();
  store = store_new (&signals);
  for (unsigned rings = 1; rings <= 30; rings++)
    {
      (void) fc_slot_remove (test_dir, "cam0", 1);
      CHECK_OK (fc_slot_reserve ("cam0", &options));
      LOOP_UNTIL (signals.added == rings);
      for (int i = 0; i < 20 && has_slot (store, "cam0"); i++)
        {
          scribble (i % 4 ? table_path ("cam0") : in_dir ("cam0.ring"), &state);
          fcr_store_refresh (store, lookup (store, "cam0"));
          loop_once ();
        }
      CHECK_OK (fc_slot_remove (test_dir, "cam0", 1));
      LOOP_UNTIL (!has_slot (store, "cam0"));
    }
  store_end (store);
}

static const test_t tests[] = {
  TEST (a_directory_that_comes_later_is_awaited),
  TEST (a_directory_deep_down_is_found_by_and_by),
  TEST (what_is_reserved_waits_for_the_directory),
  TEST (a_slot_in_the_first_directory_hides_another),
  TEST (of_two_directories_an_unsafe_one_is_left),
  TEST (a_directory_that_will_not_do_is_refused),
  TEST (without_a_directory_it_is_where_libfc_says),
  TEST (without_inotify_it_is_looked_through),
  TEST (files_that_are_no_rings_are_passed_over),
  TEST (a_ring_that_is_spoilt_is_a_slot_no_more),
  TEST (scribbled_rings_do_no_harm),
};

TEST_MAIN (tests)
