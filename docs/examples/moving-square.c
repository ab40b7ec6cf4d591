/* moving-square: write a picture 30 times a second that this program draws
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: moving-square SLOT [FRAMES]
 *
 * A white square crosses a dark picture in two seconds, rests for one, and
 * begins again; until Ctrl-C, or for FRAMES. It needs libfc alone, and any
 * GStreamer pipeline shows it:
 *
 *   gst-launch-1.0 fcsrc slot=SLOT ! videoconvert ! autovideosink
 */
#include <framecache/fc.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* NV12: a plane of brightness, a byte for each pixel; then one of colour, a
 * pair of bytes for each 2 x 2 pixels. GStreamer expects lines that begin at
 * multiples of 4 bytes unless a frame says otherwise: these do. */
#define WIDTH 320
#define HEIGHT 240
#define SIZE (WIDTH * HEIGHT * 3 / 2)
#define SIDE 48

#define RATE 30 /* frames a second */
#define MOVING (2 * RATE)
#define RESTING RATE

/* What GStreamer would call these frames: its readers know what to do. */
static const char caps[] = "video/x-raw, format=(string)NV12, width=(int)320, "
                           "height=(int)240, framerate=(fraction)30/1, "
                           "pixel-aspect-ratio=(fraction)1/1, "
                           "interlace-mode=(string)progressive, "
                           "colorimetry=(string)bt601";

static volatile sig_atomic_t interrupted;

static void
on_interrupt (int signal)
{
  interrupted = 1;
}

/* When frame N comes, in ns after the first. Multiplied before it is divided,
 * a third of a nanosecond does not add up to a drift. */
static uint64_t
time_of (uint64_t n)
{
  return n * 1000000000 / RATE;
}

static uint64_t
monotonic (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* Returns 0 where a signal came first. */
static int
sleep_until (uint64_t time)
{
  const struct timespec until
      = { (time_t) (time / 1000000000), (long) (time % 1000000000) };

  return clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0;
}

/* A cell has what an earlier frame left in it: all of it is written. */
static void
draw (unsigned char *data, uint64_t n)
{
  const uint64_t step = n % (MOVING + RESTING);
  const uint64_t left
      = (WIDTH - SIDE) * (step < MOVING ? step : MOVING) / MOVING;
  unsigned char *top = data + (HEIGHT - SIDE) / 2 * WIDTH + left;

  memset (data, 32, WIDTH * HEIGHT);
  for (int line = 0; line < SIDE; line++)
    memset (top + line * WIDTH, 235, SIDE);
  memset (data + WIDTH * HEIGHT, 128, WIDTH * HEIGHT / 2);
}

static int
write_frame (fc_writer_t *writer, uint64_t n, uint64_t began)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int r = fc_writer_acquire (writer, &frame);

  if (r == -EAGAIN)
    return 0; /* no memory for this frame, which libfc counts */
  if (r < 0)
    return r;
  draw (frame.data, n);
  frame.size = SIZE;
  frame.info.flags = FC_FRAME_KEY; /* it needs no other frame */
  frame.info.pts = frame.info.dts = frame.info.running_time = time_of (n);
  frame.info.duration = time_of (n + 1) - time_of (n);
  frame.info.offset = n;
  frame.info.offset_end = n + 1;
  /* The moment that the picture is of: readers keep time by it. */
  frame.info.capture_ns = began + time_of (n);
  r = fc_writer_commit (writer, &frame);
  return r < 0 ? r : 0;
}

static int
write_frames (fc_writer_t *writer, uint64_t frames)
{
  const uint64_t began = monotonic ();
  int r = 0;

  for (uint64_t n = 0; n < frames && !interrupted && r == 0; n++)
    if (sleep_until (began + time_of (n)))
      r = write_frame (writer, n, began);
  return r;
}

int
main (int argc, char **argv)
{
  /* No SA_RESTART: the sleep between two frames ends at once. */
  struct sigaction action = { .sa_handler = on_interrupt };
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer = NULL;
  int r;

  if (argc < 2 || argc > 3)
    {
      fprintf (stderr, "usage: %s SLOT [FRAMES]\n", argv[0]);
      return 2;
    }
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);

  options.frame_size = SIZE;
  options.ring_depth = 2 * RATE; /* readers may be two seconds late */
  options.format = caps;
  options.format_size = sizeof caps - 1; /* without the zero */
  r = fc_writer_open (&writer, argv[1], &options);
  if (r == 0)
    r = write_frames (writer,
                      argc > 2 ? strtoull (argv[2], NULL, 10) : UINT64_MAX);
  if (r < 0)
    fprintf (stderr, "%s\n", fc_error_detail ());
  fc_writer_close (writer); /* readers come to the end of the stream */
  return r < 0;
}
