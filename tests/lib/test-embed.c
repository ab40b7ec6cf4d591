/* Many handles and many threads in one program, and handles of one slot that
 * know nothing of each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mount.h>
#include <sys/resource.h>

static unsigned
fewer_if_slow (unsigned n)
{
  return n / (unsigned) slowness ();
}

static pthread_t
thread_with_small_stack (void *(*func) (void *arg), void *arg)
{
  pthread_attr_t attributes;
  pthread_t thread;

  CHECK_EQ (pthread_attr_init (&attributes), 0);
  CHECK_EQ (pthread_attr_setstacksize (&attributes, 256 << 10), 0);
  CHECK_EQ (pthread_create (&thread, &attributes, func, arg), 0);
  pthread_attr_destroy (&attributes);
  return thread;
}

/* Thousands of threads ----------------------------------------------------- */

#define THREADS 2000
#define LEASES 65 /* one of them for copies */

/* One consumer, whose frames end in the hands of all threads. */
typedef struct
{
  fc_consumer_t *consumer;
  pthread_mutex_t mutex; /* guards frame and taken */
  fc_frame_t frame[LEASES - 1];
  unsigned n_frames;
  sem_t there; /* a frame, or the end */
  sem_t room;
  _Atomic unsigned released;
  _Atomic unsigned interrupting;
} crowd_t;

static void *
release_frames (void *arg)
{
  crowd_t *crowd = arg;

  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      while (sem_wait (&crowd->there) < 0)
        ;
      pthread_mutex_lock (&crowd->mutex);
      if (crowd->n_frames > 0)
        frame = crowd->frame[--crowd->n_frames];
      pthread_mutex_unlock (&crowd->mutex);
      if (frame.data == NULL)
        break;
      CHECK (whole (frame.data, frame.size, frame.seq));
      CHECK_EQ (fc_frame_intact (crowd->consumer, &frame), 1);
      fc_consumer_release (crowd->consumer, &frame);
      crowd->released++;
      sem_post (&crowd->room);
    }
  /* All at once, as far as they go. */
  crowd->interrupting++;
  fc_consumer_interrupt (crowd->consumer);
  return NULL;
}

static void
lease_for (crowd_t *crowd, fc_writer_t *writer, unsigned frames)
{
  uint64_t next = 0;

  for (unsigned i = 0; i < frames; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int r;

      while (sem_wait (&crowd->room) < 0)
        ;
      put (writer, 1);
      r = fc_consumer_lease (crowd->consumer, &frame, BOUND);
      check_frame (&frame, r, &next);
      pthread_mutex_lock (&crowd->mutex);
      crowd->frame[crowd->n_frames++] = frame;
      pthread_mutex_unlock (&crowd->mutex);
      sem_post (&crowd->there);
    }
  CHECK_EQ (next, frames);
}

static void
thousands_of_threads_share_a_consumer (void)
{
  static pthread_t thread[THREADS];
  static crowd_t crowd = { .mutex = PTHREAD_MUTEX_INITIALIZER };
  unsigned n = fewer_if_slow (THREADS);
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer;

  options.leases = LEASES;
  writer = writer_new ("cam0", &options);
  crowd.consumer = consumer_new ("cam0", FC_START_OLDEST);
  sem_init (&crowd.there, 0, 0);
  sem_init (&crowd.room, 0, LEASES - 1);
  for (unsigned i = 0; i < n; i++)
    thread[i] = thread_with_small_stack (release_frames, &crowd);
  lease_for (&crowd, writer, 2 * n);
  WAIT_UNTIL (crowd.released == 2 * n);
  CHECK_EQ (consumer_stats (crowd.consumer).leases_out, 0);
  for (unsigned i = 0; i < n; i++)
    sem_post (&crowd.there);
  CHECK_RET (fc_consumer_read (crowd.consumer, &frame, FC_FOREVER),
             FC_INTERRUPTED);
  for (unsigned i = 0; i < n; i++)
    thread_join (thread[i]);
  CHECK_EQ (crowd.interrupting, n);
  fc_consumer_resume (crowd.consumer);
  put (writer, 1);
  CHECK_OK (fc_consumer_read (crowd.consumer, &frame, BOUND));
  check_counts (crowd.consumer);
  fc_consumer_close (crowd.consumer);
  fc_writer_close (writer);
}

/* A thousand handles ------------------------------------------------------- */

#define CONSUMERS 800
#define WRITERS 200

static void
allow_descriptors (rlim_t needed)
{
  struct rlimit limit;

  CHECK_EQ (getrlimit (RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < needed)
    test_skip ("so many descriptors may not be opened here");
  limit.rlim_cur = needed > limit.rlim_cur ? needed : limit.rlim_cur;
  CHECK_EQ (setrlimit (RLIMIT_NOFILE, &limit), 0);
}

static void *
end_at_once (void *arg)
{
  return arg;
}

static void
a_thousand_handles_in_one_process (void)
{
  static fc_consumer_t *consumer[CONSUMERS];
  static fc_writer_t *writer[WRITERS];
  fc_writer_options_t options = small_ring ();
  unsigned files, threads;
  char name[16];

  /* at most a dozen each, and some for what is there */
  allow_descriptors (12 * (CONSUMERS + WRITERS) + 100);
  files = count_files ("/proc/self/fd");
  /* with the first one a sanitizer starts one of its own */
  thread_join (thread_new (end_at_once, NULL));
  threads = count_files ("/proc/self/task");
  options.max_consumers = CONSUMERS;
  options.leases = 2;
  options.frame_size = 64;
  for (int i = 0; i < WRITERS; i++)
    {
      snprintf (name, sizeof name, "cam%d", i);
      writer[i] = writer_new (name, &options);
      options.max_consumers = 4;
    }
  for (int i = 0; i < CONSUMERS; i++)
    {
      snprintf (name, sizeof name, "cam%d", i % 2 ? i % WRITERS : 0);
      consumer[i] = consumer_new (name, FC_START_OLDEST);
    }
  for (int i = 0; i < WRITERS; i++)
    put_size (writer[i], 64);
  for (int i = 0; i < CONSUMERS; i++)
    {
      uint64_t next = 0;

      take (consumer[i], &next);
    }
  CHECK_EQ (writer_stats (writer[0]).consumers, CONSUMERS / 2);
  CHECK_EQ (fc_slot_gc (test_dir, NULL, 0), 0);
  for (int i = 0; i < CONSUMERS; i++)
    fc_consumer_close (consumer[i]);
  for (int i = 0; i < WRITERS; i++)
    fc_writer_close (writer[i]);
  CHECK_EQ (count_files ("/proc/self/fd"), files);
  WAIT_UNTIL (count_files ("/proc/self/task") <= threads);
}

/* Opening and closing at once ---------------------------------------------- */

#define OPENERS 48

static _Atomic unsigned busy, won;

/* Each the only writer of the slot for a moment, or told who is. */
static void *
open_and_close (void *arg)
{
  uint64_t state = (uintptr_t) arg;

  for (unsigned i = 0; i < 60 / slowness () + 4; i++)
    {
      fc_writer_options_t options = small_ring ();
      fc_consumer_options_t other = from (FC_START_OLDEST);
      fc_consumer_t *consumer;
      fc_writer_t *writer = NULL;
      char name[16];
      int r;

      snprintf (name, sizeof name, "cam%d", (int) (chance (&state) % 8));
      r = fc_writer_open (&writer, name, &options);
      if (r != -EBUSY)
        CHECK_OK (r);
      r == 0 ? won++ : busy++;
      if (r == 0)
        put (writer, 1);
      r = fc_consumer_open (&consumer, name, &other);
      if (r != -ENOENT && r != -EUSERS)
        {
          CHECK_OK (r);
          fc_consumer_close (consumer);
        }
      if (writer != NULL)
        fc_writer_close (writer);
    }
  return NULL;
}

static void
many_threads_open_and_close_slots (void)
{
  unsigned files = count_files ("/proc/self/fd");
  pthread_t thread[OPENERS];

  for (uintptr_t i = 0; i < OPENERS; i++)
    thread[i] = thread_new (open_and_close, (void *) i);
  for (int i = 0; i < OPENERS; i++)
    thread_join (thread[i]);
  CHECK_CMP (won, >, 0u);
  CHECK_CMP (busy, >, 0u);
  CHECK_EQ (count_files ("/proc/self/fd"), files);
  CHECK_EQ (fc_slot_gc (test_dir, NULL, 0), 0);
  CHECK_EQ (count_files (test_dir), 0);
}

/* Handles of one slot ------------------------------------------------------ */

#define HANDLES 5

/* The slot by one of three paths of its directory. */
static fc_consumer_t *
consumer_by (const char *dir, uint32_t observe)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);

  options.dir = dir;
  options.observe = observe;
  return consumer_with ("cam0", &options);
}

static void
check_handles (fc_writer_t *writer, fc_consumer_t **consumer, unsigned attached)
{
  fc_writer_options_t options = small_ring ();
  uint64_t next = put (writer, 1);
  fc_writer_t *other;

  CHECK_EQ (fc_slot_gc (test_dir, NULL, 0), 0);
  CHECK_EQ (writer_stats (writer).consumers, attached);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  CHECK_RET (fc_writer_open (&other, "cam0", &options), -EBUSY);
  for (int i = 0; i < HANDLES; i++)
    if (consumer[i] != NULL)
      {
        uint64_t at = next;

        take (consumer[i], &at);
      }
}

/* Close the handles one after the other, from the N-th on: what each has of
 * the same files, their locks above all, is its own. */
static void
close_from (int n, const char *const *dir)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer[HANDLES];
  fc_slot_view_t *view[3];
  unsigned attached = 0;

  for (int i = 0; i < 3; i++)
    CHECK_OK (fc_slot_view_open (&view[i], dir[i], "cam0"));
  for (int i = 0; i < HANDLES; i++)
    {
      consumer[i] = consumer_by (dir[i % 3], i == 1);
      attached += i != 1;
    }
  check_handles (writer, consumer, attached);
  for (int i = 0; i < HANDLES; i++)
    {
      int k = (n + i) % HANDLES;

      if (i < 3)
        fc_slot_view_close (view[i]);
      fc_consumer_close (consumer[k]);
      consumer[k] = NULL;
      attached -= k != 1;
      check_handles (writer, consumer, attached);
    }
  fc_writer_close (writer);
}

static const char *
bind_mount_elsewhere (void)
{
  const char *elsewhere = in_dir ("elsewhere");

  if (!am_root () || unshare (CLONE_NEWNS))
    return test_dir;
  CHECK_EQ (mkdir (elsewhere, 0700), 0);
  CHECK_EQ (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
  CHECK_EQ (mount (test_dir, elsewhere, "none", MS_BIND, NULL), 0);
  return elsewhere;
}

static void
handles_of_one_slot_are_independent (void)
{
  char link[300], elsewhere[300];
  const char *dir[3] = { test_dir, link, elsewhere };

  snprintf (elsewhere, sizeof elsewhere, "%s", bind_mount_elsewhere ());
  snprintf (link, sizeof link, "%s", in_dir ("link"));
  CHECK_EQ (symlink (test_dir, link), 0);
  for (int n = 0; n < HANDLES; n++)
    close_from (n, dir);
}

static const test_t tests[] = {
  SLOW_TEST (thousands_of_threads_share_a_consumer, 120),
  SLOW_TEST (a_thousand_handles_in_one_process, 120),
  SLOW_TEST (many_threads_open_and_close_slots, 120),
  TEST (handles_of_one_slot_are_independent),
};
TEST_MAIN (tests)
