/* Another user of the same directory, whom the slot is not shared with: takes
 * names before their owner comes, and leaves files to be fallen into.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define VICTIM 4242

/* What each of these tests needs: a directory in which everybody may make
 * files, as the one of a system is for its group. */
static void
share_the_directory (void)
{
  if (!am_root ())
    test_skip ("only root may become other users");
  CHECK_EQ (chmod (test_dir, 01777), 0);
}

static void
become (uid_t uid)
{
  if (uid != 0)
    CHECK_EQ (setresgid (uid, uid, uid) | setresuid (uid, uid, uid), 0);
}

static void
leave_a_ring (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  become_nobody ();
  writer = writer_new ("cam0", &options);
  put (writer, 3);
  CHECK_EQ (chmod (in_dir ("cam0.lock"), 0666), 0);
  CHECK_EQ (chmod (in_dir ("cam0.ring"), 0666), 0);
  CHECK_EQ (chmod (table_path ("cam0"), 0666), 0);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

/* All that a writer would carry on in, of a user who waits to read it. */
static bytes_t
plant_a_ring (void)
{
  int ready = event_new ();
  pid_t pid = spawn (leave_a_ring, &ready);

  event_wait (ready);
  kill9 (pid);
  return bytes_load (in_dir ("cam0.ring"));
}

static void
check_same (const bytes_t *before)
{
  bytes_t now = bytes_load (before->path);

  CHECK_EQ (now.size, before->size);
  CHECK (!memcmp (now.data, before->data, now.size));
  free (now.data);
}

static void
try_to_write (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;

  become (*(uid_t *) arg);
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EACCES);
  CHECK_DETAIL ("cam0");
  CHECK_DETAIL ("belongs to user 65534");
  fc_writer_close (writer_new ("cam1", &options));
}

static void
ring_of_another_user_is_not_carried_on (void)
{
  uid_t victims[] = { VICTIM, 0 };
  bytes_t planted;

  share_the_directory ();
  planted = plant_a_ring ();
  for (int i = 0; i < 2; i++)
    {
      reap_ok (spawn (try_to_write, &victims[i]));
      check_same (&planted);
    }
  free (planted.data);
}

enum
{
  LOCK_CLOSED,
  LOCK_OPEN,
  RING_FILE,
  RING_LINK,
  RING_FIFO,
  RING_DIR,
  KINDS
};

static void
take_the_name (void *arg)
{
  int kind = *(int *) arg;
  mode_t mode = kind == LOCK_CLOSED ? 0600 : 0666;
  const char *path = in_dir (kind <= LOCK_OPEN ? "cam0.lock" : "cam0.ring");

  become_nobody ();
  umask (0);
  if (kind == RING_LINK)
    CHECK_EQ (symlink (in_dir ("precious"), path), 0);
  else if (kind == RING_FIFO)
    CHECK_EQ (mkfifo (path, 0666), 0);
  else if (kind == RING_DIR)
    CHECK_EQ (mkdir (path, 0777), 0);
  else
    CHECK_EQ (close (open (path, O_CREAT | O_EXCL | O_WRONLY, mode)), 0);
}

static void
name_that_another_user_took_is_told (void)
{
  uid_t victim = VICTIM;
  char text[16];

  share_the_directory ();
  for (int kind = 0; kind < KINDS; kind++)
    {
      const char *file = kind <= LOCK_OPEN ? "cam0.lock" : "cam0.ring";
      int fd = open (in_dir ("precious"), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);

      CHECK_EQ (write (fd, "precious", 8), 8);
      CHECK_EQ (fchown (fd, VICTIM, VICTIM) | close (fd), 0);
      reap_ok (spawn (take_the_name, &kind));
      reap_ok (spawn (try_to_write, &victim));
      read_text (in_dir ("precious"), text, sizeof text);
      CHECK (!strcmp (text, "precious"));
      CHECK_EQ (remove (in_dir ("%s", file)), 0);
      unlink (in_dir ("cam0.lock"));
    }
}

/* Whoever may take another one's file away does: root, and the owner of the
 * directory. */
static void
lock_that_another_user_took_does_not_stop_root (void)
{
  fc_writer_options_t options = small_ring ();
  int kind = LOCK_OPEN;
  struct stat st;

  share_the_directory ();
  for (int i = 0; i < 2; i++)
    {
      reap_ok (spawn (take_the_name, &kind));
      if (i == 0)
        fc_writer_close (writer_new ("cam0", &options));
      else
        CHECK_OK (fc_slot_reserve ("cam0", &options));
      CHECK_EQ (stat (in_dir ("cam0.lock"), &st), 0);
      CHECK_EQ (st.st_uid, 0);
      CHECK_EQ (unlink (in_dir ("cam0.lock")), 0);
    }
}

typedef struct
{
  int ready;
  int told;
} reader_t;

static void
observe_to_the_end (void *arg)
{
  reader_t *reader = arg;
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  uint64_t next = 0;
  int ret;

  options.observe = 1;
  consumer = consumer_with ("cam0", &options);
  while (next < 3)
    take (consumer, &next);
  event_post (reader->ready);
  do
    ret = fc_consumer_read (consumer, &frame, BOUND);
  while (ret == FC_WRITER_LOST);
  CHECK_EQ (ret, FC_REPLACED);
  event_post (reader->told);
  fc_consumer_close (consumer);
}

/* Root collects and removes what is not its own. To map such a ring would let
 * its owner end the registry with a signal. */
static void
root_ends_a_foreign_ring_untouched (void)
{
  share_the_directory ();
  for (int i = 0; i < 2; i++)
    {
      reader_t reader = { event_new (), event_new () };
      bytes_t planted = plant_a_ring (), table;
      int ring = open (planted.path, O_RDONLY | O_CLOEXEC);
      pid_t pid = spawn (observe_to_the_end, &reader);
      char path[32];

      event_wait (reader.ready);
      /* as if it had a consumer, to whom a post would go */
      table = bytes_load (table_path ("cam0"));
      table.data[FC_ATTACHED_OFFSET] = 1;
      bytes_store (&table, table.size);
      free (table.data);
      if (i == 0)
        CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
      else
        CHECK_EQ (fc_slot_gc (test_dir, "cam0", 0), 1);
      CHECK (!exists (in_dir ("cam0.ring")));
      event_wait (reader.told);
      reap_ok (pid);
      snprintf (path, sizeof path, "/proc/self/fd/%d", ring);
      memcpy (planted.path, path, sizeof path);
      check_same (&planted);
      free (planted.data);
      close (ring);
      CHECK_EQ (count_files (test_dir), 0);
    }
}

static void
attach_and_wait (void *arg)
{
  become_nobody ();
  (void) consumer_new ("cam0", FC_START_OLDEST);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

static void
foreign_ring_with_a_living_consumer_is_left (void)
{
  int ready = event_new ();
  pid_t pid;

  share_the_directory ();
  free (plant_a_ring ().data);
  pid = spawn (attach_and_wait, &ready);
  event_wait (ready);
  CHECK_EQ (fc_slot_gc (test_dir, "cam0", 0), 0);
  CHECK (exists (in_dir ("cam0.ring")));
  kill9 (pid);
  CHECK_EQ (fc_slot_gc (test_dir, "cam0", 0), 1);
  CHECK_EQ (count_files (test_dir), 0);
}

static void
make_the_shared_directory (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  become_nobody ();
  CHECK_EQ (mkdir ("/dev/shm/framecache", 0755), 0);
  options.dir = "/dev/shm/framecache";
  options.access = FC_SHARE_ALL;
  writer = writer_new ("cam0", &options);
  put (writer, 3);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

static int
look_where_it_is (const fc_slot_stat_t *stat, void *user_data)
{
  CHECK (!strcmp (stat->dir, "/dev/shm/framecache-4242"));
  ++*(int *) user_data;
  return 0;
}

static void
use_the_usual_directory (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t reading = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  int slots = 0;

  (void) arg;
  become (VICTIM);
  options.dir = reading.dir = NULL;
  /* with nothing of its own, the stranger's is shown, and only observed */
  consumer = consumer_with ("cam0", &reading);
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  fc_consumer_close (consumer);
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  consumer = consumer_with ("cam0", &reading);
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  CHECK_EQ (consumer_stats (consumer).head, 1);
  CHECK_OK (fc_slot_list (NULL, look_where_it_is, &slots));
  CHECK_EQ (slots, 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Somebody made /dev/shm/framecache before root did, and shows a slot of that
 * name in it. */
static void
directory_of_a_stranger_comes_last (void)
{
  int ready = event_new ();

  if (!am_root ())
    test_skip ("only root may become other users");
  mount_tmpfs ("/dev/shm", 16 << 20, 0);
  CHECK_EQ (chmod ("/dev/shm", 01777), 0);
  CHECK_EQ (unsetenv ("FC_DIR"), 0);
  spawn (make_the_shared_directory, &ready);
  event_wait (ready);
  reap_ok (spawn (use_the_usual_directory, NULL));
}

/* In a user namespace that knows one user alone, who is its nobody: everybody
 * else's files look as if they were that user's own. */
static void
read_as_a_namespaces_nobody (void *arg)
{
  fc_consumer_options_t reading = from (FC_START_OLDEST);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer;
  uint64_t next = 0;

  event_wait (*(int *) arg);
  become (VICTIM);
  prctl (PR_SET_DUMPABLE, 1); /* or /proc/self is root's */
  if (unshare (CLONE_NEWUSER) < 0)
    _exit (77);
  write_text ("/proc/self/setgroups", "deny");
  write_text ("/proc/self/uid_map", "65534 4242 1");
  CHECK_EQ (geteuid (), NOBODY);
  consumer = consumer_with ("cam0", &reading);
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  take (consumer, &next);
  fc_consumer_close (consumer);
  CHECK_CMP (fc_writer_open (&writer, "cam0", &options), <, 0);
  CHECK_DETAIL ("belongs to user 65534");
  /* and its own are still its own */
  options.dir = reading.dir = in_dir ("own");
  writer = writer_new ("cam0", &options);
  consumer = consumer_with ("cam0", &reading);
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
user_that_a_namespace_does_not_know_is_a_stranger (void)
{
  fc_writer_options_t options = small_ring ();
  int go = event_new (), status;
  fc_writer_t *writer;
  pid_t pid;

  share_the_directory ();
  pid = spawn (read_as_a_namespaces_nobody, &go);
  options.access = options.trust = FC_SHARE_ALL;
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  CHECK_EQ (mkdir (in_dir ("own"), 0700), 0);
  CHECK_EQ (chown (in_dir ("own"), VICTIM, VICTIM), 0);
  event_post (go);
  status = reap (pid);
  fc_writer_close (writer);
  if (WIFEXITED (status) && WEXITSTATUS (status) == 77)
    test_skip ("no user namespace may be made here");
  CHECK_EQ (status, 0);
}

/* The directory as a container may have it; here of the same user, who could
 * write the table but for that. */
static void
read_by_a_read_only_mount (void *arg)
{
  fc_consumer_options_t reading = from (FC_START_OLDEST);
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer;
  uint64_t next = 0;

  (void) arg;
  if (unshare (CLONE_NEWNS) < 0)
    _exit (77);
  CHECK_EQ (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
  CHECK_EQ (mount (test_dir, test_dir, NULL, MS_BIND, NULL), 0);
  CHECK_EQ (
      mount (NULL, test_dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
  consumer = consumer_with ("cam0", &reading);
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  while (next < 3)
    take (consumer, &next);
  fc_consumer_close (consumer);
  CHECK_CMP (fc_writer_open (&writer, "cam1", &options), <, 0);
}

static void
read_only_mount_is_enough_to_observe (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  int status;

  if (!am_root ())
    test_skip ("only root makes mounts");
  writer = writer_new ("cam0", &options);
  put (writer, 3);
  status = reap (spawn (read_by_a_read_only_mount, NULL));
  fc_writer_close (writer);
  if (WIFEXITED (status) && WEXITSTATUS (status) == 77)
    test_skip ("no mount namespace may be made here");
  CHECK_EQ (status, 0);
}

static const test_t tests[] = {
  TEST (ring_of_another_user_is_not_carried_on),
  TEST (name_that_another_user_took_is_told),
  TEST (lock_that_another_user_took_does_not_stop_root),
  TEST (root_ends_a_foreign_ring_untouched),
  TEST (foreign_ring_with_a_living_consumer_is_left),
  TEST (directory_of_a_stranger_comes_last),
  TEST (user_that_a_namespace_does_not_know_is_a_stranger),
  TEST (read_only_mount_is_enough_to_observe),
};
TEST_MAIN (tests)
