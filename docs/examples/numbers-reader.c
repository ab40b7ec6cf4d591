/* numbers-reader: read the slot "numbers" to its end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <framecache/fc.h>

#include <inttypes.h>
#include <stdio.h>

int
main (void)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer = NULL;
  uint64_t frames = 0, lost = 0;
  int sum = 0, r;

  options.wait_ns = 5000000000; /* the writer may start later */
  options.position.start = FC_START_OLDEST;
  r = fc_consumer_open (&consumer, "numbers", &options);

  while (r >= 0)
    {
      r = fc_consumer_lease (consumer, &frame, 5000000000);
      if (r < 0)
        break; /* the end, 5 s without a frame, or an error */
      sum += *(const int *) frame.data;
      lost += frame.dropped;
      frames++;
      fc_consumer_release (consumer, &frame);
    }

  if (r == FC_EOS)
    printf ("%" PRIu64 " frames, %" PRIu64 " lost, sum %d\n", frames, lost,
            sum);
  else
    fprintf (stderr, "%s\n", fc_error_detail ());
  fc_consumer_close (consumer);
  return r != FC_EOS;
}
