/* A reader that may do nothing but read, and does all that it can with that:
 * the writer and the others do not notice.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

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

static const test_t tests[] = {
  TEST (locks_do_not_make_the_next_writer_look_dead),
  TEST (lock_is_taken_when_it_becomes_free),
};
TEST_MAIN (tests)
