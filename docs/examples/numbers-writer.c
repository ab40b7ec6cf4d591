/* numbers-writer: write 100 numbers into the slot "numbers", one each 10 ms
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <framecache/fc.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

int
main (void)
{
  const struct timespec pause = { 0, 10000000 };
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer = NULL;
  int r;

  options.frame_size = sizeof (int);
  options.format = "a number";
  options.format_size = strlen (options.format);
  r = fc_writer_open (&writer, "numbers", &options);

  for (int i = 0; i < 100 && r >= 0; i++)
    {
      /* The frame is made in shared memory: nothing is copied. */
      r = fc_writer_acquire (writer, &frame);
      if (r < 0)
        break;
      memcpy (frame.data, &i, sizeof i);
      frame.size = sizeof i;
      r = fc_writer_commit (writer, &frame);
      nanosleep (&pause, NULL);
    }

  if (r < 0)
    fprintf (stderr, "%s\n", fc_error_detail ());
  fc_writer_close (writer);
  return r < 0;
}
