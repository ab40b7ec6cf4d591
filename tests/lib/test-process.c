/* Descriptors, fork, exec and namespaces.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sched.h>

static void
descriptors_are_close_on_exec (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  bool before[512];
  fc_consumer_t *consumer[2];
  fc_writer_t *writer;
  unsigned opened = 0;

  for (int fd = 0; fd < 512; fd++)
    before[fd] = fcntl (fd, F_GETFD) >= 0;
  writer = writer_new ("cam0", &options);
  for (other.observe = 0; other.observe < 2; other.observe++)
    consumer[other.observe] = consumer_with ("cam0", &other);
  for (int fd = 0; fd < 512; fd++)
    {
      int flags = fcntl (fd, F_GETFD);

      if (before[fd] || flags < 0)
        continue;
      opened++;
      CHECK_EQ (flags & FD_CLOEXEC, FD_CLOEXEC);
    }
  CHECK_CMP (opened, >=, 3u);
  fc_consumer_close (consumer[0]);
  fc_consumer_close (consumer[1]);
  fc_writer_close (writer);
}

/* A child that was forked and went on to another program keeps no lock of
 * its parent's: when the parent dies, it is seen to be dead. */
static void
live_with_a_child (void *arg)
{
  int *events = arg;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  int exec_done[2];
  char c;
  pid_t pid;

  put (writer, 2);
  CHECK_EQ (pipe2 (exec_done, O_CLOEXEC), 0);
  pid = fork ();
  if (pid == 0)
    {
      execl ("/bin/sleep", "sleep", "1000", (char *) NULL);
      _exit (1);
    }
  close (exec_done[1]);
  /* ends when exec closes the other end */
  CHECK_EQ (read (exec_done[0], &c, 1), 0);
  event_post (events[0]);
  for (;;)
    pause ();
}

static void
program_started_by_a_writer_keeps_no_lock (void)
{
  fc_writer_options_t options = small_ring ();
  int events[1] = { event_new () };
  pid_t pid = spawn (live_with_a_child, events);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;

  event_wait (events[0]);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  kill9 (pid);
  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_WRITER_LOST);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).head, 2);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static fc_consumer_t *
open_by_descriptors (const char *ring, const char *table)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer;

  options.use_fds = 1;
  options.position.start = FC_START_OLDEST;
  options.ring_fd = open (ring, O_RDONLY | O_CLOEXEC);
  options.table_fd = table ? open (table, O_RDWR | O_CLOEXEC) : -1;
  consumer = consumer_with ("cam0", &options);
  /* borrowed; and the lock on the entry must not go with our copy */
  CHECK_EQ (close (options.ring_fd), 0);
  if (table)
    CHECK_EQ (close (options.table_fd), 0);
  return consumer;
}

static void
descriptors_are_enough_to_attach (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer[3];

  for (int i = 0; i < 3; i++)
    {
      consumer[i] = open_by_descriptors (in_dir ("cam0.ring"),
                                         i < 2 ? table_path ("cam0") : NULL);
      CHECK_EQ (consumer_stats (consumer[i]).observing, i == 2);
    }
  CHECK_EQ (writer_stats (writer).consumers, 2);
  put (writer, 3);
  for (int i = 0; i < 3; i++)
    {
      uint64_t next = 0;

      CHECK_RET (drain (consumer[i], &next), FC_TIMEOUT);
      CHECK_EQ (next, 3);
    }
  /* they live as long as their handles, for everybody to see */
  CHECK_RET (fc_slot_gc (test_dir, "cam0", 0), 0);
  CHECK_EQ (writer_stats (writer).consumers, 2);
  for (int i = 0; i < 3; i++)
    fc_consumer_close (consumer[i]);
  CHECK_EQ (writer_stats (writer).consumers, 0);
  fc_writer_close (writer);
}

static void
wrong_descriptors_are_refused (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_writer_t *second = writer_new ("cam1", &options);
  fc_consumer_options_t other = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer = NULL;
  int ring = open (in_dir ("cam0.ring"), O_RDONLY | O_CLOEXEC);
  int table = open (table_path ("cam1"), O_RDWR | O_CLOEXEC);
  int pipes[2];

  CHECK_EQ (pipe2 (pipes, O_CLOEXEC), 0);
  other.use_fds = 1;
  other.ring_fd = ring;
  other.table_fd = table; /* another ring's */
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &other), -EPROTO);
  other.table_fd = ring;
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  other.table_fd = pipes[0];
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  other.table_fd = -1;
  other.ring_fd = pipes[0];
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  other.ring_fd = -1;
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  other.ring_fd = 4000;
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &other), <, 0);
  CHECK_CMP (fcntl (ring, F_GETFD), >=, 0);
  CHECK_CMP (fcntl (table, F_GETFD), >=, 0);
  fc_writer_close (writer);
  fc_writer_close (second);
}

typedef struct
{
  int ready;
  bool writes;
} member_t;

/* In a pid namespace of its own, where its pid is 1 to itself and no other
 * namespace's pids mean anything. */
static void
in_a_pid_namespace (void *arg)
{
  member_t *member = arg;
  int status;
  pid_t pid;

  if (unshare (CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNS))
    _exit (77);
  pid = fork ();
  if (pid == 0)
    {
      CHECK_EQ (getpid (), 1);
      if (member->writes)
        {
          fc_writer_options_t options = small_ring ();

          put (writer_new ("cam0", &options), 3);
        }
      else
        {
          fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
          fc_frame_t frame = FC_FRAME_INIT;

          CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
        }
      event_post (member->ready);
      for (;;)
        pause ();
    }
  waitpid (pid, &status, 0);
}

/* The member is the spawned child's own child, the first of its namespace. */
static void
kill_member (pid_t parent)
{
  char path[80], text[80];
  pid_t pid;

  snprintf (path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
  read_text (path, text, sizeof text);
  pid = atoi (text);
  CHECK_CMP (pid, >, 1);
  CHECK_EQ (kill (pid, SIGKILL), 0);
  reap (parent);
}

static void
death_is_seen_across_pid_namespaces (void)
{
  fc_writer_options_t options = small_ring ();
  member_t member = { event_new (), true };
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;
  pid_t pid;

  if (!am_root ())
    test_skip ("only root may make pid namespaces here");
  pid = spawn (in_a_pid_namespace, &member);
  event_wait (member.ready);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  for (int i = 0; i < 3; i++)
    take (consumer, &next);
  CHECK_RET (fc_consumer_read (consumer, &frame, 2 * SLICE), FC_TIMEOUT);
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EBUSY);
  kill_member (pid);
  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_WRITER_LOST);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).head, 3);
  fc_consumer_close (consumer);

  member.writes = false;
  pid = spawn (in_a_pid_namespace, &member);
  event_wait (member.ready);
  put (writer, 10);
  CHECK_EQ (writer_stats (writer).consumers, 1);
  CHECK_EQ (writer_stats (writer).cells_leased, 1);
  kill_member (pid);
  WAIT_UNTIL (put (writer, 1) && writer_stats (writer).consumers == 0);
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  fc_writer_close (writer);
}

static void
housekeeper_takes_no_signals (void)
{
  fc_writer_options_t options = small_ring ();
  unsigned before = count_files ("/proc/self/task");
  fc_writer_t *writer = writer_new ("cam0", &options);
  unsigned long long blocked, all = 0, unblockable;
  unsigned others = 0;

  /* SIGKILL, SIGSTOP, and those that others keep for themselves: two the C
   * library, SIGSYS the sanitizers, the last one valgrind, four more, aborts
   * and faults emulators */
  unblockable = 1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 63ull << 31
                | 1ull << (SIGSYS - 1) | 1ull << 63 | 1ull << (SIGILL - 1)
                | 1ull << (SIGFPE - 1) | 1ull << (SIGSEGV - 1)
                | 1ull << (SIGBUS - 1) | 1ull << (SIGABRT - 1);
  for (int s = 1; s <= 64; s++)
    all |= 1ull << (s - 1);
  put (writer, 1);
  CHECK_CMP (count_files ("/proc/self/task"), >, before);
  for (int tid = getpid () + 1; tid < getpid () + 200; tid++)
    {
      char path[80], text[4000];
      const char *mask;

      snprintf (path, sizeof path, "/proc/self/task/%d/status", tid);
      if (!exists (path))
        continue;
      read_text (path, text, sizeof text);
      mask = strstr (text, "SigBlk:");
      CHECK (mask != NULL);
      blocked = strtoull (mask + 7, NULL, 16);
      CHECK_EQ (blocked | unblockable, all);
      others++;
    }
  CHECK_CMP (others, >, 0u);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (descriptors_are_close_on_exec),
  TEST (program_started_by_a_writer_keeps_no_lock),
  TEST (descriptors_are_enough_to_attach),
  TEST (wrong_descriptors_are_refused),
  TEST (death_is_seen_across_pid_namespaces),
  TEST (housekeeper_takes_no_signals),
};
TEST_MAIN (tests)
