/* framecache: a writer that is no GStreamer element, to be ended or killed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * change-writer END USEC FIRST {CAPS SIZE COUNT}... writes slot cam0: COUNT
 * frames of SIZE bytes as CAPS, USEC apart, then the next such lot, numbered
 * from FIRST on and filled as fct_buffer () does it. END is the number of
 * consumers that have to have taken all of it before it finishes, or "hang":
 * until killed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc.h"

#define PATIENCE_MS 60000
#define FRAME_NS (UINT64_C (20) * 1000 * 1000)

static int
fail (const char *what)
{
  fprintf (stderr, "%s: %s\n", what, fc_error_detail ());
  return 1;
}

static int
write_frame (fc_writer_t *writer, uint64_t number, size_t size)
{
  fc_frame_t frame = FC_FRAME_INIT;
  uint8_t *data;
  int r = fc_writer_acquire (writer, &frame);

  if (r < 0)
    return r;
  data = frame.data;
  for (size_t i = 0; i < size; i++)
    data[i] = (uint8_t) (number * 31 + i * 7 + (i >> 8));
  frame.size = size;
  frame.info.pts = number * FRAME_NS;
  frame.info.duration = FRAME_NS;
  frame.info.running_time = frame.info.pts;
  frame.info.offset = number;
  return fc_writer_commit (writer, &frame);
}

typedef struct
{
  uint64_t head;
  unsigned long done;
} taken_t;

static int
count_taken (const fc_consumer_stat_t *stat, void *user_data)
{
  taken_t *taken = user_data;

  taken->done += stat->cursor == taken->head;
  return 0;
}

/* 1 where N consumers have taken all there is, 0 where they never did. */
static int
await_taken (fc_writer_t *writer, unsigned long n)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;

  fc_writer_stats (writer, &stats);
  for (unsigned ms = 0; ms < PATIENCE_MS; ms++)
    {
      taken_t taken = { stats.head, 0 };

      fc_slot_consumers (NULL, "cam0", count_taken, &taken);
      if (taken.done >= n)
        return 1;
      usleep (1000);
    }
  return 0;
}

int
main (int argc, char **argv)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer = NULL;
  uint64_t number;
  useconds_t apart;
  int taken;

  if (argc < 7 || argc % 3 != 1)
    return 2;
  apart = (useconds_t) strtoul (argv[2], NULL, 10);
  number = strtoull (argv[3], NULL, 10);
  for (int i = 4; i < argc; i += 3)
    {
      options.format = argv[i];
      options.format_size = (uint32_t) strlen (argv[i]);
      options.frame_size = strtoull (argv[i + 1], NULL, 10);
      if ((writer == NULL ? fc_writer_open (&writer, "cam0", &options)
                          : fc_writer_renew (writer, &options))
          < 0)
        return fail ("open");
      for (unsigned long n = strtoul (argv[i + 2], NULL, 10); n > 0; n--)
        {
          if (write_frame (writer, number++, options.frame_size) < 0)
            return fail ("write");
          if (apart > 0)
            usleep (apart);
        }
    }
  while (strcmp (argv[1], "hang") == 0)
    pause ();
  taken = await_taken (writer, strtoul (argv[1], NULL, 10));
  fc_writer_close (writer);
  return taken ? 0 : 1;
}
