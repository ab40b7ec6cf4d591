/* Writers and consumers in different namespaces that share the directory: all
 * works there that does without, and nobody is taken for somebody else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define WRITER_UID 1001
#define OTHER_UID 1002

/* Users -------------------------------------------------------------------- */

static void
become (uid_t uid)
{
  CHECK_EQ (setresgid (uid, uid, uid), 0);
  CHECK_EQ (setresuid (uid, uid, uid), 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  /* or its files in /proc are root's */
  CHECK_EQ (prctl (PR_SET_DUMPABLE, 1), 0);
}

/* A directory below the test's, of this owner. */
static const char *
make_dir (const char *name, uid_t owner, mode_t mode)
{
  const char *dir = in_dir ("%s", name);

  CHECK_EQ (mkdir (dir, 0700), 0);
  CHECK_EQ (chown (dir, owner, owner), 0);
  CHECK_EQ (chmod (dir, mode), 0);
  CHECK_EQ (chmod (test_dir, 0755), 0);
  return dir;
}

/* A user namespace that has no number for anybody, also not for UID, who this
 * process is. */
static void
lose_all_numbers (uid_t uid)
{
  become (uid);
  CHECK_EQ (unshare (CLONE_NEWUSER), 0);
  CHECK_EQ (geteuid (), NOBODY);
}

static void
try_to_unshare (void *flags)
{
  _exit (unshare (*(int *) flags) != 0);
}

/* Skip the test where such namespaces may not be made. */
static void
need (int flags)
{
  if (reap (spawn (try_to_unshare, &flags)) != 0)
    test_skip ("no such namespaces may be made here");
}

static void
need_users (void)
{
  if (!am_root ())
    test_skip ("only root may become other users");
  need (CLONE_NEWUSER);
}

typedef struct
{
  char dir[300];
  int ready;
} place_t;

static place_t
place (const char *dir)
{
  place_t at = { .ready = event_new () };

  snprintf (at.dir, sizeof at.dir, "%s", dir);
  return at;
}

/* Shares with everybody what it may not be trusted with. */
static void
write_for_all (void *arg)
{
  place_t *at = arg;
  fc_writer_options_t options = small_ring ();

  become (WRITER_UID);
  options.dir = at->dir;
  options.access = options.trust = FC_SHARE_ALL;
  put (writer_new ("cam0", &options), 3);
  event_post (at->ready);
  for (;;)
    pause ();
}

static void
read_observing (const fc_consumer_options_t *options)
{
  fc_consumer_t *consumer = consumer_with ("cam0", options);
  uint64_t next = 0;

  CHECK_EQ (consumer_stats (consumer).observing, 1);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 3);
  fc_consumer_close (consumer);
}

/* The owner's number is this process's own number, and neither says who. */
static void
observe_without_numbers (void *arg)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  place_t *at = arg;

  lose_all_numbers (OTHER_UID);
  options.dir = at->dir;
  read_observing (&options);
  options.trust_uid_set = 1;
  options.trust_uid = NOBODY;
  read_observing (&options);
  CHECK_OK (fc_slot_stat (at->dir, "cam0", &stat));
  CHECK_EQ (stat.owner, NOBODY);
}

static void
users_without_a_number_do_not_trust_each_other (void)
{
  place_t at;
  pid_t pid;

  need_users ();
  at = place (make_dir ("shared", 0, 01777));
  pid = spawn (write_for_all, &at);
  event_wait (at.ready);
  reap_ok (spawn (observe_without_numbers, &at));
  kill9 (pid);
}

static void
write_without_numbers (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  place_t *at = arg;

  lose_all_numbers (OTHER_UID);
  options.dir = at->dir;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EPERM);
  CHECK_DETAIL ("user namespace does not know");
}

static void
directory_of_a_user_without_a_number_is_refused (void)
{
  place_t at;

  need_users ();
  at = place (make_dir ("other", WRITER_UID, 01777));
  reap_ok (spawn (write_without_numbers, &at));
}

static void
use_own_without_numbers (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  place_t *at = arg;
  uint64_t next = 0;

  lose_all_numbers (OTHER_UID);
  options.dir = other.dir = at->dir;
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  consumer = consumer_with ("cam0", &other);
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
own_slot_is_known_without_a_number (void)
{
  place_t at;

  need_users ();
  at = place (make_dir ("own", OTHER_UID, 0700));
  reap_ok (spawn (use_own_without_numbers, &at));
}

static void
share_with_group_without_numbers (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  place_t *at = arg;
  struct stat st;

  lose_all_numbers (OTHER_UID);
  options.dir = at->dir;
  options.access = FC_SHARE_GROUP;
  CHECK_EQ (stat (at->dir, &st), 0);
  if ((st.st_mode & S_ISGID) == 0)
    {
      CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EPERM);
      CHECK_DETAIL ("chmod g+s");
      CHECK_EQ (count_files (at->dir), 0);
      return;
    }
  put (writer_new ("cam0", &options), 1);
  event_post (at->ready);
  for (;;)
    pause ();
}

/* The group of the directory is one thing, the one that its number names here
 * may be another. */
static void
slot_is_shared_with_the_directorys_real_group (void)
{
  struct stat st;
  char dir[300];
  place_t at;
  pid_t pid;

  need_users ();
  at = place (make_dir ("group", OTHER_UID, 0750));
  snprintf (dir, sizeof dir, "%s", at.dir);
  CHECK_EQ (chown (dir, OTHER_UID, WRITER_UID), 0);
  reap_ok (spawn (share_with_group_without_numbers, &at));
  CHECK_EQ (chmod (dir, 02750), 0);
  pid = spawn (share_with_group_without_numbers, &at);
  event_wait (at.ready);
  CHECK_EQ (stat (in_dir ("group/cam0.ring"), &st), 0);
  CHECK_EQ (st.st_gid, WRITER_UID);
  kill9 (pid);
}

static const test_t tests[] = {
  TEST (users_without_a_number_do_not_trust_each_other),
  TEST (directory_of_a_user_without_a_number_is_refused),
  TEST (own_slot_is_known_without_a_number),
  TEST (slot_is_shared_with_the_directorys_real_group),
};
TEST_MAIN (tests)
