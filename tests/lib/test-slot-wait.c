/* Waiting for a slot that is not there: what concerns it is looked at at once,
 * and what concerns others is not.
 *
 * A look opens the slot's ring, or tries to. That, and libfc's waits for what
 * inotify tells, are counted and met by wrapping openat64 () and poll ().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/inotify.h>

/* How often a waiting consumer looks by itself. */
#define OWN_LOOKS (100 * MS)
#define OTHERS 256u

typedef struct
{
  _Atomic unsigned looks;
  _Atomic unsigned waits;
  _Atomic unsigned unheard; /* waits that ended with nothing to hear */
  void (*meanwhile) (void); /* done in the next wait */
} watch_t;

static watch_t watch;

int __real_openat64 (int dir, const char *path, int flags, mode_t mode);
int __wrap_openat64 (int dir, const char *path, int flags, mode_t mode);
int __real_poll (struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll (struct pollfd *fds, nfds_t n, int timeout);

int
__wrap_openat64 (int dir, const char *path, int flags, mode_t mode)
{
  if (!strcmp (path, "late.ring"))
    watch.looks++;
  return __real_openat64 (dir, path, flags, mode);
}

/* Of libfc only a wait for a slot polls two descriptors. */
int
__wrap_poll (struct pollfd *fds, nfds_t n, int timeout)
{
  void (*meanwhile) (void) = watch.meanwhile;
  int ready;

  if (n != 2)
    return __real_poll (fds, n, timeout);
  watch.waits++;
  watch.meanwhile = NULL;
  if (meanwhile != NULL)
    meanwhile ();
  ready = __real_poll (fds, n, timeout);
  watch.unheard += ready == 0;
  return ready;
}

static void
make_late_slot (void)
{
  fc_writer_options_t options = small_ring ();

  /* for the life of the test */
  (void) writer_new ("late", &options);
}

/* The slot comes beside what MEANWHILE does, and is seen without waiting for
 * the next look that would come by itself. */
static void
check_seen_at_once (void (*meanwhile) (void))
{
  fc_consumer_options_t options = from (FC_START_LIVE);

  options.wait_ns = BOUND;
  watch.meanwhile = meanwhile;
  fc_consumer_close (consumer_with ("late", &options));
  CHECK (watch.meanwhile == NULL);
  CHECK_EQ (watch.unheard, 0);
}

static void
slot_that_comes_is_seen_at_once (void)
{
  check_seen_at_once (make_late_slot);
}

static unsigned
read_number (const char *path)
{
  char text[32];

  read_text (path, text, sizeof text);
  return (unsigned) strtoul (text, NULL, 10);
}

/* More than is kept for who does not listen, of other files; what is told of
 * the slot after that is lost. */
static void
make_late_slot_unheard (void)
{
  unsigned limit = read_number ("/proc/sys/fs/inotify/max_queued_events");
  int fd[2];

  if (limit > 1u << 20)
    test_skip ("so many events are kept that it takes too long to lose one");
  for (unsigned i = 0; i < 2; i++)
    {
      fd[i]
          = open (in_dir ("other-%u", i), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
      CHECK_CMP (fd[i], >=, 0);
    }
  /* in turns: the same again would be told once */
  for (unsigned i = 0; i < limit + 100; i++)
    CHECK_EQ (fchmod (fd[i % 2], 0600), 0);
  close (fd[0]);
  close (fd[1]);
  make_late_slot ();
}

static void
slot_that_was_not_told_of_is_looked_for (void)
{
  check_seen_at_once (make_late_slot_unheard);
}

static unsigned looks_before;

static void
make_late_slot_after_a_look (void)
{
  CHECK_CMP (watch.looks, >, looks_before);
  make_late_slot ();
}

static void
change_directory (void)
{
  CHECK_EQ (chmod (test_dir, 0711), 0);
  looks_before = watch.looks;
  watch.meanwhile = make_late_slot_after_a_look;
}

static void
directory_that_changes_is_looked_at (void)
{
  check_seen_at_once (change_directory);
}

typedef struct
{
  int start, stop;
} crowd_t;

static void
make_others (void *arg)
{
  crowd_t *crowd = arg;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writers[OTHERS];
  char slot[16];

  options.frame_size = 64;
  event_wait (crowd->start);
  for (unsigned i = 0; i < OTHERS; i++)
    {
      snprintf (slot, sizeof slot, "cam%u", i);
      writers[i] = writer_new (slot, &options);
    }
  for (unsigned i = 0; i < OTHERS; i++)
    fc_writer_close (writers[i]);
  event_post (crowd->stop);
}

static void *
wait_in_vain (void *arg)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;

  options.detached = 1;
  consumer = consumer_with ("late", &options);
  *(fc_consumer_t * _Atomic *) arg = consumer;
  CHECK_RET (fc_consumer_attach (consumer, FC_FOREVER), FC_INTERRUPTED);
  fc_consumer_close (consumer);
  return NULL;
}

/* As many looks as it makes by itself, however many slots come and go. */
static void
other_slots_are_not_looked_at (void)
{
  crowd_t crowd = { event_new (), event_new () };
  pid_t pid = spawn (make_others, &crowd);
  fc_consumer_t *_Atomic consumer = NULL;
  pthread_t thread = thread_new (wait_in_vain, &consumer);
  unsigned looks, waits;
  int64_t start;

  WAIT_UNTIL (watch.waits > 0);
  looks = watch.looks;
  waits = watch.waits;
  start = now_ns ();
  event_post (crowd.start);
  event_wait (crowd.stop);
  looks = watch.looks - looks;
  fprintf (stderr, "# %u looks in %u waits, %lld ms\n", looks,
           watch.waits - waits, (long long) ((now_ns () - start) / MS));
  CHECK_CMP (looks, <=, (now_ns () - start) / OWN_LOOKS + 2);
  fc_consumer_interrupt (consumer);
  thread_join (thread);
  reap_ok (pid);
}

static const test_t tests[] = {
  TEST (slot_that_comes_is_seen_at_once),
  TEST (slot_that_was_not_told_of_is_looked_for),
  TEST (directory_that_changes_is_looked_at),
  SLOW_TEST (other_slots_are_not_looked_at, 120),
};
TEST_MAIN (tests)
