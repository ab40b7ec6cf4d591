/* Observers: everything they get is right, nothing they do is felt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/file.h>

/* A slot that everybody may read and only its writer's user may lease. */
static fc_writer_options_t
public_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.access = FC_SHARE_ALL;
  CHECK_EQ (chmod (test_dir, 0755), 0);
  return options;
}

static void
need_root (void)
{
  if (!am_root ())
    test_skip ("only root may become another user");
}

static fc_consumer_t *
observe (fc_start_t start)
{
  fc_consumer_options_t options = from (start);
  fc_consumer_t *consumer;

  options.observe = 1;
  consumer = consumer_with ("cam0", &options);
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  return consumer;
}

static void
check_no_way_to_write (void)
{
  FILE *maps = fopen ("/proc/self/maps", "re");
  char line[800];

  CHECK (maps != NULL);
  while (fgets (line, sizeof line, maps))
    if (!ONE_MAPPING && strstr (line, test_dir) && strchr (line, ' ')[2] == 'w')
      test_fail (__FILE__, __LINE__, "writable: %s", line);
  fclose (maps);
  for (int fd = 3; fd < 256; fd++)
    {
      char name[32], target[400];
      ssize_t length;

      snprintf (name, sizeof name, "/proc/self/fd/%d", fd);
      length = readlink (name, target, sizeof target - 1);
      if (length < 0)
        continue;
      target[length] = 0;
      if (strstr (target, test_dir))
        CHECK_EQ (fcntl (fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    }
}

typedef struct
{
  int ready;
  int done;
  uint64_t until; /* read up to this seq */
} watcher_t;

/* To be spawned before there is a writer, whose own mapping a child would
 * have too. */

static void
watch_as_nobody (void *arg)
{
  watcher_t *watcher = arg;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  fc_consumer_stats_t stats;
  uint64_t next = 0;

  become_nobody ();
  options.wait_ns = BOUND;
  consumer = consumer_with ("cam0", &options);
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.observing, 1);
  next = stats.first;
  check_no_way_to_write ();
  CHECK_RET (fc_consumer_lease (consumer, &frame, 0), -EPERM);
  CHECK_RET (fc_consumer_request_key_frame (consumer), -EPERM);
  event_post (watcher->ready);
  while (next < watcher->until)
    take (consumer, &next);
  check_no_way_to_write ();
  CHECK_EQ (consumer_stats (consumer).cursor, watcher->until);
  event_post (watcher->done);
  fc_consumer_close (consumer);
}

static void
another_user_gets_whole_frames_and_exact_counts (void)
{
  static const uint32_t depths[] = { 2, 3, 16 };

  need_root ();
  for (int i = 0; i < 3; i++)
    {
      fc_writer_options_t options = public_ring ();
      watcher_t watcher = { event_new (), event_new (), 20000 };
      fc_writer_t *writer;
      pid_t pid;

      options.ring_depth = depths[i];
      pid = spawn (watch_as_nobody, &watcher);
      writer = writer_new ("cam0", &options);
      event_wait (watcher.ready);
      put (writer, 20000);
      CHECK_EQ (writer_stats (writer).consumers, 0);
      CHECK_EQ (writer_stats (writer).cells_leased, 0);
      CHECK_EQ (writer_stats (writer).history_shortened, 0);
      event_wait (watcher.done);
      reap_ok (pid);
      fc_writer_close (writer);
    }
}

static void
open_as_nobody (void *arg)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer = NULL;
  int ret;

  become_nobody ();
  ret = fc_consumer_open (&consumer, "cam0", &options);
  CHECK (ret == -EACCES || ret == -EPERM);
  CHECK_DETAIL ("cam0");
}

static void
user_without_access_is_refused (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  need_root ();
  CHECK_EQ (chmod (test_dir, 0755), 0);
  writer = writer_new ("cam0", &options);
  reap_ok (spawn (open_as_nobody, NULL));
  fc_writer_close (writer);
}

static void
observe_fast (void *arg)
{
  watcher_t *watcher = arg;
  fc_consumer_t *consumer = observe (FC_START_LIVE);
  int64_t late[11];
  uint64_t next = 0;

  event_post (watcher->ready);
  for (int i = 0; i < 11; i++)
    {
      fc_frame_t frame = take (consumer, &next);
      int64_t l = now_ns () - (int64_t) frame.info.commit_ns;
      int j = i;

      for (; j > 0 && late[j - 1] > l; j--)
        late[j] = late[j - 1];
      late[j] = l;
    }
  CHECK_CMP (late[5], <, SLICE / 8);
  fc_consumer_close (consumer);
}

/* Frames that are further apart than a slice: without a wake-up they would
 * be seen at the slice's end. */
static void
frame_wakes_an_observer (void)
{
  fc_writer_options_t options = small_ring ();
  watcher_t watcher = { event_new (), 0, 0 };
  fc_writer_t *writer;
  uint64_t random = 11;
  pid_t pid;

  options.observers = 1;
  writer = writer_new ("cam0", &options);
  pid = spawn (observe_fast, &watcher);
  event_wait (watcher.ready);
  for (int i = 0; i < 11; i++)
    {
      int64_t pace = SLICE + (int64_t) (chance (&random) % (SLICE / 2));

      nanosleep (&(struct timespec){ 0, pace }, NULL);
      put (writer, 1);
    }
  reap_ok (pid);
  fc_writer_close (writer);
}

static void
observer_can_be_interrupted (void)
{
  fc_writer_options_t options = public_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = observe (FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;

  fc_consumer_interrupt (consumer);
  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_INTERRUPTED);
  fc_consumer_resume (consumer);
  put (writer, 1);
  CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
write_and_wait (void *arg)
{
  watcher_t *watcher = arg;
  fc_writer_options_t options = public_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put (writer, 4);
  event_post (watcher->ready);
  for (;;)
    pause ();
}

/* The writer's own files cut off under an observer: an error, no signal. */
static void
truncation_is_an_error (void)
{
  for (int n = 0; n < 8; n++)
    {
      watcher_t watcher = { event_new (), 0, 0 };
      pid_t pid = spawn (write_and_wait, &watcher);
      fc_frame_t frame = FC_FRAME_INIT;
      fc_consumer_t *consumer;
      char sticky[64];
      struct stat st;
      int ret;

      event_wait (watcher.ready);
      consumer = observe (FC_START_OLDEST);
      CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
      /* a live writer would find its own memory gone */
      kill9 (pid);
      CHECK_EQ (stat (in_dir ("cam0.ring"), &st), 0);
      CHECK_EQ (truncate (in_dir ("cam0.ring"), st.st_size * n / 8), 0);
      for (int i = 0; i < 6; i++)
        ret = fc_consumer_read (consumer, &frame, 20 * MS);
      CHECK_CMP (ret, <, 0);
      fc_consumer_sticky (consumer, sticky, sizeof sticky, NULL, NULL);
      fc_consumer_write_cursor (consumer);
      consumer_stats (consumer);
      ret = fc_consumer_read (consumer, &frame, 2 * SLICE);
      CHECK_CMP (ret, <, 0);
      fc_consumer_close (consumer);
      CHECK_EQ (unlink (in_dir ("cam0.ring")), 0);
    }
}

static void
hold_every_lock (void *arg)
{
  watcher_t *watcher = arg;
  struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
  int fd, again;

  become_nobody ();
  fd = open (in_dir ("cam0.ring"), O_RDONLY | O_CLOEXEC);
  CHECK (fd >= 0);
  again = open (in_dir ("cam0.ring"), O_RDONLY | O_CLOEXEC);
  CHECK (open (in_dir ("cam0.lock"), O_RDONLY | O_CLOEXEC) < 0);
  CHECK (open (table_path ("cam0"), O_RDONLY | O_CLOEXEC) < 0);
  CHECK (open (in_dir ("cam0.ring"), O_RDWR | O_CLOEXEC) < 0);
  /* what the writer holds can not be had, all the rest can */
  for (int i = 0; i < 200; i++)
    {
      lock.l_start = i;
      lock.l_len = 1;
      fcntl (fd, F_OFD_SETLK, &lock);
    }
  lock.l_start = 200;
  lock.l_len = 0;
  fcntl (fd, F_OFD_SETLK, &lock);
  flock (again, LOCK_EX | LOCK_NB);
  event_post (watcher->ready);
  for (;;)
    pause ();
}

static void
locks_of_a_hostile_reader_have_no_effect (void)
{
  fc_writer_options_t options = public_ring ();
  watcher_t watcher = { event_new (), 0, 0 };
  watcher_t hostile = { event_new (), 0, 0 };
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer, *observer;
  fc_writer_t *writer;
  uint64_t next = 4;
  pid_t pid, nobody;

  need_root ();
  pid = spawn (write_and_wait, &watcher);
  event_wait (watcher.ready);
  nobody = spawn (hold_every_lock, &hostile);
  event_wait (hostile.ready);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  observer = observe (FC_START_LIVE);
  CHECK_RET (fc_consumer_read (consumer, &frame, 2 * SLICE), FC_TIMEOUT);
  kill9 (pid);
  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_WRITER_LOST);
  CHECK_RET (fc_consumer_read (observer, &frame, FC_FOREVER), FC_WRITER_LOST);
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  CHECK_CMP (fc_consumer_read (consumer, &frame, BOUND), >=, 0);
  check_frame (&frame, 0, &next);
  CHECK_EQ (writer_stats (writer).head, 5);
  kill9 (nobody);
  fc_consumer_close (consumer);
  fc_consumer_close (observer);
  fc_writer_close (writer);
}

static void
stopped_observer_costs_the_writer_nothing (void)
{
  fc_writer_options_t options = public_ring ();
  watcher_t watcher = { event_new (), event_new (), 3000 };
  fc_writer_t *writer;
  pid_t pid;

  need_root ();
  options.ring_depth = 3;
  pid = spawn (watch_as_nobody, &watcher);
  writer = writer_new ("cam0", &options);
  event_wait (watcher.ready);
  for (int i = 0; i < 3; i++)
    {
      stop (pid);
      put (writer, 900);
      cont (pid);
      put (writer, 100);
    }
  event_wait (watcher.done);
  reap_ok (pid);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  fc_writer_close (writer);
}

static void
write_as_nobody (void *arg)
{
  watcher_t *watcher = arg;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  become_nobody ();
  options.access = options.trust = FC_SHARE_ALL;
  writer = writer_new ("cam0", &options);
  put (writer, 4);
  event_post (watcher->ready);
  for (;;)
    pause ();
}

/* Semaphores and truncation are in the hands of the writer's user: whoever
 * does not trust that user has to be an observer, even where root could do
 * more. */
static void
writer_of_another_user_is_only_observed (void)
{
  watcher_t watcher = { event_new (), 0, 0 };
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  uint64_t next = 0;
  pid_t pid;

  need_root ();
  CHECK_EQ (chmod (test_dir, 01777), 0);
  pid = spawn (write_as_nobody, &watcher);
  event_wait (watcher.ready);
  consumer = consumer_with ("cam0", &options);
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  check_no_way_to_write ();
  take (consumer, &next);
  fc_consumer_close (consumer);

  options.trust_uid = NOBODY;
  consumer = consumer_with ("cam0", &options);
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  fc_consumer_close (consumer);
  options.trust_uid_set = 1;
  consumer = consumer_with ("cam0", &options);
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  next = 0;
  take (consumer, &next);
  fc_consumer_close (consumer);
  kill9 (pid);
}

static void
directory_of_the_rings_owner_is_good_to_observe_only (void)
{
  watcher_t watcher = { event_new (), 0, 0 };
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer = NULL;
  uint64_t next = 0;
  pid_t pid;

  need_root ();
  CHECK_EQ (chown (test_dir, NOBODY, NOBODY), 0);
  CHECK_EQ (chmod (test_dir, 0755), 0);
  pid = spawn (write_as_nobody, &watcher);
  event_wait (watcher.ready);
  consumer = consumer_with ("cam0", &options);
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  take (consumer, &next);
  fc_consumer_close (consumer);
  /* of somebody who is neither */
  CHECK_EQ (chown (test_dir, 1234, 1234), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &options), <, 0);
  CHECK_DETAIL (test_dir);
  kill9 (pid);
}

static const test_t tests[] = {
  SLOW_TEST (another_user_gets_whole_frames_and_exact_counts, 60),
  TEST (user_without_access_is_refused),
  TEST (frame_wakes_an_observer),
  TEST (observer_can_be_interrupted),
  TEST (truncation_is_an_error),
  TEST (locks_of_a_hostile_reader_have_no_effect),
  TEST (stopped_observer_costs_the_writer_nothing),
  TEST (writer_of_another_user_is_only_observed),
  TEST (directory_of_the_rings_owner_is_good_to_observe_only),
};
TEST_MAIN (tests)
