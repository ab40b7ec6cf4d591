/* A camera of the first machine: writes a slot of I420 pictures that say which
 * frame they are and when they were captured, until it is told to stop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "picture.h"

#include "fc.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SEC 1000000000LL

typedef struct
{
  const char *slot;
  unsigned width, height, rate;
} options_t;

static volatile sig_atomic_t stopped;

static void
stop (int number)
{
  (void) number;
  stopped = 1;
}

static void
usage (FILE *stream)
{
  fprintf (stream,
           "usage: fc-scaling-source [-w WIDTH] [-h HEIGHT] [-r RATE] SLOT\n"
           "  WIDTH, HEIGHT  pixels, multiples of 64 and 4 (640, 360)\n"
           "  RATE           frames/s (30)\n"
           "Runs until SIGTERM or SIGINT; prints how many frames it wrote.\n");
}

static void
parse (int argc, char **argv, options_t *options)
{
  int c;

  while ((c = getopt (argc, argv, "w:h:r:")) != -1)
    switch (c)
      {
      case 'w':
        options->width = (unsigned) atoi (optarg);
        break;
      case 'h':
        options->height = (unsigned) atoi (optarg);
        break;
      case 'r':
        options->rate = (unsigned) atoi (optarg);
        break;
      default:
        usage (stderr);
        exit (2);
      }
  options->slot = argv[optind];
  if (optind + 1 != argc || options->width % 64 != 0 || options->width < 64
      || options->height % 4 != 0 || options->height < options->width / 3
      || options->width > 8192 || options->height > 8192 || options->rate < 1
      || options->rate > 1000)
    {
      usage (stderr);
      exit (2);
    }
}

static int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

/* Also returns where a signal came. */
static void
sleep_until (int64_t then)
{
  struct timespec at = { then / SEC, then % SEC };

  clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static int
open_writer (const options_t *options, fc_writer_t **writer)
{
  fc_writer_options_t o = FC_WRITER_OPTIONS_INIT;
  char caps[256];

  snprintf (caps, sizeof caps,
            "video/x-raw, format=(string)I420, width=(int)%u, height=(int)%u,"
            " framerate=(fraction)%u/1, interlace-mode=(string)progressive,"
            " pixel-aspect-ratio=(fraction)1/1,"
            " colorimetry=(string)bt709, chroma-site=(string)mpeg2",
            options->width, options->height, options->rate);
  o.format = caps;
  o.format_size = (uint32_t) strlen (caps);
  o.frame_size = picture_size (options->width, options->height);
  o.ring_depth = 2 * options->rate;
  return fc_writer_open (writer, options->slot, &o);
}

static int
write_one (const options_t *options, fc_writer_t *writer, uint32_t number)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int64_t now = now_ns ();
  stamp_t stamp = { number, (uint64_t) now / 1000 };
  int r = fc_writer_acquire (writer, &frame);

  if (r < 0)
    return r;
  picture_paint (frame.data, options->width, options->height, &stamp);
  frame.size = picture_size (options->width, options->height);
  frame.info.flags = FC_FRAME_KEY;
  frame.info.pts = (uint64_t) number * SEC / options->rate;
  frame.info.duration = SEC / options->rate;
  frame.info.running_time = frame.info.pts;
  frame.info.capture_ns = (uint64_t) now;
  frame.info.offset = number;
  return fc_writer_commit (writer, &frame);
}

int
main (int argc, char **argv)
{
  options_t options = { NULL, 640, 360, 30 };
  struct sigaction action = { .sa_handler = stop };
  fc_writer_t *writer = NULL;
  uint32_t number = 0;
  int64_t start;
  int r;

  parse (argc, argv, &options);
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  r = open_writer (&options, &writer);
  start = now_ns ();
  while (r >= 0 && !stopped)
    {
      r = write_one (&options, writer, number++);
      sleep_until (start + number * SEC / options.rate);
    }
  if (r < 0)
    fprintf (stderr, "fc-scaling-source: %s\n", fc_error_detail ());
  else
    printf ("frames %" PRIu32 "\n", number);
  fc_writer_close (writer);
  return r < 0;
}
