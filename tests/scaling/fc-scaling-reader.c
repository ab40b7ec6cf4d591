/* A viewer at the last machine: reads the pictures of a slot and prints a
 * line for each: its number, how long ago it was captured and what the reader
 * lost before it; and a line for whatever else its slot goes through.
 *
 *   frame NUMBER LATENCY_NS LOST     a whole picture
 *   damaged LOST                     a picture whose three bands do not agree
 *   quiet | lost | end | replaced    no frame for a second; the writer died,
 *                                    finished, or has another ring
 *   attached | attached-anew         after the last two
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "picture.h"

#include "fc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SEC 1000000000LL

typedef struct
{
  const char *slot;
  unsigned width, height;
} options_t;

static void
usage (FILE *stream)
{
  fprintf (stream, "usage: fc-scaling-reader [-w WIDTH] [-h HEIGHT] SLOT\n"
                   "  WIDTH, HEIGHT  pixels, as the source's (640, 360)\n"
                   "Waits for the slot, and runs until it is ended.\n");
}

static void
parse (int argc, char **argv, options_t *options)
{
  int c;

  while ((c = getopt (argc, argv, "w:h:")) != -1)
    switch (c)
      {
      case 'w':
        options->width = (unsigned) atoi (optarg);
        break;
      case 'h':
        options->height = (unsigned) atoi (optarg);
        break;
      default:
        usage (stderr);
        exit (2);
      }
  options->slot = argv[optind];
  if (optind + 1 != argc || options->width < 64 || options->height < 4)
    {
      usage (stderr);
      exit (2);
    }
}

static void
tell (const options_t *options, const fc_frame_t *frame, int64_t now)
{
  stamp_t stamp;

  if (frame->size >= picture_size (options->width, options->height)
      && picture_read (frame->data, options->width, options->height, &stamp))
    printf ("frame %" PRIu32 " %" PRId64 " %" PRIu64 "\n", stamp.number,
            now - (int64_t) stamp.captured_us * 1000, frame->dropped);
  else
    printf ("damaged %" PRIu64 "\n", frame->dropped);
}

static int
read_one (const options_t *options, fc_consumer_t *consumer)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int r = fc_consumer_lease (consumer, &frame, SEC);
  struct timespec now;

  if (r < 0)
    return r;
  clock_gettime (CLOCK_MONOTONIC, &now);
  tell (options, &frame, now.tv_sec * SEC + now.tv_nsec);
  fc_consumer_release (consumer, &frame);
  return r;
}

/* After the slot's end: to whatever comes in its place. */
static int
attach (fc_consumer_t *consumer)
{
  int r = fc_consumer_attach (consumer, FC_FOREVER);

  if (r >= 0)
    puts (r == 1 ? "attached-anew" : "attached");
  return r;
}

int
main (int argc, char **argv)
{
  options_t options = { NULL, 640, 360 };
  fc_consumer_options_t o = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer = NULL;
  int r;

  parse (argc, argv, &options);
  setvbuf (stdout, NULL, _IOLBF, 0);
  o.wait_ns = FC_FOREVER;
  r = fc_consumer_open (&consumer, options.slot, &o);
  while (r >= 0)
    {
      r = read_one (&options, consumer);
      if (r == FC_TIMEOUT || r == FC_WRITER_LOST)
        {
          puts (r == FC_TIMEOUT ? "quiet" : "lost");
          r = 0;
        }
      else if (r == FC_EOS || r == FC_REPLACED)
        {
          puts (r == FC_EOS ? "end" : "replaced");
          r = attach (consumer);
        }
    }
  fprintf (stderr, "fc-scaling-reader: %s\n", fc_error_detail ());
  fc_consumer_close (consumer);
  return 1;
}
