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
  bytes_t good; /* the ring as its writer left it */
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
  scene_t scene;

  event_wait (job[0]);
  scene.observer = observe (FC_START_OLDEST);
  stop (pid);
  scene.good = bytes_load (in_dir ("cam0.ring"));
  scene.ring = bytes_map (scene.good.path);
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

static const test_t tests[] = {
  TEST (reading_ends_although_no_look_finds_a_frame),
};
TEST_MAIN (tests)
