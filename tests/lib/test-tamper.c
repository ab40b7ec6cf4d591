/* A process that the slot trusts breaks the rules: the writer goes on, and
 * nobody is given a torn frame for whole.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"

typedef struct
{
  int ready;
  _Atomic bool *enough;
  uint64_t seed;
  int go; /* for one that is started before there is a slot */
} hostile_t;

static void
cleared_lease_is_told (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  void *table = bytes_map (table_path ("cam0"));

  /* while the frame is in the history still: its cell is then used again */
  put (writer, 1);
  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  CHECK_RET (fc_frame_intact (consumer, &frame), 1);
  for (uint32_t i = 0; i < 8; i++)
    for (uint32_t k = 0; k < 4; k++)
      atomic_store (&table_entry (table, i)->lease[k], 0);
  put (writer, 40);
  CHECK (!whole (frame.data, frame.size, 0));
  CHECK_RET (fc_frame_intact (consumer, &frame), 0);
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Everything of an entry. */
static void
scribble (void *arg)
{
  hostile_t *hostile = arg;
  void *table = bytes_map (table_path ("cam0"));
  const fc_table_header_t *header = table;
  _Atomic uint64_t *attached
      = (_Atomic uint64_t *) ((char *) table + FC_ATTACHED_OFFSET);

  event_post (hostile->ready);
  while (!atomic_load (hostile->enough))
    {
      uint32_t n = (uint32_t) (chance (&hostile->seed) % header->entries);
      fc_entry_t *entry = table_entry (table, n);
      uint64_t value = chance (&hostile->seed);
      uint64_t what = chance (&hostile->seed);

      switch (what % 10)
        {
        case 0:
          atomic_store (&entry->waiting, (uint32_t) value);
          break;
        case 1:
          atomic_store (&entry->request, (uint32_t) value);
          break;
        case 2:
          atomic_store (&entry->cursor, value);
          atomic_store (&entry->delivered, ~value);
          atomic_store (&entry->dropped, value << 7);
          break;
        case 3:
          atomic_store (&entry->pid, (uint32_t) value);
          atomic_store (&entry->uid, (uint32_t) value);
          break;
        case 4:
          for (int i = 0; i < FC_CONSUMER_NAME / 8; i++)
            atomic_store (&entry->name[i], value | 0x0101010101010101u);
          break;
        case 5:
          atomic_fetch_xor (attached, 1ull << n);
          break;
        default:
          /* both impossible cells and possible ones */
          atomic_store (&entry->lease[value % header->leases],
                        what % 2 ? (uint32_t) (value >> 32)
                                 : (uint32_t) (value >> 32) % 40);
          break;
        }
    }
}

static void
check_under_scribbling (void (*hostility) (void *), uint32_t observers)
{
  fc_writer_options_t options = small_ring ();
  _Atomic bool *enough = share (sizeof *enough);
  hostile_t hostile = { event_new (), enough, 1, -1 };
  fc_plan_t plan = { .struct_size = sizeof plan };
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer, *observer;
  uint64_t next = 0, seen = 0, frames = 0;
  int64_t until;
  fc_writer_t *writer;
  pid_t pid;

  options.ring_depth = 3;
  options.observers = observers;
  CHECK_OK (fc_plan (&options, &plan));
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  other.observe = 1;
  observer = consumer_with ("cam0", &other);
  pid = spawn (hostility, &hostile);
  event_wait (hostile.ready);
  until = now_ns () + 2 * SEC;
  while (now_ns () < until)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int ret = fc_writer_acquire (writer, &frame);

      /* every cell can be leased by lies, then frames are dropped */
      CHECK (ret == 0 || ret == -EAGAIN);
      if (ret == 0)
        {
          fill (frame.data, 8192, writer_stats (writer).head);
          frame.size = 8192;
          CHECK_OK (fc_writer_commit (writer, &frame));
          frames++;
        }
      CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
      CHECK_RET (drain (observer, &seen), FC_TIMEOUT);
    }
  atomic_store (enough, true);
  reap_ok (pid);
  CHECK_CMP (frames, >, 100u);
  CHECK_EQ (writer_stats (writer).head, frames);
  CHECK_EQ (consumer_stats (consumer).cursor, frames);
  CHECK_EQ (consumer_stats (observer).cursor, frames);
  CHECK_CMP (writer_stats (writer).bytes_allocated, <=, plan.bytes_planned);
  fc_consumer_close (observer);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static void
writer_goes_on_under_scribbling (void)
{
  check_under_scribbling (scribble, 0);
}

static void
writer_goes_on_under_scribbling_with_observers (void)
{
  check_under_scribbling (scribble, 1);
}

/* Clears all leases as fast as it can: copies then run without any. */
static void
clear_leases (void *arg)
{
  hostile_t *hostile = arg;
  void *table;

  event_wait (hostile->go);
  table = bytes_map (table_path ("cam0"));
  event_post (hostile->ready);
  while (!atomic_load (hostile->enough))
    for (uint32_t k = 0; k < 4; k++)
      atomic_store (&table_entry (table, 0)->lease[k], 0);
}

static void
write_until (void *arg)
{
  hostile_t *hostile = arg;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.ring_depth = 2;
  options.frame_size = 64 << 10;
  writer = writer_new ("cam0", &options);
  event_post (hostile->ready);
  while (!atomic_load (hostile->enough))
    put_size (writer, 64 << 10);
  fc_writer_close (writer);
}

static void
copies_do_not_tear_without_their_lease (void)
{
  _Atomic bool *enough = share (sizeof *enough);
  hostile_t hostile = { event_new (), enough, 1, event_new () };
  pid_t pid = spawn (clear_leases, &hostile);
  pid_t writer = spawn (write_until, &hostile);
  int64_t until = now_ns () + 3 * SEC;
  fc_consumer_t *consumer;
  uint64_t next;

  event_wait (hostile.ready);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  next = consumer_stats (consumer).first;
  event_post (hostile.go);
  event_wait (hostile.ready);
  while (now_ns () < until)
    take (consumer, &next);
  atomic_store (enough, true);
  reap_ok (pid);
  reap_ok (writer);
  CHECK_CMP (consumer_stats (consumer).delivered, >, 10u);
  fc_consumer_close (consumer);
}

static void
take_every_lock (void *arg)
{
  hostile_t *hostile = arg;
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  int fd = open (table_path ("cam0"), O_RDWR | O_CLOEXEC);

  CHECK (fd >= 0);
  for (lock.l_start = 0; lock.l_start < 100; lock.l_start++)
    {
      lock.l_len = 1;
      fcntl (fd, F_OFD_SETLK, &lock);
    }
  event_post (hostile->ready);
  for (;;)
    pause ();
}

static void
die_writing (void *arg)
{
  hostile_t *hostile = arg;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put (writer, 3);
  event_post (hostile->ready);
  for (;;)
    pause ();
}

static void
every_lock_taken_stops_neither_writer_nor_next_writer (void)
{
  fc_writer_options_t options = small_ring ();
  hostile_t hostile = { event_new (), NULL, 0, -1 };
  pid_t pid = spawn (die_writing, &hostile), thief;
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer, *late = NULL;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer;
  uint64_t next = 3;

  event_wait (hostile.ready);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  thief = spawn (take_every_lock, &hostile);
  event_wait (hostile.ready);
  /* the entries that nobody has are taken now; they are not attached */
  CHECK_RET (fc_consumer_open (&late, "cam0", &other), -EUSERS);
  CHECK_RET (fc_consumer_read (consumer, &frame, MS), FC_TIMEOUT);
  kill9 (pid);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).head, 3);
  put (writer, 2);
  while (drain (consumer, &next) == FC_REPLACED)
    CHECK_OK (fc_consumer_attach (consumer, BOUND));
  CHECK_EQ (next, 5);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  kill9 (thief);
}

/* An entry that says attached and that nobody has locked is a dead one's. */
static void
invented_entries_are_reaped (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  void *table = bytes_map (table_path ("cam0"));
  _Atomic uint64_t *attached
      = (_Atomic uint64_t *) ((char *) table + FC_ATTACHED_OFFSET);

  for (uint32_t i = 0; i < 8; i++)
    {
      for (uint32_t k = 0; k < 4; k++)
        atomic_store (&table_entry (table, i)->lease[k], 1 + i * 4 + k);
      atomic_fetch_or (attached, 1ull << i);
    }
  WAIT_UNTIL ((fc_writer_write (writer, "", 0, NULL, NULL) || true)
              && writer_stats (writer).consumers == 0);
  put (writer, 10);
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  fc_consumer_close (consumer_new ("cam0", FC_START_LIVE));
  fc_writer_close (writer);
}

typedef struct
{
  int ready, go;
} leaser_t;

static void
lease_and_look_late (void *arg)
{
  const leaser_t *leaser = arg;
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;

  event_post (leaser->ready);
  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  event_post (leaser->ready);
  event_wait (leaser->go);
  CHECK (whole (frame.data, frame.size, 0));
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
}

/* How a consumer ends that holds a frame of a ring that was replaced, where
 * its lease was taken away or not. */
static int
end_of_leaser (bool betrayed)
{
  leaser_t leaser = { event_new (), event_new () };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  pid_t pid = spawn (lease_and_look_late, &leaser);
  void *table = bytes_map (table_path ("cam0"));
  int status;

  event_wait (leaser.ready);
  put (writer, 1);
  event_wait (leaser.ready);
  for (uint32_t k = 0; betrayed && k < 4; k++)
    atomic_store (&table_entry (table, 0)->lease[k], 0);
  /* the second one ends the time that the first ring had to be drained */
  for (int i = 0; i < 2; i++)
    {
      options.frame_size += 4096;
      CHECK_RET (fc_writer_renew (writer, &options), 1);
    }
  event_post (leaser.go);
  status = reap (pid);
  fc_writer_close (writer);
  return status;
}

/* The writer cuts a ring that was replaced behind its last lease, and who
 * takes one away has it cut under its owner. */
static void
cleared_lease_lets_a_replaced_ring_be_cut (void)
{
  int status = end_of_leaser (true);

  /* of which a sanitizer makes an exit of its own */
  CHECK (slowness () > 1 ? status != 0
                         : WIFSIGNALED (status) && WTERMSIG (status) == SIGBUS);
  CHECK_EQ (end_of_leaser (false), 0);
}

static const test_t tests[] = {
  TEST (cleared_lease_is_told),
  TEST (cleared_lease_lets_a_replaced_ring_be_cut),
  TEST (writer_goes_on_under_scribbling),
  TEST (writer_goes_on_under_scribbling_with_observers),
  TEST (copies_do_not_tear_without_their_lease),
  TEST (every_lock_taken_stops_neither_writer_nor_next_writer),
  TEST (invented_entries_are_reaped),
};
TEST_MAIN (tests)
