/* fc-foreign: one side of a slot, for another C library or word size
 *
 * usage: fc-foreign reserve | write | lease | observe
 *
 * Reserves the slot "foreign" in the directory FC_DIR; writes FRAMES to it when
 * a consumer is attached; or takes those, checks them, and how soon they came.
 * Ends with 0, or with 1 and a sentence.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fc.h"

#define FRAMES 32
#define SIZE 9000
#define MS 1000000LL
#define BOUND (30000 * MS)
/* A wait that nobody ends ends by itself after 250 ms. */
#define LATE (100 * MS)

static int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t) now.tv_sec * 1000 * MS + now.tv_nsec;
}

static void
sleep_ns (int64_t ns)
{
  nanosleep (&(struct timespec){ 0, (long) ns }, NULL);
}

static _Noreturn void
fail (const char *what)
{
  printf ("%s: %s\n", what, fc_error_detail ());
  exit (1);
}

static fc_writer_options_t
ring (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;

  options.frame_size = SIZE;
  options.ring_depth = FRAMES;
  options.observers = 1;
  return options;
}

static void
reserve (void)
{
  fc_writer_options_t options = ring ();

  if (fc_slot_reserve ("foreign", &options) < 0)
    fail ("reserve");
}

static void
write_frames (void)
{
  fc_writer_options_t options = ring ();
  int64_t until = now_ns () + BOUND;
  fc_info_t info = FC_INFO_INIT;
  fc_writer_t *writer;
  char data[SIZE];

  if (fc_writer_open (&writer, "foreign", &options) < 0)
    fail ("open");
  while (fc_writer_consumers (writer) != 1)
    {
      if (now_ns () > until)
        fail ("no consumer came");
      sleep_ns (MS);
    }
  info.meta = "about it";
  info.meta_size = 8;
  for (unsigned i = 0; i < FRAMES; i++)
    {
      sleep_ns (5 * MS);
      info.pts = i * 40 * (uint64_t) MS;
      memset (data, (int) (i + 1), SIZE);
      if (fc_writer_write (writer, data, SIZE, &info, NULL) < 0)
        fail ("write");
    }
  if (fc_writer_finish (writer) < 0)
    fail ("finish");
  fc_writer_close (writer);
}

static void
check (const fc_frame_t *frame, unsigned i)
{
  const char *data = frame->data;
  bool good = frame->seq == i && frame->dropped == 0 && frame->size == SIZE
              && frame->info.pts == i * 40 * (uint64_t) MS
              && frame->info.meta_size == 8
              && memcmp (frame->info.meta, "about it", 8) == 0;

  for (unsigned n = 0; n < SIZE; n++)
    good = good && data[n] == (char) (i + 1);
  if (!good)
    fail ("a frame is not the one that was written");
}

static void
read_frames (bool observe)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  unsigned late = 0;

  options.observe = observe;
  options.position.start = FC_START_OLDEST;
  if (fc_consumer_open (&consumer, "foreign", &options) < 0)
    fail ("attach");
  for (unsigned i = 0; i < FRAMES; i++)
    {
      int r;

      do
        r = observe ? fc_consumer_read (consumer, &frame, BOUND)
                    : fc_consumer_lease (consumer, &frame, BOUND);
      while (r == FC_WRITER_LOST); /* not there yet */
      if (r < 0)
        fail ("read");
      late += now_ns () - (int64_t) frame.info.commit_ns > LATE;
      check (&frame, i);
      fc_consumer_release (consumer, &frame);
    }
  if (fc_consumer_read (consumer, &frame, BOUND) != FC_EOS)
    fail ("no end");
  /* An observer may have come when the frames were there. */
  if (!observe && late > FRAMES / 2)
    fail ("frames were not waited for, but looked for");
  fc_consumer_close (consumer);
}

int
main (int argc, char **argv)
{
  const char *what = argc == 2 ? argv[1] : "";

  if (strcmp (what, "reserve") == 0)
    reserve ();
  else if (strcmp (what, "write") == 0)
    write_frames ();
  else if (strcmp (what, "lease") == 0 || strcmp (what, "observe") == 0)
    read_frames (strcmp (what, "observe") == 0);
  else
    fail ("usage: fc-foreign reserve | write | lease | observe");
  return 0;
}
