/* A consumer whom the slot trusts, and who means harm: what it can write to
 * stops nobody, and what it can hold is bounded.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"

#define ENTRIES 3
#define LEASES 4

/* Everything that anybody does with the table, once. */
typedef struct
{
  fc_writer_t *writer;
  fc_consumer_t *reader;
  fc_consumer_t *leaser;
  fc_slot_view_t *view;
  uint64_t read;   /* the reader's next frame */
  uint64_t leased; /* and the leaser's */
} life_t;

static fc_writer_options_t
narrow_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.max_consumers = ENTRIES;
  options.leases = LEASES;
  options.observers = 1;
  return options;
}

static int
look_at_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  (void) user_data;
  CHECK_CMP (stat->entry, <, (uint32_t) ENTRIES);
  CHECK_CMP (stat->leases, <=, (uint32_t) LEASES);
  CHECK (memchr (stat->name, 0, sizeof stat->name) != NULL);
  return 0;
}

static void
look_on (life_t *life)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  CHECK_OK (fc_slot_view_stat (life->view, &stat));
  CHECK_CMP (stat.consumers, <=, (uint32_t) ENTRIES);
  CHECK_OK (fc_slot_view_consumers (life->view, look_at_consumer, NULL));
  CHECK_OK (fc_slot_stat (test_dir, "cam0", &stat));
  CHECK_EQ (stat.state, FC_STATE_LIVE);
  fc_slot_consumers (test_dir, "cam0", look_at_consumer, NULL);
}

static void
come_and_go (void)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *late = NULL;

  if (fc_consumer_open (&late, "cam0", &options) < 0)
    CHECK (fc_error_detail ()[0] != 0);
  fc_consumer_close (late);
}

static void
live (life_t *life)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int ret;

  put (life->writer, 1);
  fc_writer_key_frame_requested (life->writer);
  CHECK_CMP (fc_writer_consumers (life->writer), <=, ENTRIES);
  CHECK_RET (drain (life->reader, &life->read), FC_TIMEOUT);
  CHECK_EQ (life->read, writer_stats (life->writer).head);
  ret = fc_consumer_lease (life->leaser, &frame, 0);
  if (ret >= 0)
    {
      check_frame (&frame, ret, &life->leased);
      fc_frame_intact (life->leaser, &frame);
      fc_consumer_release (life->leaser, &frame);
    }
  CHECK_RET (drain (life->leaser, &life->leased), FC_TIMEOUT);
  check_counts (life->leaser);
  look_on (life);
  come_and_go ();
}

static void
begin (life_t *life)
{
  fc_writer_options_t options = narrow_ring ();

  life->writer = writer_new ("cam0", &options);
  life->reader = consumer_new ("cam0", FC_START_LIVE);
  life->leaser = consumer_new ("cam0", FC_START_LIVE);
  life->read = life->leased = 0;
  life->view = NULL;
  CHECK_OK (fc_slot_view_open (&life->view, test_dir, "cam0"));
}

static void
end (life_t *life)
{
  fc_slot_view_close (life->view);
  fc_consumer_close (life->leaser);
  fc_consumer_close (life->reader);
  fc_writer_close (life->writer);
}

static const uint32_t odd[]
    = { 0,  1,       2,          3,           4,          18,
        19, 0x10000, 0x7fffffff, 0x80000000u, UINT32_MAX, UINT32_MAX - 1 };

/* Each word of the table with each of the values at which arithmetic goes
 * wrong: cells that there are and are not, and the edges of numbers. */
static void
spoil_word (life_t *life, _Atomic uint32_t *word)
{
  for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
    {
      uint32_t good = atomic_exchange (word, odd[i]);
      uint32_t value = odd[i];

      live (life);
      /* unless it was used meanwhile, by whose it is */
      atomic_compare_exchange_strong (word, &value, good);
    }
}

static void
each_word_of_the_table_may_change (void)
{
  fc_writer_options_t options = narrow_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  const fc_table_header_t *header;
  size_t end_of_entries;
  uint8_t *table;
  life_t life;

  CHECK_OK (fc_plan (&options, &plan));
  begin (&life);
  table = bytes_map (table_path ("cam0"));
  header = (const fc_table_header_t *) table;
  end_of_entries = header->entries_offset + ENTRIES * header->entry_stride;
  for (size_t at = 0; at < end_of_entries; at += 4)
    spoil_word (&life, (_Atomic uint32_t *) (table + at));
  CHECK_EQ (writer_stats (life.writer).dropped, 0);
  CHECK_EQ (writer_stats (life.writer).history_shortened, 0);
  CHECK_CMP (writer_stats (life.writer).bytes_allocated, <=,
             plan.bytes_planned);
  end (&life);
  CHECK_EQ (count_files (test_dir), 1);
}

static void
spoil_entries (uint8_t *table)
{
  for (uint32_t i = 0; i < ENTRIES; i++)
    {
      uint8_t *entry = (uint8_t *) table_entry (table, i);

      for (size_t at = 0; at < offsetof (fc_entry_t, lease) + LEASES * 4;
           at += 4)
        atomic_store ((_Atomic uint32_t *) (entry + at), at / 4 % 8 + 1);
    }
}

/* What was written over an entry does not outlast it: the next consumer in it
 * cleans it, and an entry that nobody has the lock of is freed. */
static void
spoilt_table_is_as_good_as_new (void)
{
  fc_frame_t held = FC_FRAME_INIT, frame = FC_FRAME_INIT;
  uint8_t *table;
  life_t life;

  begin (&life);
  table = bytes_map (table_path ("cam0"));
  spoil_entries (table);
  atomic_store ((_Atomic uint64_t *) (table + FC_ATTACHED_OFFSET), UINT64_MAX);
  live (&life);
  fc_consumer_close (life.reader);
  fc_consumer_close (life.leaser);
  WAIT_UNTIL (put (life.writer, 1)
              && writer_stats (life.writer).consumers == 0);
  CHECK_EQ (writer_stats (life.writer).cells_leased, 0);

  spoil_entries (table); /* that nobody has */
  life.reader = consumer_new ("cam0", FC_START_LIVE);
  life.leaser = consumer_new ("cam0", FC_START_LIVE);
  life.read = life.leased = writer_stats (life.writer).head;
  put (life.writer, 1);
  CHECK_OK (fc_consumer_lease (life.leaser, &held, BOUND));
  put (life.writer, 40);
  CHECK (whole (held.data, held.size, held.seq));
  CHECK_RET (fc_frame_intact (life.leaser, &held), 1);
  CHECK_EQ (writer_stats (life.writer).cells_leased, 1);
  fc_consumer_release (life.leaser, &held);
  CHECK_RET (fc_consumer_read (life.reader, &frame, 0), FC_DROPPED);
  end (&life);
}

/* Spawned before there is a writer, whose own mapping it would have too. */
typedef struct
{
  int ready;
  int go;
} greedy_t;

/* All entries by their locks, and in each a lease on a cell of its own: first
 * those that a consumer can have, then more, by writing to the table. */
static void
take_all_there_is (void *arg)
{
  greedy_t *greedy = arg;
  fc_frame_t frame[ENTRIES][LEASES];
  fc_consumer_t *consumer[ENTRIES];
  uint32_t cell = 0;
  void *table;

  event_wait (greedy->go);
  for (int i = 0; i < ENTRIES; i++)
    consumer[i] = consumer_new ("cam0", FC_START_OLDEST);
  for (int i = 0; i < ENTRIES; i++)
    {
      for (int k = 0; k < LEASES - 1; k++)
        {
          frame[i][k] = (fc_frame_t) FC_FRAME_INIT;
          CHECK_OK (fc_consumer_lease (consumer[i], &frame[i][k], BOUND));
        }
      CHECK_RET (fc_consumer_lease (consumer[i], &frame[i][LEASES - 1], 0),
                 -EAGAIN);
    }
  event_post (greedy->ready);
  event_wait (greedy->go);
  table = bytes_map (table_path ("cam0"));
  for (uint32_t i = 0; i < ENTRIES; i++)
    for (uint32_t k = 0; k < LEASES; k++)
      atomic_store (&table_entry (table, i)->lease[k], ++cell);
  event_post (greedy->ready);
  for (;;)
    pause ();
}

static void
whoever_holds_everything_holds_no_more_than_was_planned (void)
{
  fc_writer_options_t options = narrow_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  greedy_t greedy = { event_new (), event_new () };
  fc_plan_t plan = { .struct_size = sizeof plan };
  fc_consumer_t *late = NULL, *observer;
  fc_writer_t *writer;
  uint64_t next;
  pid_t pid;

  CHECK_OK (fc_plan (&options, &plan));
  pid = spawn (take_all_there_is, &greedy);
  writer = writer_new ("cam0", &options);
  put (writer, 4);
  event_post (greedy.go);
  event_wait (greedy.ready);
  for (int i = 0; i < 2; i++)
    {
      stop (pid);
      put (writer, 200);
      CHECK_EQ (writer_stats (writer).dropped, 0);
      CHECK_EQ (writer_stats (writer).history_shortened, 0);
      CHECK_CMP (writer_stats (writer).bytes_allocated, <=, plan.bytes_planned);
      /* this is what it costs the others: no entry, but still every frame */
      CHECK_RET (fc_consumer_open (&late, "cam0", &other), -EUSERS);
      other.observe = 1;
      observer = consumer_with ("cam0", &other);
      other.observe = 0;
      next = writer_stats (writer).head;
      put (writer, 1);
      take (observer, &next);
      fc_consumer_close (observer);
      cont (pid);
      if (i == 0)
        {
          event_post (greedy.go);
          event_wait (greedy.ready);
        }
    }
  kill9 (pid);
  WAIT_UNTIL (put (writer, 1) && writer_stats (writer).consumers == 0);
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  fc_consumer_close (consumer_new ("cam0", FC_START_LIVE));
  fc_writer_close (writer);
}

static void
write_on (void *arg)
{
  const int *events = arg;
  fc_writer_options_t options = narrow_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put (writer, 3);
  event_post (events[0]);
  event_wait (events[1]);
  for (;;)
    put (writer, 1);
}

/* Whoever may write the table may cut it, and no file mode forbids that: the
 * writer ends by a signal. But observers go on, and so does the next writer. */
static void
cutting_the_table_is_a_signal_and_no_more (void)
{
  int events[] = { event_new (), event_new () };
  fc_writer_options_t options = narrow_ring ();
  fc_consumer_options_t observing = from (FC_START_OLDEST);
  pid_t pid = spawn (write_on, events);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *observer;
  fc_writer_t *writer;
  uint64_t next = 0;
  int status, ret;

  event_wait (events[0]);
  observing.observe = 1;
  observer = consumer_with ("cam0", &observing);
  take (observer, &next);
  CHECK_EQ (truncate (table_path ("cam0"), 0), 0);
  event_post (events[1]);
  status = reap (pid);
  /* of which a sanitizer makes an exit of its own */
  CHECK (slowness () > 1 ? status != 0
                         : WIFSIGNALED (status) && WTERMSIG (status) == SIGBUS);

  ret = drain (observer, &next);
  CHECK (ret == FC_TIMEOUT || ret == FC_WRITER_LOST);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).generation, 2);
  fc_consumer_close (consumer_new ("cam0", FC_START_LIVE));
  do
    ret = fc_consumer_read (observer, &frame, BOUND);
  while (ret == FC_WRITER_LOST);
  CHECK_EQ (ret, FC_REPLACED);
  CHECK_CMP (fc_consumer_attach (observer, BOUND), >=, 0);
  put (writer, 1);
  CHECK_CMP (fc_consumer_read (observer, &frame, BOUND), >=, 0);
  fc_consumer_close (observer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  SLOW_TEST (each_word_of_the_table_may_change, 120),
  TEST (spoilt_table_is_as_good_as_new),
  TEST (whoever_holds_everything_holds_no_more_than_was_planned),
  TEST (cutting_the_table_is_a_signal_and_no_more),
};
TEST_MAIN (tests)
