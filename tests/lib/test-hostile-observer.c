/* A reader that may do nothing but read, and does all that it can with that:
 * the writer and the others do not notice.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <linux/futex.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define MANY_OPENS 900
#define MANY_LOCKS 3000
#define MANY_WAITERS 200
/* FUTEX_WAIT on pages of the ring's control area, as they come */
#define WORDS 16

typedef struct
{
  int ready;
  int go;
  unsigned frames;
} part_t;

static fc_writer_options_t
public_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.access = FC_SHARE_ALL;
  CHECK_EQ (chmod (test_dir, 0755), 0);
  return options;
}

static void
write_and_wait (void *arg)
{
  part_t *part = arg;
  fc_writer_options_t options = public_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put (writer, part->frames);
  event_post (part->ready);
  for (;;)
    pause ();
}

static void
lock_what_can_be_locked (void *arg)
{
  part_t *part = arg;
  struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
  int fd = open (in_dir ("cam0.ring"), O_RDONLY | O_CLOEXEC);

  CHECK (fd >= 0);
  event_wait (part->go); /* its writer is dead, and the next one to come */
  CHECK_EQ (fcntl (fd, F_OFD_SETLK, &lock), 0);
  event_post (part->ready);
  for (;;)
    pause ();
}

/* A read lock on a ring whose writer died keeps the next one from its own, by
 * which observers tell that it lives. */
static void
locks_do_not_make_the_next_writer_look_dead (void)
{
  part_t writer = { event_new (), event_new (), 4 };
  part_t thief = { event_new (), event_new (), 0 };
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *observer;
  pid_t pid = spawn (write_and_wait, &writer), locks;
  uint64_t next = 4;
  char table[400];

  event_wait (writer.ready);
  options.observe = 1;
  observer = consumer_with ("cam0", &options);
  locks = spawn (lock_what_can_be_locked, &thief);
  kill9 (pid);
  event_post (thief.go);
  event_wait (thief.ready);

  pid = spawn (write_and_wait, &writer);
  event_wait (writer.ready);
  while (next < 8)
    take (observer, &next);
  CHECK_EQ (consumer_stats (observer).generation, 1);
  /* for longer than one sign of life is good for */
  CHECK_RET (fc_consumer_read (observer, &frame, 16 * SLICE), FC_TIMEOUT);
  /* who may not open the table sees no more than the observer does */
  snprintf (table, sizeof table, "%s", table_path ("cam0"));
  CHECK_EQ (rename (table, in_dir ("aside")), 0);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  CHECK_EQ (rename (in_dir ("aside"), table), 0);

  /* and death is still death */
  kill9 (pid);
  CHECK_RET (fc_consumer_read (observer, &frame, FC_FOREVER), FC_WRITER_LOST);
  kill9 (locks);
  fc_consumer_close (observer);
}

/* Once the lock can be had the writer takes it: death is seen at once. */
static void
lock_is_taken_when_it_becomes_free (void)
{
  part_t writer = { event_new (), event_new (), 4 };
  part_t thief = { event_new (), event_new (), 0 };
  pid_t pid = spawn (write_and_wait, &writer), locks;
  struct flock probe;
  int fd;

  event_wait (writer.ready);
  locks = spawn (lock_what_can_be_locked, &thief);
  kill9 (pid);
  event_post (thief.go);
  event_wait (thief.ready);
  pid = spawn (write_and_wait, &writer);
  event_wait (writer.ready);
  kill9 (locks);
  fd = open (in_dir ("cam0.ring"), O_RDONLY | O_CLOEXEC);
  WAIT_UNTIL ((probe = (struct flock){ .l_type = F_RDLCK, .l_len = 1 },
               fcntl (fd, F_OFD_GETLK, &probe) == 0)
              && probe.l_type == F_WRLCK);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  kill9 (pid);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LOST);
  close (fd);
}

/* Everything that would change the ring, or what the others may do with it, by
 * FD, by its path, or by the descriptors of its writer. */
static void
try_to_change (int fd, const char *ring, pid_t writer)
{
  char by_fd[64];
  const char *link_name = in_dir ("link");
  void *base = mmap (NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

  CHECK (base != MAP_FAILED);
  CHECK (mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
         == MAP_FAILED);
  CHECK_CMP (mprotect (base, 4096, PROT_READ | PROT_WRITE), <, 0);
  /* an emulator says that it did */
  (void) madvise (base, 4096, MADV_REMOVE);
  CHECK (memcmp (base, "fcRING", 6) == 0);
  CHECK_CMP (pwrite (fd, "x", 1, 0), <, 0);
  CHECK_CMP (ftruncate (fd, 0), <, 0);
  CHECK_CMP (truncate (ring, 0), <, 0);
  CHECK_CMP (
      fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), <,
      0);
  CHECK_CMP (fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE), <, 0);
  CHECK_CMP (fcntl (fd, F_SETLEASE, F_RDLCK), <, 0);
  CHECK_CMP (fchmod (fd, 0666), <, 0);
  CHECK_CMP (fchown (fd, NOBODY, NOBODY), <, 0);
  CHECK_CMP (futimens (fd, NULL), <, 0);
  CHECK_CMP (unlink (ring), <, 0);
  CHECK_CMP (rename (ring, link_name), <, 0);
  CHECK_CMP (link (ring, link_name), <, 0);
  CHECK_CMP (linkat (fd, "", AT_FDCWD, link_name, AT_EMPTY_PATH), <, 0);
  CHECK_CMP (kill (writer, SIGSTOP), <, 0);
  snprintf (by_fd, sizeof by_fd, "/proc/self/fd/%d", fd);
  CHECK_CMP (open (by_fd, O_RDWR | O_CLOEXEC), <, 0);
  for (int i = 0; i < 64; i++)
    {
      snprintf (by_fd, sizeof by_fd, "/proc/%d/fd/%d", writer, i);
      CHECK_CMP (open (by_fd, O_RDONLY | O_CLOEXEC), <, 0);
    }
  munmap (base, 4096);
}

static void
lock_bytes_apart (int fd)
{
  struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };

  /* One in two, so that the kernel can not make one lock of them. */
  for (lock.l_start = 1; lock.l_start < 2 * MANY_LOCKS; lock.l_start += 2)
    CHECK_EQ (fcntl (fd, F_OFD_SETLK, &lock), 0);
}

/* Sleeps on every word of a page by turns, wakes whoever sleeps there, and
 * moves those who sleep on one word to another. */
static void *
play_with_futexes (void *arg)
{
  uint32_t *page = arg;
  static const struct timespec pause = { 0, 20 * MS };

  for (unsigned n = 0;; n++)
    {
      uint32_t *word = page + 32 * (n % WORDS);

      syscall (SYS_futex, word, FUTEX_WAIT, __atomic_load_n (word, 0), &pause,
               NULL, 0);
      if (n % 8 == 0)
        syscall (SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
      if (n % 8 == 4)
        syscall (SYS_futex, word, FUTEX_REQUEUE, 0, INT32_MAX, page + 1000, 0);
    }
  return NULL;
}

typedef struct
{
  int ready;
  int go;
  _Atomic pid_t *writer;
} hostile_t;

static void
do_all_that_can_be_done (void *arg)
{
  hostile_t *hostile = arg;
  const char *ring = in_dir ("cam0.ring");
  int notify = inotify_init1 (IN_CLOEXEC), fd = -1;
  static char bytes[64 << 10];
  void *page;

  become_nobody ();
  event_wait (hostile->go);
  for (int i = 0; i < MANY_OPENS; i++)
    {
      int one = open (ring, O_RDONLY | O_CLOEXEC);

      fd = one >= 0 ? one : fd;
      (void) flock (fd, LOCK_EX | LOCK_NB);
    }
  CHECK (fd >= 0);
  CHECK_CMP (open (in_dir ("cam0.lock"), O_RDONLY | O_CLOEXEC), <, 0);
  CHECK_CMP (open (table_path ("cam0"), O_RDONLY | O_CLOEXEC), <, 0);
  try_to_change (fd, ring, *hostile->writer);
  lock_bytes_apart (fd);
  inotify_add_watch (notify, ring, IN_ALL_EVENTS);
  inotify_add_watch (notify, test_dir, IN_ALL_EVENTS);
  page = mmap (NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  CHECK (page != MAP_FAILED);
  for (int i = 0; i < MANY_WAITERS; i++)
    (void) thread_new (play_with_futexes, page);
  event_post (hostile->ready);
  for (off_t at = 0;; at = pread (fd, bytes, sizeof bytes, at) > 0
                               ? at + (off_t) sizeof bytes
                               : 0)
    ;
}

/* Frame by frame, so that not one may be lost by whoever reads. */
static void
pass_frames (fc_writer_t *writer, fc_consumer_t *consumer,
             fc_consumer_t *observer, unsigned count)
{
  uint64_t next = writer_stats (writer).head, seen = next;

  while (count-- > 0)
    {
      put (writer, 1);
      take (consumer, &next);
      take (observer, &seen);
    }
  CHECK_EQ (consumer_stats (consumer).dropped, 0);
  CHECK_EQ (consumer_stats (observer).dropped, 0);
}

static void
no_frame_is_lost_and_the_next_writer_starts_at_once (void)
{
  _Atomic pid_t *victim = share (sizeof *victim);
  hostile_t hostile = { event_new (), event_new (), victim };
  part_t part = { event_new (), event_new (), 4 };
  fc_writer_options_t options = public_ring ();
  fc_consumer_options_t observing = from (FC_START_LIVE);
  fc_consumer_t *consumer, *observer;
  fc_writer_t *writer;
  uint64_t before;
  pid_t first;

  if (!am_root ())
    test_skip ("only root may become another user");
  spawn (do_all_that_can_be_done, &hostile);
  first = spawn (write_and_wait, &part);
  atomic_store (victim, first);
  event_wait (part.ready);
  event_post (hostile.go);
  event_wait (hostile.ready);
  kill9 (first);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).generation, 1);
  before = writer_stats (writer).bytes_allocated;
  consumer = consumer_new ("cam0", FC_START_LIVE);
  observing.observe = 1;
  observer = consumer_with ("cam0", &observing);
  pass_frames (writer, consumer, observer, 1000);
  CHECK_EQ (writer_stats (writer).head, 1004);
  CHECK_EQ (writer_stats (writer).consumers, 1);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).bytes_allocated, before);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  fc_consumer_close (consumer);
  fc_consumer_close (observer);
  fc_writer_close (writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static const test_t tests[] = {
  TEST (locks_do_not_make_the_next_writer_look_dead),
  TEST (lock_is_taken_when_it_becomes_free),
  SLOW_TEST (no_frame_is_lost_and_the_next_writer_starts_at_once, 90),
};
TEST_MAIN (tests)
