/* One of libfc's operations, again and again, for its instructions to be
 * counted: those of measured () and what it calls, and no others.
 *
 * fc-instructions OPERATION COUNT
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../fc-bench.h"

#define SIZE 64

static fc_writer_t *writer;
static fc_consumer_t *consumer;
static uint8_t bytes[SIZE];

static void
write_frame (void)
{
  must (fc_writer_write (writer, bytes, SIZE, NULL, NULL), "write");
}

static void
commit_frame (void)
{
  fc_frame_t frame = FC_FRAME_INIT;

  must (fc_writer_acquire (writer, &frame), "acquire");
  frame.size = SIZE;
  must (fc_writer_commit (writer, &frame), "commit");
}

static void
lease_frame (void)
{
  fc_frame_t frame = FC_FRAME_INIT;

  must (fc_consumer_lease (consumer, &frame, 0), "lease");
  fc_consumer_release (consumer, &frame);
}

static void
read_frame (void)
{
  fc_frame_t frame = FC_FRAME_INIT;

  frame.data = bytes;
  frame.capacity = SIZE;
  must (fc_consumer_read (consumer, &frame, 0), "read");
}

static const struct
{
  const char *name;
  void (*prepare) (void); /* not counted; NULL where there is nothing to do */
  void (*operate) (void);
} operations[] = {
  { "acquire+commit", NULL, commit_frame },
  { "write", NULL, write_frame },
  { "lease+release", write_frame, lease_frame },
  { "read", write_frame, read_frame },
};

/* Its name is what the counter looks for. */
static void __attribute__ ((noinline)) measured (void (*operate) (void))
{
  operate ();
}

static void
repeat (size_t i, long count)
{
  for (long n = 0; n < count; n++)
    {
      if (operations[i].prepare != NULL)
        operations[i].prepare ();
      measured (operations[i].operate);
    }
}

int
main (int argc, char **argv)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_consumer_options_t to_read = FC_CONSUMER_OPTIONS_INIT;
  size_t n = sizeof operations / sizeof operations[0], i = 0;

  while (argc == 3 && i < n && strcmp (argv[1], operations[i].name) != 0)
    i++;
  if (argc != 3 || i == n || atol (argv[2]) < 1)
    {
      fprintf (stderr, "usage: fc-instructions OPERATION COUNT\n");
      return 2;
    }
  make_bench_dir ();
  options.dir = to_read.dir = bench_dir;
  options.frame_size = SIZE;
  options.ring_depth = 8;
  must (fc_writer_open (&writer, "bench", &options), "open");
  if (operations[i].prepare != NULL)
    must (fc_consumer_open (&consumer, "bench", &to_read), "consumer");
  repeat (i, atol (argv[2]));
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  return 0;
}
