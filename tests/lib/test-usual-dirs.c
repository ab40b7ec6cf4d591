/* Where slots are when nobody names a directory. Each test has a /dev/shm of
 * its own, which only root can have.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#define SHARED "/dev/shm/framecache"
#define NOBODYS "/dev/shm/framecache-65534"

/* An empty /dev/shm, in which anybody may make a directory. */
static void
make_shm (void)
{
  if (!am_root ())
    test_skip ("only root may have a /dev/shm of its own here");
  mount_tmpfs ("/dev/shm", 16 << 20, 0);
  CHECK_EQ (chmod ("/dev/shm", 01777), 0);
  CHECK_EQ (unsetenv ("FC_DIR"), 0);
}

static fc_writer_options_t
anywhere (void)
{
  fc_writer_options_t options = small_ring ();

  options.dir = NULL;
  return options;
}

/* What fc_plan () says of where a slot would be, which makes nothing. */
static void
check_plan (const char *dir)
{
  fc_writer_options_t options = anywhere ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  unsigned before = count_files ("/dev/shm");

  CHECK_OK (fc_plan (&options, &plan));
  if (strcmp (plan.dir, dir) != 0)
    test_fail (__FILE__, __LINE__, "planned in %s, not %s", plan.dir, dir);
  CHECK_CMP (plan.bytes_free, >, 15u << 20);
  CHECK_EQ (count_files ("/dev/shm"), before);
}

static void
check_mode (const char *dir, mode_t mode)
{
  struct stat st;

  CHECK_EQ (lstat (dir, &st), 0);
  CHECK (S_ISDIR (st.st_mode));
  CHECK_EQ (st.st_mode & 07777, mode);
  CHECK_EQ (st.st_uid, geteuid ());
}

/* A slot that is written and read without a word of where it is. */
static void
check_use (const char *dir)
{
  fc_writer_options_t options = anywhere ();
  fc_consumer_options_t other = from (FC_START_OLDEST);
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  uint64_t next = 0;

  put (writer, 1);
  other.dir = NULL;
  consumer = consumer_with ("cam0", &other);
  take (consumer, &next);
  CHECK_OK (fc_slot_stat (NULL, "cam0", &stat));
  CHECK (strcmp (stat.dir, dir) == 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
roots_is_made_for_all_to_look_in (void)
{
  make_shm ();
  umask (077);
  check_plan (SHARED);
  check_use (SHARED);
  check_mode (SHARED, 0755);
  check_plan (SHARED);
}

static void
users_is_made_for_the_user_alone (void)
{
  make_shm ();
  become_nobody ();
  umask (0);
  check_plan (NOBODYS);
  check_use (NOBODYS);
  check_mode (NOBODYS, 0700);
  check_plan (NOBODYS);
}

/* Where root's directory is one in which the user may not make files. */
static void
users_is_made_beside_roots (void)
{
  make_shm ();
  CHECK_EQ (mkdir (SHARED, 0755), 0);
  become_nobody ();
  check_use (NOBODYS);
  CHECK_EQ (count_files (SHARED), 0);
}

/* As a system's installation makes it. */
static void
shared_one_is_taken_by_all (void)
{
  make_shm ();
  CHECK_EQ (mkdir (SHARED, 0755), 0);
  CHECK_EQ (chmod (SHARED, 01777), 0);
  become_nobody ();
  check_plan (SHARED);
  check_use (SHARED);
  CHECK (!exists (NOBODYS));
}

static int
count_slot (const fc_slot_stat_t *stat, void *user_data)
{
  unsigned *slots = user_data;

  CHECK (strcmp (stat->dir, SHARED) == 0 || strcmp (stat->name, "own") == 0);
  ++*slots;
  return 0;
}

/* The first directory's slot is the one that a consumer gets. */
static void
slot_in_both_is_listed_once (void)
{
  static const char *names[] = { "both", "own", "both", "shared" };
  fc_writer_options_t options = anywhere ();
  fc_writer_t *writer[4];
  unsigned slots = 0;

  make_shm ();
  CHECK_EQ (mkdir (SHARED, 0755), 0);
  CHECK_EQ (chmod (SHARED, 01777), 0);
  become_nobody ();
  CHECK_EQ (mkdir (NOBODYS, 0700), 0);
  for (int i = 0; i < 4; i++)
    {
      options.dir = i < 2 ? NOBODYS : SHARED;
      writer[i] = writer_new (names[i], &options);
    }
  CHECK_OK (fc_slot_list (NULL, count_slot, &slots));
  CHECK_EQ (slots, 3);
  for (int i = 0; i < 4; i++)
    fc_writer_close (writer[i]);
}

static void
slot_that_is_nowhere_is_said_to_be_in_neither (void)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  unsigned slots = 0;

  make_shm ();
  become_nobody ();
  options.dir = NULL;
  CHECK_OK (fc_slot_list (NULL, count_slot, &slots));
  CHECK_EQ (slots, 0);
  CHECK_RET (fc_slot_stat (NULL, "cam0", &stat), -ENOENT);
  CHECK_DETAIL ("there is no slot cam0 in " SHARED " or " NOBODYS);
  CHECK_RET (fc_slot_remove (NULL, "cam0", 0), -ENOENT);
  CHECK_DETAIL (SHARED " or " NOBODYS);
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &options), -ENOENT);
  CHECK_DETAIL ("cam0");
  CHECK_EQ (count_files ("/dev/shm"), 0);
}

/* Who may make files in /dev/shm could have put a link there. */
static void
link_in_its_place_is_not_followed (void)
{
  fc_writer_options_t options = anywhere ();
  fc_writer_t *writer;

  make_shm ();
  CHECK_EQ (mkdir ("/dev/shm/elsewhere", 0755), 0);
  CHECK_EQ (chown ("/dev/shm/elsewhere", NOBODY, NOBODY), 0);
  CHECK_EQ (symlink ("elsewhere", NOBODYS), 0);
  become_nobody ();
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -ENOTDIR);
  CHECK_DETAIL (NOBODYS);
  CHECK_EQ (count_files ("/dev/shm/elsewhere"), 0);
}

static const test_t tests[] = {
  TEST (roots_is_made_for_all_to_look_in),
  TEST (users_is_made_for_the_user_alone),
  TEST (users_is_made_beside_roots),
  TEST (shared_one_is_taken_by_all),
  TEST (slot_in_both_is_listed_once),
  TEST (slot_that_is_nowhere_is_said_to_be_in_neither),
  TEST (link_in_its_place_is_not_followed),
};
TEST_MAIN (tests)
