/* A writer that means harm to those who read its slot without trusting it: an
 * observer gets errors, in the time that it gave, and never a signal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"

#include <sys/resource.h>

/* The slot's files, under an observer that is attached to them. Their
 * writer has its locks and is stopped: the test writes in its stead. */
typedef struct
{
  char path[400];
  size_t size; /* as its writer left it */
  uint8_t *ring;
  fc_ring_header_t *header;
  fc_words_t *words;
  _Atomic uint64_t *map;
  fc_cell_header_t *cells;
  fc_consumer_t *observer;
} scene_t;

static void
write_and_wait (void *arg)
{
  const int *job = arg; /* an event, and a depth */
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.observers = 1;
  options.ring_depth = (uint32_t) job[1];
  writer = writer_new ("cam0", &options);
  CHECK_OK (fc_writer_set_sticky (writer, "sticky", 6));
  put (writer, 4);
  event_post (job[0]);
  for (;;)
    pause ();
}

static fc_consumer_t *
observe (fc_start_t start)
{
  fc_consumer_options_t options = from (start);

  options.observe = 1;
  return consumer_with ("cam0", &options);
}

static scene_t
set_the_scene (int depth)
{
  int job[] = { event_new (), depth };
  pid_t pid = spawn (write_and_wait, job);
  struct stat st;
  scene_t scene;

  event_wait (job[0]);
  scene.observer = observe (FC_START_OLDEST);
  stop (pid);
  snprintf (scene.path, sizeof scene.path, "%s", in_dir ("cam0.ring"));
  CHECK_EQ (stat (scene.path, &st), 0);
  scene.size = (size_t) st.st_size;
  scene.ring = bytes_map (scene.path);
  scene.header = (fc_ring_header_t *) scene.ring;
  scene.words = (fc_words_t *) (scene.ring + scene.header->words_offset);
  scene.map = (_Atomic uint64_t *) (scene.ring + scene.header->map_offset);
  scene.cells
      = (fc_cell_header_t *) (scene.ring + scene.header->headers_offset);
  return scene;
}

/* Head runs on, and no place has what it promises: each look finds a frame
 * lost, and another one to look for. The lies are told by a signal handler in
 * the reader's own thread, so that it never gets to the end of them while the
 * liar is not running. */
#define LIES_DEPTH 512

static _Atomic uint64_t *head_of_lies;

static void
run_ahead (int signal)
{
  (void) signal;
  atomic_fetch_add (head_of_lies, LIES_DEPTH);
}

static void
lie_every (long ns)
{
  struct sigaction action = { .sa_handler = run_ahead, .sa_flags = SA_RESTART };
  struct itimerspec time = { { 0, ns }, { 0, ns } };
  timer_t timer;

  CHECK_EQ (sigaction (SIGALRM, &action, NULL), 0);
  CHECK_EQ (timer_create (CLOCK_MONOTONIC, NULL, &timer), 0);
  CHECK_EQ (timer_settime (timer, 0, &time, NULL), 0);
}

static void
reading_ends_although_no_look_finds_a_frame (void)
{
  scene_t scene = set_the_scene (LIES_DEPTH);
  fc_frame_t frame = FC_FRAME_INIT;

  for (int i = 0; i < LIES_DEPTH; i++)
    atomic_store (&scene.map[i], FC_MAP_NONE);
  head_of_lies = &scene.words->head;
  lie_every (100000);
  CHECK_RET (fc_consumer_read (scene.observer, &frame, 0), FC_TIMEOUT);
  CHECK_RET (fc_consumer_read (scene.observer, &frame, 100 * MS), FC_TIMEOUT);
  fc_consumer_interrupt (scene.observer);
  CHECK_RET (fc_consumer_read (scene.observer, &frame, FC_FOREVER),
             FC_INTERRUPTED);
  check_counts (scene.observer);
  fc_consumer_close (scene.observer);
}

/* What an observer may ask for, and whoever looks at slots without attaching;
 * whatever comes of it is an error or makes sense. */
static int
look_at_slot (const fc_slot_stat_t *stat, void *user_data)
{
  (void) user_data;
  CHECK (stat->state <= FC_STATE_LOST);
  CHECK_CMP (stat->oldest, <=, stat->head);
  CHECK_CMP (stat->format_size, <=, FC_FORMAT_MAX);
  return 0;
}

static int
look_at_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  (void) user_data;
  CHECK (memchr (stat->name, 0, sizeof stat->name) != NULL);
  return 0;
}

static void
look_at_everything (fc_slot_view_t *view)
{
  static char block[FC_FORMAT_MAX];
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  size_t size;

  if (fc_slot_view_stat (view, &stat) == 0)
    look_at_slot (&stat, NULL);
  fc_slot_view_consumers (view, look_at_consumer, NULL);
  fc_slot_view_format (view, block, sizeof block, &size);
  CHECK_OK (fc_slot_list (test_dir, look_at_slot, NULL));
  fc_slot_format (test_dir, "cam0", block, sizeof block, &size);
}

static void
read_everything (fc_consumer_t *observer)
{
  static const fc_position_t oldest = { .start = FC_START_OLDEST };
  static const fc_position_t key = { .start = FC_START_TIME, .key = 1 };
  static char block[FC_STICKY_MAX];
  const void *format;
  size_t size;

  for (int i = 0; i < 12; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int ret = fc_consumer_read (observer, &frame, 0);

      if (ret >= 0)
        {
          CHECK_CMP (frame.size, <=, 8192u);
          CHECK_CMP (frame.info.meta_size, <=, FC_META_MAX);
        }
      else
        {
          CHECK (fc_error_detail ()[0] != 0);
        }
      check_counts (observer);
      if (i % 5 == 4)
        fc_consumer_seek (observer, i < 5 ? &oldest : &key);
    }
  fc_consumer_sticky (observer, block, sizeof block, &size, NULL);
  fc_consumer_format (observer, &format, &size);
  fc_consumer_write_cursor (observer);
}

static void
open_and_read_everything (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *late = NULL;

  options.observe = 1;
  if (fc_consumer_open (&late, "cam0", &options) < 0)
    return;
  read_everything (late);
  fc_consumer_close (late);
}

/* Every word of the control area, each with the values at which arithmetic
 * goes wrong, as 64 bits and as the lower and the upper half of them. */
static void
spoil_word (scene_t *scene, fc_slot_view_t *view, size_t at)
{
  static const uint64_t odd[] = { 0,
                                  1,
                                  2,
                                  5,
                                  0xffff,
                                  0x7fffffff,
                                  0x80000000u,
                                  UINT32_MAX,
                                  UINT64_C (1) << 40,
                                  INT64_MAX,
                                  UINT64_C (1) << 63,
                                  UINT64_MAX };
  _Atomic uint64_t *word = (_Atomic uint64_t *) (scene->ring + at);
  uint64_t good = atomic_load (word);

  for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
    for (int half = 0; half < 3; half++)
      {
        uint64_t mask = half == 0   ? UINT64_MAX
                        : half == 1 ? UINT32_MAX
                                    : (uint64_t) UINT32_MAX << 32;

        if (half == 2 && odd[i] > UINT32_MAX)
          continue;
        atomic_store (word, (good & ~mask)
                                | ((half == 2 ? odd[i] << 32 : odd[i]) & mask));
        read_everything (scene->observer);
        look_at_everything (view);
        open_and_read_everything ();
        atomic_store (word, good);
      }
  /* and all is well again: its counts begin anew, nothing else stays */
  CHECK_OK (fc_consumer_seek (scene->observer,
                              &(fc_position_t){ .start = FC_START_OLDEST }));
  for (uint64_t next = 0; next < 4;)
    take (scene->observer, &next);
}

static void
spoil (size_t (*area) (const fc_ring_header_t *header, size_t *length))
{
  scene_t scene = set_the_scene (4);
  fc_slot_view_t *view = NULL;
  size_t length, start = area (scene.header, &length);

  CHECK_OK (fc_slot_view_open (&view, test_dir, "cam0"));
  for (size_t at = start; at < start + length; at += 8)
    spoil_word (&scene, view, at);
  fc_slot_view_close (view);
  fc_consumer_close (scene.observer);
}

static size_t
area_of_header (const fc_ring_header_t *header, size_t *length)
{
  *length = header->header_size;
  return 0;
}

static size_t
area_of_words (const fc_ring_header_t *header, size_t *length)
{
  *length = sizeof (fc_words_t);
  return header->words_offset;
}

static size_t
area_of_map (const fc_ring_header_t *header, size_t *length)
{
  *length = header->ring_depth * 8;
  return header->map_offset;
}

/* The first two cells' headers: the others are alike. */
static size_t
area_of_cells (const fc_ring_header_t *header, size_t *length)
{
  *length = 2 * sizeof (fc_cell_header_t);
  return header->headers_offset;
}

static size_t
area_of_sticky (const fc_ring_header_t *header, size_t *length)
{
  *length = 2 * sizeof (uint64_t);
  return header->sticky_offset + sizeof (fc_sticky_t) - sizeof (uint64_t);
}

static void
each_word_of_the_header_may_change (void)
{
  spoil (area_of_header);
}

static void
each_of_the_writers_words_may_change (void)
{
  spoil (area_of_words);
}

static void
each_word_of_the_map_may_change (void)
{
  spoil (area_of_map);
}

static void
each_word_of_a_cells_header_may_change (void)
{
  spoil (area_of_cells);
}

static void
size_of_the_sticky_block_may_change (void)
{
  spoil (area_of_sticky);
}

/* A file with holes: as long as its writer likes, and for nothing. */
static void
frame_that_claims_a_terabyte_costs_its_reader_nothing (void)
{
  static const unsigned shifts[] = { 28, 36, 40 };

  for (int i = 0; i < 3; i++)
    {
      scene_t scene = set_the_scene (4);
      fc_ring_header_t *h = scene.header;
      uint64_t size = UINT64_C (1) << shifts[i];
      fc_frame_t frame = FC_FRAME_INIT;
      static uint8_t room[4096];
      struct rusage usage;
      fc_consumer_t *late;

      h->frame_size = size;
      h->cell_stride = size + 4096;
      for (int cell = 0; cell < 4; cell++)
        scene.cells[cell].size = size;
      CHECK_EQ (truncate (scene.path,
                          (off_t) (h->cells_offset + 38 * h->cell_stride)),
                0);
      late = observe (FC_START_OLDEST);
      CHECK_RET (fc_consumer_read (late, &frame, 0), -EPROTO);
      CHECK_DETAIL ("larger than its file");
      /* nor is such a size told to who would then make room for it */
      frame.data = room;
      frame.capacity = sizeof room;
      CHECK_RET (fc_consumer_read (late, &frame, 0), -EPROTO);
      /* a small one of it is read, into as much as it needs */
      for (int cell = 0; cell < 4; cell++)
        scene.cells[cell].size = 100;
      frame = (fc_frame_t) FC_FRAME_INIT;
      CHECK_OK (fc_consumer_read (late, &frame, 0));
      CHECK_EQ (frame.size, 100);
      CHECK_EQ (getrusage (RUSAGE_SELF, &usage), 0);
      CHECK_CMP (usage.ru_maxrss, <, (200 << 10) * (slowness () + 1));
      fc_consumer_close (late);
      fc_consumer_close (scene.observer);
      CHECK_EQ (unlink (scene.path), 0);
      CHECK_EQ (unlink (table_path ("cam0")) | unlink (in_dir ("cam0.lock")),
                0);
    }
}

/* What a writer can do to its own file at once. */
static void
truncate_it (scene_t *scene, int round)
{
  CHECK_EQ (truncate (scene->path, (off_t) scene->size * round / 4), 0);
}

static void
zero_it (scene_t *scene, int round)
{
  memset (scene->ring, round ? 0xff : 0, scene->size);
}

static void
punch_it (scene_t *scene, int round)
{
  int fd = open (scene->path, O_RDWR | O_CLOEXEC);

  CHECK_EQ (fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                       (off_t) scene->size * (round + 1) / 4),
            0);
  close (fd);
}

static void
replace_it (scene_t *scene, int round)
{
  const char *aside = in_dir ("aside");

  CHECK_EQ (rename (scene->path, aside), 0);
  if (round == 1)
    CHECK_EQ (mkfifo (scene->path, 0644), 0);
  else if (round == 2)
    CHECK_EQ (mkdir (scene->path, 0755), 0);
  else if (round == 3)
    CHECK_EQ (symlink ("/dev/zero", scene->path), 0);
  CHECK_EQ (unlink (aside), 0);
}

/* An observer that sleeps meanwhile, one that comes, and who looks on. */
static void
file_that_is_spoilt_at_once_is_an_error (void)
{
  static void (*const ways[]) (scene_t *, int)
      = { truncate_it, zero_it, punch_it, replace_it };

  for (int i = 0; i < 16; i++)
    {
      scene_t scene = set_the_scene (4);
      fc_slot_view_t *view = NULL;
      fc_frame_t frame = FC_FRAME_INIT;
      uint64_t next = 0;
      int ret;

      CHECK_OK (fc_slot_view_open (&view, test_dir, "cam0"));
      while (next < 4)
        take (scene.observer, &next);
      ways[i / 4](&scene, i % 4);
      ret = fc_consumer_read (scene.observer, &frame, 2 * SLICE);
      CHECK_CMP (ret, <, 0);
      read_everything (scene.observer);
      look_at_everything (view);
      open_and_read_everything ();
      fc_slot_view_close (view);
      fc_consumer_close (scene.observer);
      remove_tree (test_dir);
      CHECK_EQ (mkdir (test_dir, 0700), 0);
    }
}

/* Whoever leases trusts the writer: this is what that means. */
static void
lease_and_touch (void *arg)
{
  const int *events = arg;
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  event_post (events[0]);
  event_wait (events[1]);
  if (!whole (frame.data, frame.size, frame.seq))
    _exit (1);
}

static void
truncation_by_a_trusted_writer_is_a_signal (void)
{
  int events[] = { event_new (), event_new () };
  int job[] = { event_new (), 4 };
  pid_t writer = spawn (write_and_wait, job), pid;
  int status;

  event_wait (job[0]);
  pid = spawn (lease_and_touch, events);
  event_wait (events[0]);
  stop (writer);
  CHECK_EQ (truncate (in_dir ("cam0.ring"), 0), 0);
  event_post (events[1]);
  status = reap (pid);
  /* of which a sanitizer makes an exit of its own */
  CHECK (slowness () > 1 ? status != 0
                         : WIFSIGNALED (status) && WTERMSIG (status) == SIGBUS);
}

static const test_t tests[] = {
  TEST (reading_ends_although_no_look_finds_a_frame),
  SLOW_TEST (each_word_of_the_header_may_change, 120),
  SLOW_TEST (each_of_the_writers_words_may_change, 120),
  SLOW_TEST (each_word_of_the_map_may_change, 120),
  SLOW_TEST (each_word_of_a_cells_header_may_change, 120),
  SLOW_TEST (size_of_the_sticky_block_may_change, 120),
  TEST (frame_that_claims_a_terabyte_costs_its_reader_nothing),
  TEST (file_that_is_spoilt_at_once_is_an_error),
  TEST (truncation_by_a_trusted_writer_is_a_signal),
};
TEST_MAIN (tests)
