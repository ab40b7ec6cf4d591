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

/* A user namespace in which this process's user alone has a number: root's. */
static void
become_its_root (void)
{
  uid_t uid = geteuid ();
  gid_t gid = getegid ();

  CHECK_EQ (unshare (CLONE_NEWUSER), 0);
  write_text ("/proc/self/setgroups", "deny");
  write_text ("/proc/self/uid_map", "0 %u 1", uid);
  write_text ("/proc/self/gid_map", "0 %u 1", gid);
  CHECK_EQ (geteuid (), 0);
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

/* By path, and by descriptors, for which the directory does not matter. */
static void
observe_someone (const char *dir)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  options.dir = dir;
  read_observing (&options);
  options.trust_uid_set = 1;
  options.trust_uid = NOBODY;
  read_observing (&options);
  options.use_fds = 1;
  CHECK_OK (fc_slot_open_fds (dir, NULL, "cam0", &options.ring_fd,
                              &options.table_fd));
  read_observing (&options);
  CHECK_OK (fc_slot_stat (dir, "cam0", &stat));
  CHECK_EQ (stat.owner, NOBODY);
}

/* The owner's number is this process's own number, and neither says who. */
static void
observe_without_numbers (void *arg)
{
  const place_t *at = arg;

  lose_all_numbers (OTHER_UID);
  observe_someone (at->dir);
}

/* Only the owner has none. */
static void
observe_as_root_of_a_namespace (void *arg)
{
  const place_t *at = arg;

  become (OTHER_UID);
  become_its_root ();
  observe_someone (at->dir);
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
  reap_ok (spawn (observe_as_root_of_a_namespace, &at));
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

/* Namespaces of every kind ------------------------------------------------- */

typedef struct
{
  int flags; /* CLONE_NEW*, beside a user namespace */
  bool writes;
  char dir[300];
  int ready;
} member_t;

static void
live_in_namespaces (member_t *member)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  options.dir = other.dir = member->dir;
  if (member->writes)
    put (writer_new ("cam0", &options), 3);
  else
    {
      CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EBUSY);
      CHECK_DETAIL ("cam0");
      consumer = consumer_with ("cam0", &other);
      CHECK_EQ (consumer_stats (consumer).observing, 0);
      CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
    }
  event_post (member->ready);
  for (;;)
    pause ();
}

static void
be_a_member (void *arg)
{
  member_t *member = arg;
  int status;
  pid_t pid;

  become_its_root ();
  CHECK_EQ (unshare (member->flags), 0);
  if (member->flags & CLONE_NEWNS)
    {
      /* and the directory has another name there */
      CHECK_EQ (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
      CHECK_EQ (mount (test_dir, in_dir ("elsewhere"), "none", MS_BIND, NULL),
                0);
      snprintf (member->dir, sizeof member->dir, "%s", in_dir ("elsewhere"));
    }
  if (member->flags & CLONE_NEWTIME)
    write_text ("/proc/self/timens_offsets", "monotonic 1000000 0");
  pid = fork ();
  if (pid == 0)
    live_in_namespaces (member);
  waitpid (pid, &status, 0);
}

static pid_t
start (member_t *member, bool writes)
{
  pid_t pid;

  member->writes = writes;
  pid = spawn (be_a_member, member);
  event_wait (member->ready);
  return pid;
}

/* A member writes and dies, the next writer out here goes on with its ring;
 * another member leases, and dies. */
static void
share_with_member (int flags)
{
  member_t member = { .flags = flags, .ready = event_new () };
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;
  pid_t pid;

  snprintf (member.dir, sizeof member.dir, "%s", test_dir);
  pid = start (&member, true);
  CHECK_EQ (slot_stat ("cam0").owner, geteuid ());
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EBUSY);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  for (int i = 0; i < 3; i++)
    {
      frame = take (consumer, &next);
      CHECK_CMP (frame.info.commit_ns, <=, (uint64_t) now_ns ());
    }
  CHECK_RET (fc_consumer_read (consumer, &frame, SLICE), FC_TIMEOUT);
  kill9 (pid);
  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_WRITER_LOST);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).head, 3);
  fc_consumer_close (consumer);

  pid = start (&member, false);
  put (writer, 12);
  CHECK_EQ (writer_stats (writer).consumers, 1);
  CHECK_EQ (writer_stats (writer).cells_leased, 1);
  kill9 (pid);
  WAIT_UNTIL (writer_stats (writer).consumers == 0);
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  fc_writer_close (writer);
}

static void
slots_are_shared_across_namespaces (void)
{
  static const int kinds[]
      = { 0, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWNET };
  int time = exists ("/proc/self/timens_offsets") ? CLONE_NEWTIME : 0;
  int all = CLONE_NEWUTS | CLONE_NEWCGROUP | time;

  CHECK_EQ (mkdir (in_dir ("elsewhere"), 0755), 0);
  if (am_root ())
    {
      CHECK_EQ (chown (test_dir, WRITER_UID, WRITER_UID), 0);
      become (WRITER_UID);
    }
  need (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWNET
        | all);
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    {
      share_with_member (kinds[i]);
      all |= kinds[i];
    }
  share_with_member (all);
}

static const test_t tests[] = {
  TEST (users_without_a_number_do_not_trust_each_other),
  TEST (directory_of_a_user_without_a_number_is_refused),
  TEST (own_slot_is_known_without_a_number),
  TEST (slot_is_shared_with_the_directorys_real_group),
  SLOW_TEST (slots_are_shared_across_namespaces, 120),
};
TEST_MAIN (tests)
