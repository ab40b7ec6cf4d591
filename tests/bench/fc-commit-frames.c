/* Commits as many frames as it is told, in place and as copies, beside a
 * consumer that does not wait. To be watched by strace: test-syscalls.sh.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench.h"

int
main (int argc, char **argv)
{
  unsigned frames = argc > 1 ? (unsigned) atoi (argv[1]) : 1000;
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_consumer_options_t other = FC_CONSUMER_OPTIONS_INIT;
  static char data[65536];
  fc_consumer_t *consumer;
  fc_writer_t *writer;

  make_bench_dir ();
  options.dir = other.dir = bench_dir;
  options.frame_size = sizeof data;
  options.ring_depth = 16;
  must (fc_writer_open (&writer, "bench", &options), "writer");
  must (fc_consumer_open (&consumer, "bench", &other), "consumer");
  for (unsigned i = 0; i < frames; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT, taken = FC_FRAME_INIT;

      if (i % 2)
        {
          must (fc_writer_write (writer, data, sizeof data, NULL, NULL),
                "write");
        }
      else
        {
          must (fc_writer_acquire (writer, &frame), "acquire");
          frame.size = sizeof data;
          must (fc_writer_commit (writer, &frame), "commit");
        }
      /* taking a frame that is there asks nothing of the kernel either */
      if (i % 3 == 0)
        {
          must (fc_consumer_lease (consumer, &taken, 0), "lease");
          fc_consumer_release (consumer, &taken);
        }
    }
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  return 0;
}
