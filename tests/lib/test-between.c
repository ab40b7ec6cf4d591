/* What happens in the middle of a call of libfc's own: a file that is read in
 * two parts, two threads at one table, a slot that is removed by force while a
 * ring of it gets its name.
 *
 * The program is linked with --wrap of the functions below.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

/* Reads in parts ----------------------------------------------------------- */

/* The next read of SIZE bytes stops after PART of them, something happens,
 * and it goes on: nothing says that a read is one look at the file. */
static struct
{
  size_t size;
  size_t part;
  void (*func) (void *arg);
  void *arg;
} split;

ssize_t __real_pread64 (int fd, void *into, size_t size, off_t at);
ssize_t __wrap_pread64 (int fd, void *into, size_t size, off_t at);

ssize_t
__wrap_pread64 (int fd, void *into, size_t size, off_t at)
{
  size_t part = split.part;
  ssize_t got;

  if (split.func == NULL || size != split.size)
    return __real_pread64 (fd, into, size, at);
  got = __real_pread64 (fd, into, part, at);
  CHECK_EQ (got, part);
  split.size = 0;
  split.func (split.arg);
  split.func = NULL;
  return got
         + __real_pread64 (fd, (char *) into + part, size - part,
                           at + (off_t) part);
}

#define HEADER_SIZE 128
/* In a frame's header; the time of the commit follows it. */
#define END_OF_CAPTURE_TIME 104

static void
lap (void *writer)
{
  put (writer, 8);
}

/* Frames whose times are all the same have no latency; one that is made of two
 * frames' times has. */
static void
header_that_changes_while_it_is_read_is_not_believed (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t observer = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;

  observer.observe = 1;
  put (writer, 4);
  consumer = consumer_with ("cam0", &observer);
  split.size = HEADER_SIZE;
  split.part = END_OF_CAPTURE_TIME;
  split.func = lap;
  split.arg = writer;
  CHECK_EQ (consumer_stats (consumer).observed_latency_ns, 0);
  CHECK (split.func == NULL);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

#define FORMAT_SIZE 258 /* two bytes of its number count */

static void
give_format (void *writer)
{
  fc_writer_options_t options = small_ring ();
  static const char format[FORMAT_SIZE] = "test/long";

  options.format = format;
  options.format_size = sizeof format;
  CHECK_OK (fc_writer_open (writer, "cam0", &options));
}

static void
format_that_comes_while_its_size_is_read_is_whole (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer;
  const void *format;
  size_t size = 0;

  options.format = NULL;
  options.format_size = 0;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  consumer = consumer_new ("cam0", FC_START_LIVE);
  split.size = sizeof (uint64_t);
  split.part = 1;
  split.func = give_format;
  split.arg = &writer;
  CHECK_OK (fc_consumer_format (consumer, &format, &size));
  CHECK (split.func == NULL);
  CHECK_EQ (size, FORMAT_SIZE);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Two at one table --------------------------------------------------------- */

/* In the housekeeper's look for the dead, until another thread comes to the
 * same table or finds that it has to wait. */
static _Atomic (void *) table;
static _Atomic bool looking, met, waits;
static _Atomic unsigned reaps;
static pthread_t renewer;

unsigned __real_fc_table_reap (void *of);
unsigned __wrap_fc_table_reap (void *of);

unsigned
__wrap_fc_table_reap (void *of)
{
  unsigned reaped;
  void *none = NULL;
  bool held = looking && atomic_compare_exchange_strong (&table, &none, of);

  if (held)
    WAIT_UNTIL (met || waits);
  else if (looking && of == table)
    met = true;
  reaped = __real_fc_table_reap (of);
  reaps++;
  if (held)
    looking = false;
  return reaped;
}

int __real_pthread_mutex_lock (pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock (pthread_mutex_t *mutex);

int
__wrap_pthread_mutex_lock (pthread_mutex_t *mutex)
{
  if (looking && table != NULL && pthread_equal (pthread_self (), renewer))
    {
      if (pthread_mutex_trylock (mutex) == 0)
        return 0;
      waits = true;
    }
  return __real_pthread_mutex_lock (mutex);
}

static void *
renew (void *writer)
{
  fc_writer_options_t options = small_ring ();

  renewer = pthread_self ();
  WAIT_UNTIL (table != NULL);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  return NULL;
}

/* The locks of one open file description do not exclude one another: the one
 * that is done first would let a consumer attach to the entry that the other
 * one is about to clear. */
static void
two_threads_do_not_reap_one_table (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  pthread_t thread = thread_new (renew, writer);

  looking = true;
  thread_join (thread);
  CHECK (!met);
  CHECK (waits);
  fc_writer_close (writer);
}

/* A ring that is given up -------------------------------------------------- */

static bool full;            /* the next reservation does not fit */
static _Atomic bool crammed; /* nor does any other */
static _Atomic unsigned grown;
static fc_writer_t *given_up;
static _Thread_local bool giving, asking;
static _Atomic bool begun, cut;
static pthread_t asker;

int __real_fallocate64 (int fd, int mode, off_t at, off_t size);
int __wrap_fallocate64 (int fd, int mode, off_t at, off_t size);

int
__wrap_fallocate64 (int fd, int mode, off_t at, off_t size)
{
  if (crammed || (full && giving))
    {
      full = false;
      errno = ENOSPC;
      return -1;
    }
  grown++;
  return __real_fallocate64 (fd, mode, at, size);
}

static void *
ask (void *writer)
{
  asking = true;
  writer_stats (writer);
  return NULL;
}

/* Whoever cuts the ring looks at the leases; then another thread asks how many
 * cells are leased, and stands still where it begins to look. */
static void
look (void)
{
  if (giving && !begun)
    {
      asker = thread_new (ask, given_up);
      WAIT_UNTIL (begun);
    }
  else if (asking)
    {
      begun = true;
      WAIT_UNTIL (cut);
    }
}

void __real_fc_table_mark_leased (const void *of, uint64_t *marks,
                                  uint32_t cells);
void __wrap_fc_table_mark_leased (const void *of, uint64_t *marks,
                                  uint32_t cells);

void
__wrap_fc_table_mark_leased (const void *of, uint64_t *marks, uint32_t cells)
{
  if (asking)
    look ();
  __real_fc_table_mark_leased (of, marks, cells);
  if (giving)
    look ();
}

uint32_t __real_fc_table_end_of_leased (const void *of, uint32_t cells);
uint32_t __wrap_fc_table_end_of_leased (const void *of, uint32_t cells);

uint32_t
__wrap_fc_table_end_of_leased (const void *of, uint32_t cells)
{
  uint32_t end = __real_fc_table_end_of_leased (of, cells);

  look ();
  return end;
}

int __real_ftruncate64 (int fd, off_t size);
int __wrap_ftruncate64 (int fd, off_t size);

int
__wrap_ftruncate64 (int fd, off_t size)
{
  int r = __real_ftruncate64 (fd, size);

  cut = true;
  return r;
}

/* What is cut is decided by the leases, not by notes that another thread may
 * be about to make anew. */
static void
leased_frame_outlives_a_cut_beside_a_look (void)
{
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;

  given_up = writer_new ("cam0", &options);
  put (given_up, 4);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  CHECK_OK (fc_consumer_lease (consumer, &frame, 0));
  put (given_up, 8);
  CHECK_EQ (writer_stats (given_up).cells_leased, 1);
  options.frame_size *= 2;
  full = giving = true;
  CHECK_RET (fc_writer_renew (given_up, &options), 1);
  giving = false;
  CHECK (begun && cut);
  thread_join (asker);
  CHECK (whole (frame.data, frame.size, 0));
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
  fc_writer_close (given_up);
}

/* Memory is out, and leases have the spare cells; then there is some again: it
 * is the next ring's. */
static void
ring_that_was_given_up_does_not_grow (void)
{
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame[3] = { FC_FRAME_INIT, FC_FRAME_INIT, FC_FRAME_INIT };
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  unsigned before;

  options.writer_cells = 2;
  writer = writer_new ("cam0", &options);
  put (writer, 4);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  crammed = true;
  for (int i = 0; i < 3; i++)
    CHECK_OK (fc_consumer_lease (consumer, &frame[i], 0));
  put (writer, 8);
  CHECK_EQ (writer_stats (writer).cells_leased, 3);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), -ENOSPC);
  grown = 0;
  crammed = false;
  before = reaps;
  WAIT_UNTIL (reaps >= before + 4);
  CHECK_EQ (grown, 0);
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  for (int i = 0; i < 3; i++)
    fc_consumer_release (consumer, &frame[i]);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Removal by force --------------------------------------------------------- */

/* The ring's own name is gone, and a temporary is about to be removed. */
static fc_writer_t *forced;
static int shown;

int __real_unlinkat (int dir, const char *name, int flags);
int __wrap_unlinkat (int dir, const char *name, int flags);

int
__wrap_unlinkat (int dir, const char *name, int flags)
{
  fc_writer_t *writer = forced;
  fc_writer_options_t options = small_ring ();

  if (writer != NULL && strstr (name, ".tmp.") != NULL)
    {
      forced = NULL;
      options.frame_size *= 2;
      shown = fc_writer_renew (writer, &options);
    }
  return __real_unlinkat (dir, name, flags);
}

/* Whoever removes by force has no lock: a ring that gets its name meanwhile
 * keeps its table. */
static void
ring_shown_during_a_forced_removal_has_its_table (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  uint64_t next;

  put (writer, 4);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_prepare (writer, &options), 1);
  forced = writer;
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 1));
  CHECK (forced == NULL);
  CHECK_RET (shown, 1);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  next = consumer_stats (consumer).cursor;
  put (writer, 1);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  CHECK (!exists (in_dir ("cam0.ring")));
}

static const test_t tests[] = {
  TEST (header_that_changes_while_it_is_read_is_not_believed),
  TEST (format_that_comes_while_its_size_is_read_is_whole),
  TEST (two_threads_do_not_reap_one_table),
  TEST (leased_frame_outlives_a_cut_beside_a_look),
  TEST (ring_that_was_given_up_does_not_grow),
  TEST (ring_shown_during_a_forced_removal_has_its_table),
};
TEST_MAIN (tests)
