/* A program that forks without exec while it has slots open.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/mman.h>

static void
look_whether_wiped (void *page)
{
  CHECK_EQ (*(char *) page, 0);
}

static void
read_page (void *page)
{
  volatile char value = *(volatile char *) page;

  (void) value;
}

/* An emulator says that memory is kept from a child, and keeps it not. */
static void
need_wiping (void)
{
  char *pages = mmap (NULL, 1 << 17, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *second = pages + (1 << 16);

  CHECK (pages != MAP_FAILED);
  CHECK_EQ (madvise (pages, 1 << 16, MADV_WIPEONFORK), 0);
  CHECK_EQ (madvise (second, 1 << 16, MADV_DONTFORK), 0);
  *pages = *second = 1;
  if (reap (spawn (look_whether_wiped, pages)) != 0
      || reap (spawn (read_page, second)) == 0)
    test_skip ("memory can not be kept from a child here");
  munmap (pages, 1 << 17);
}

/* All that a program can have open of a slot. */
typedef struct
{
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  fc_consumer_t *observer;
  fc_frame_t acquired;
  fc_frame_t held;
  fc_frame_t leased; /* the held one, frame 0 */
  int event;         /* and one thing else */
} open_t;

static open_t open_slot;

static void
open_all (open_t *open)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t observer = from (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;

  options.writer_cells = 3;
  observer.observe = 1;
  open->acquired = open->held = open->leased = frame;
  open->writer = writer_new ("cam0", &options);
  open->consumer = consumer_new ("cam0", FC_START_OLDEST);
  open->observer = consumer_with ("cam0", &observer);
  CHECK_OK (fc_writer_acquire (open->writer, &open->held));
  fill (open->held.data, 8192, 0);
  open->held.size = 8192;
  CHECK_OK (fc_writer_commit_hold (open->writer, &open->held));
  CHECK_OK (fc_writer_acquire (open->writer, &open->acquired));
  CHECK_OK (fc_consumer_lease (open->consumer, &open->leased, BOUND));
}

static void
close_all (open_t *open)
{
  fc_consumer_release (open->consumer, &open->leased);
  fc_writer_unhold (open->writer, &open->held);
  fc_writer_abandon (open->writer, &open->acquired);
  fc_consumer_interrupt (open->consumer);
  fc_consumer_close (open->consumer);
  fc_consumer_close (open->observer);
  fc_writer_close (open->writer);
}

/* That nothing was let go of, and everything goes on. */
static void
check_all_works (open_t *open)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_stats_t stats;
  fc_writer_t *other;
  uint64_t next = 1;

  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  put (open->writer, 12);
  stats = writer_stats (open->writer);
  CHECK_EQ (stats.consumers, 1);
  CHECK_EQ (stats.cells_out, 2);
  CHECK_EQ (stats.cells_leased, 1);
  CHECK (whole (open->leased.data, 8192, 0));
  CHECK_EQ (fc_frame_intact (open->consumer, &open->leased), 1);
  CHECK_RET (drain (open->consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 13);
  CHECK_RET (fc_writer_open (&other, "cam0", &options), -EBUSY);
}

static void
close_at_exit (void)
{
  close_all (&open_slot);
}

/* Fork without spawn ()'s care; the child runs FUNC and exits by exit (), as
 * programs do that know nothing of what their libraries have open. */
static pid_t
fork_child (void (*func) (void))
{
  pid_t pid = fork ();

  CHECK_CMP (pid, >=, 0);
  if (pid == 0)
    {
      func ();
      exit (0);
    }
  return pid;
}

static void
end_by_exit (void)
{
  CHECK_EQ (atexit (close_at_exit), 0);
}

static void
clean_up_in_a_child_is_not_the_parents (void)
{
  need_wiping ();
  open_all (&open_slot);
  for (int i = 0; i < 3; i++)
    reap_ok (fork_child (end_by_exit));
  check_all_works (&open_slot);
  close_all (&open_slot);
  CHECK_EQ (count_files (test_dir), 1); /* the lock */
}

static void
touch_leased (void)
{
  signal (SIGSEGV, SIG_DFL);
  *(volatile char *) open_slot.leased.data;
}

static void
write_acquired (void)
{
  signal (SIGSEGV, SIG_DFL);
  *(volatile char *) open_slot.acquired.data = 1;
}

static void
use_writer (void)
{
  signal (SIGSEGV, SIG_DFL);
  (void) fc_writer_write (open_slot.writer, "bytes", 5, NULL, NULL);
}

static void
shared_memory_is_not_the_childs (void)
{
  static void (*const func[]) (void)
      = { touch_leased, write_acquired, use_writer };

  need_wiping ();
  open_all (&open_slot);
  for (int i = 0; i < 3; i++)
    {
      int status = reap (fork_child (func[i]));

      CHECK (WIFSIGNALED (status) && WTERMSIG (status) == SIGSEGV);
    }
  check_all_works (&open_slot);
  close_all (&open_slot);
}

/* Children that outlive their parent --------------------------------------- */

typedef struct
{
  void (*func) (void); /* of the child, before it lives on */
  int ready;
  _Atomic pid_t child;
} family_t;

static void
be_a_family (void *arg)
{
  family_t *family = arg;
  pid_t pid;

  open_slot.event = family->ready;
  open_all (&open_slot);
  pid = fork ();
  if (pid == 0)
    {
      family->func ();
      event_post (family->ready);
    }
  else
    family->child = pid;
  for (;;)
    pause ();
}

static void
close_handles (void)
{
  close_all (&open_slot);
}

static void
close_descriptors (void)
{
  for (int fd = 3; fd < 200; fd++)
    if (fd != open_slot.event)
      close (fd);
}

static void
keep_all (void)
{
}

/* Start one, and kill the parent alone. */
static family_t *
orphan (void (*func) (void), fc_consumer_t **consumer)
{
  family_t *family = share (sizeof *family);
  pid_t pid;

  family->func = func;
  family->ready = event_new ();
  pid = spawn (be_a_family, family);
  event_wait (family->ready);
  WAIT_UNTIL (family->child > 0);
  *consumer = consumer_new ("cam0", FC_START_LIVE);
  kill9 (pid);
  CHECK_EQ (kill (family->child, 0), 0);
  return family;
}

static void
check_parent_is_lost (fc_consumer_t *consumer)
{
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer;
  uint64_t next;

  options.writer_cells = 3;

  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_WRITER_LOST);
  writer = writer_new ("cam0", &options);
  next = put (writer, 1);
  take (consumer, &next);
  WAIT_UNTIL (put (writer, 1) && writer_stats (writer).consumers == 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
parents_death_is_seen_when_the_child_let_go (void)
{
  static void (*const func[]) (void) = { close_handles, close_descriptors };

  need_wiping ();
  for (int i = 0; i < 2; i++)
    {
      fc_consumer_t *consumer;
      family_t *family = orphan (func[i], &consumer);

      check_parent_is_lost (consumer);
      CHECK_EQ (kill (family->child, SIGKILL), 0);
    }
}

/* What fc.h warns of; and it ends with the child. */
static void
parents_death_is_not_seen_while_the_child_keeps_all (void)
{
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  family_t *family = orphan (keep_all, &consumer);
  fc_writer_t *writer;

  CHECK_RET (fc_consumer_read (consumer, &frame, 3 * SLICE), FC_TIMEOUT);
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EBUSY);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  CHECK_EQ (kill (family->child, SIGKILL), 0);
  check_parent_is_lost (consumer);
}

/* While frames pass -------------------------------------------------------- */

static void *
write_all (void *arg)
{
  _Atomic bool *end = arg;

  while (!*end)
    CHECK_OK (fc_writer_write (open_slot.writer, "bytes", 5, NULL, NULL));
  CHECK_OK (fc_writer_finish (open_slot.writer));
  return NULL;
}

static void *
read_all (void *arg)
{
  fc_consumer_t *consumer = arg;
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;
  int r;

  while ((r = fc_consumer_read (consumer, &frame, BOUND)) != FC_EOS)
    {
      CHECK_CMP (r, >=, 0);
      CHECK_EQ (frame.seq, next + frame.dropped);
      next = frame.seq + 1;
    }
  check_counts (consumer);
  return NULL;
}

static void
forks_among_frames_disturb_nothing (void)
{
  fc_writer_options_t options = small_ring ();
  _Atomic bool end = false;
  pthread_t thread[3];

  need_wiping ();
  open_slot.writer = writer_new ("cam0", &options);
  for (int i = 0; i < 2; i++)
    {
      fc_consumer_options_t other = from (FC_START_OLDEST);

      other.observe = (uint32_t) i;
      open_slot.consumer = consumer_with ("cam0", &other);
      thread[i] = thread_new (read_all, open_slot.consumer);
    }
  thread[2] = thread_new (write_all, &end);
  for (int i = 0; i < 200; i++)
    {
      pid_t pid = fork ();

      if (pid == 0)
        {
          fc_consumer_close (open_slot.consumer);
          fc_writer_close (open_slot.writer);
          _exit (0);
        }
      reap_ok (pid);
    }
  end = true;
  for (int i = 0; i < 3; i++)
    thread_join (thread[i]);
  CHECK_CMP (writer_stats (open_slot.writer).head, >, 0u);
  fc_writer_close (open_slot.writer);
}

static const test_t tests[] = {
  TEST (clean_up_in_a_child_is_not_the_parents),
  TEST (shared_memory_is_not_the_childs),
  TEST (parents_death_is_seen_when_the_child_let_go),
  TEST (parents_death_is_not_seen_while_the_child_keeps_all),
  SLOW_TEST (forks_among_frames_disturb_nothing, 120),
};
TEST_MAIN (tests)
