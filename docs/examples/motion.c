/* motion: say when something begins to move in a slot, and when it rests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: motion SLOT
 *
 * It needs libfc alone, and looks at the pictures where the writer put them:
 * nothing is copied, unless the slot lets this user read and not hold frames.
 * It waits for the slot, follows writers that end, die, or change the size of
 * their pictures, and runs until Ctrl-C.
 */
#include "picture.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 32
#define ROWS 24
/* A field of the grid has changed when the mean of its brightness, 0 to 255,
 * is by so much another: more than a camera's noise makes of it. */
#define CHANGE 6
#define REST 500000000 /* ns without a change, and nothing moves any more */

typedef struct
{
  fc_consumer_t *consumer;
  int begun;       /* a frame has come */
  int raw;         /* the format is one that we know */
  picture_t usual; /* what it says of a frame */
  int has_means;   /* of a frame before this one */
  int means[ROWS][COLUMNS];
  unsigned x; /* pixels: where something last moved */
  unsigned y;
  int moving;
  uint64_t changed; /* monotonic: when something last did */
} motion_t;

/* Pictures -------------------------------------------------------------- */

/* The mean brightness of the pixels from LEFT to RIGHT, FROM line to TO. */
static int
mean (const picture_t *picture, const unsigned char *luma, unsigned left,
      unsigned right, unsigned from, unsigned to)
{
  uint64_t sum = 0;

  for (unsigned y = from; y < to; y++)
    for (unsigned x = left; x < right; x++)
      sum += luma[y * picture->stride + x * picture->step];
  return (int) (sum / ((uint64_t) (right - left) * (to - from)));
}

/* How many fields of PICTURE differ from the one before; the middle of them is
 * where it moves. A picture that is smaller than the grid has fields without
 * a pixel: they take a neighbour's. */
static unsigned
changed_fields (motion_t *motion, const picture_t *picture,
                const unsigned char *luma)
{
  unsigned changed = 0, x = 0, y = 0;

  for (unsigned row = 0; row < ROWS; row++)
    for (unsigned column = 0; column < COLUMNS; column++)
      {
        const unsigned left = picture->width * column / COLUMNS;
        const unsigned right = picture->width * (column + 1) / COLUMNS;
        const unsigned from = picture->height * row / ROWS;
        const unsigned to = picture->height * (row + 1) / ROWS;
        const int now
            = mean (picture, luma, left, right > left ? right : left + 1, from,
                    to > from ? to : from + 1);

        if (motion->has_means
            && abs (now - motion->means[row][column]) >= CHANGE)
          {
            changed++;
            x += (left + right) / 2;
            y += (from + to) / 2;
          }
        motion->means[row][column] = now;
      }
  motion->has_means = 1;
  if (changed > 0)
    {
      motion->x = x / changed;
      motion->y = y / changed;
    }
  return changed;
}

/* Motion is told of by the time that FRAME's stream has, or where it has none,
 * by the machine's; that goes on whatever the stream does. */
static void
look_at (motion_t *motion, const fc_frame_t *frame)
{
  const fc_info_t *info = &frame->info;
  const uint64_t time
      = info->pts != FC_TIME_NONE ? info->pts : info->capture_ns;
  picture_t picture;

  if (!motion->raw || !picture_of_frame (&picture, &motion->usual, frame))
    return;
  if (changed_fields (motion, &picture,
                      (const unsigned char *) frame->data + picture.offset)
      > 0)
    {
      if (!motion->moving)
        printf ("%.3f s, frame %" PRIu64 ": it moves at %u, %u\n",
                (double) time / 1e9, frame->seq, motion->x, motion->y);
      motion->moving = 1;
      motion->changed = info->capture_ns;
    }
  else if (motion->moving && info->capture_ns - motion->changed >= REST)
    {
      printf ("%.3f s, frame %" PRIu64 ": it rests\n", (double) time / 1e9,
              frame->seq);
      motion->moving = 0;
    }
}

/* The slot -------------------------------------------------------------- */

/* Another writer, and perhaps another format: nothing before can be compared
 * with what comes. A slot that is reserved has no format before its writer. */
static void
begin_anew (motion_t *motion)
{
  const void *format;
  size_t size;

  motion->begun = 1;
  motion->has_means = 0;
  motion->moving = 0;
  motion->raw = 0;
  if (fc_consumer_format (motion->consumer, &format, &size) < 0)
    return;
  motion->raw = picture_from_caps (&motion->usual, format, size);
  if (motion->raw)
    printf ("%u x %u pixels\n", motion->usual.width, motion->usual.height);
  else
    printf ("no brightness in this: %.*s\n", (int) size, (const char *) format);
}

/* The next frame, in place: *LEASED is 1, and it has to be released. Or a copy,
 * good until the next call, where leases are out or not for this user. */
static int
next_frame (motion_t *motion, fc_frame_t *frame, int *leased)
{
  const int r = fc_consumer_lease (motion->consumer, frame, FC_FOREVER);

  *leased = r >= 0;
  if (r != -EAGAIN && r != -EPERM)
    return r;
  return fc_consumer_read (motion->consumer, frame, FC_FOREVER);
}

/* One frame, or one thing that happened: below 0 it can not go on. */
static int
step (motion_t *motion)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int leased, r = next_frame (motion, &frame, &leased);

  switch (r)
    {
    case FC_OK:
    case FC_DROPPED:
      if (frame.dropped > 0)
        printf ("%" PRIu64 " frames were lost: this program was too slow\n",
                frame.dropped);
      if (!motion->begun || (frame.info.flags & FC_FRAME_EPOCH))
        begin_anew (motion);
      look_at (motion, &frame);
      if (leased)
        fc_consumer_release (motion->consumer, &frame);
      return 0;
    case FC_EOS:
      printf ("the writer has ended; waiting for the next one\n");
      return fc_consumer_attach (motion->consumer, FC_FOREVER);
    case FC_REPLACED:
      printf ("the slot is made anew, or gone\n");
      return fc_consumer_attach (motion->consumer, FC_FOREVER);
    case FC_WRITER_LOST:
      printf ("the writer has died; waiting for the next one\n");
      return 0;
    default:
      return r;
    }
}

/* The handler's, which can be given nothing. */
static fc_consumer_t *interruptible;

static void
on_interrupt (int signal)
{
  fc_consumer_interrupt (interruptible);
}

int
main (int argc, char **argv)
{
  struct sigaction action = { .sa_handler = on_interrupt };
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  motion_t motion = { 0 };
  int r;

  if (argc != 2)
    {
      fprintf (stderr, "usage: %s SLOT\n", argv[0]);
      return 2;
    }
  setvbuf (stdout, NULL, _IOLBF, 0); /* a line at a time, into a pipe too */

  options.detached = 1; /* the wait for the slot can be interrupted then */
  r = fc_consumer_open (&motion.consumer, argv[1], &options);
  if (r == 0)
    {
      interruptible = motion.consumer;
      sigaction (SIGINT, &action, NULL);
      sigaction (SIGTERM, &action, NULL);
      r = fc_consumer_attach (motion.consumer, FC_FOREVER);
    }
  while (r >= 0)
    r = step (&motion);

  if (r != FC_INTERRUPTED)
    fprintf (stderr, "%s\n", fc_error_detail ());
  signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  fc_consumer_close (motion.consumer);
  return r != FC_INTERRUPTED;
}
